"""e1000e: probe, open, interrupts, poll, receive, transmit, moderation, watchdog, statistics, stop, power,
recovery.

What lives here: everything that a packet meets, in the order in which netdev.c has it.  What does not: chip
sequences that know no packet (hw.py), parameters (param.py), ethtool (ethtool.py).

Functions carry Linux's names, so that a function trace compares with one of Linux; what Linux's compiler
inlines is a method here or stands in line.  Facts: e1000e/netdev.c of 6.1; 3.13's differences from the
reference sheet; order of calls recorded on 6.1.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from rxpath.drivers.e1000e.e1000 import (
    BOARDS,
    BULK_LATENCY,
    CLEAN_RX_JUMBO,
    CLEAN_RX_NORMAL,
    CLEAN_RX_PS,
    E1000_DEFAULT_RXD,
    E1000_DEFAULT_TXD,
    ETH_DATA_LEN,
    ETH_FCS_LEN,
    ETH_FRAME_LEN,
    ETH_ZLEN,
    FC_DEFAULT,
    FLAG2_CHECK_PHY_HANG,
    FLAG2_CHECK_SYSTIM_OVERFLOW,
    FLAG2_CRC_STRIPPING,
    FLAG2_DFLT_CRC_STRIPPING,
    FLAG2_DISABLE_AIM,
    FLAG2_DISABLE_ASPM_L0S,
    FLAG2_DISABLE_ASPM_L1,
    FLAG2_DMA_BURST,
    FLAG2_IS_DISCARDING,
    FLAG2_NO_DISABLE_RX,
    FLAG_APME_IN_CTRL3,
    FLAG_HAS_AMT,
    FLAG_HAS_CTRLEXT_ON_LOAD,
    FLAG_HAS_HW_TIMESTAMP,
    FLAG_HAS_HW_VLAN_FILTER,
    FLAG_HAS_JUMBO_FRAMES,
    FLAG_HAS_MSIX,
    FLAG_HAS_SMART_POWER_DOWN,
    FLAG_HAS_WOL,
    FLAG_MSI_ENABLED,
    FLAG_MSI_TEST_FAILED,
    FLAG_RESTART_NOW,
    FLAG_SMART_POWER_DOWN,
    FULL_DUPLEX,
    HALF_DUPLEX,
    INT_MODE_LEGACY,
    INT_MODE_MSI,
    INT_MODE_MSIX,
    LOW_LATENCY,
    LOWEST_LATENCY,
    PS_PAGE_BUFFERS,
    RX_BUFFER_BYTES,
    SPEED_10,
    SPEED_100,
    SPEED_1000,
    STATE_DOWN,
    STATE_RESETTING,
    STATE_TESTING,
    VLAN_ETH_FRAME_LEN,
    VLAN_ETH_HLEN,
    E1000Adapter,
    E1000Ring,
    TxBuffer,
)
from rxpath.drivers.e1000e.hw import (
    IGP02E1000_PHY_POWER_MGMT,
    NVM_INIT_CONTROL3_PORT_A,
    TXDCTL_COUNT_DESC,
    E1000Hw,
    e1e_rphy,
    e1e_wphy,
    e1000_check_mng_mode_82574,
    e1000_check_phy_82574,
    e1000_get_variants_82571,
    e1000_init_hw_82571,
    e1000_power_down_phy_copper_82571,
    e1000_power_up_phy_copper,
    e1000_read_nvm,
    e1000_read_pba_string_generic,
    e1000_reset_hw_82571,
    e1000_setup_link_82571,
    e1000_validate_nvm_checksum,
    e1000e_check_downshift,
    e1000e_check_for_copper_link,
    e1000e_check_reset_block_generic,
    e1000e_config_collision_dist_generic,
    e1000e_disable_pcie_master,
    e1000e_enable_tx_pkt_filtering,
    e1000e_get_phy_info_m88,
    e1000e_get_speed_and_duplex_copper,
    e1000e_rar_set_generic,
    e1000e_read_mac_addr,
    e1000e_update_mc_addr_list_generic,
    supported_mac,
)
from rxpath.drivers.e1000e.param import e1000e_check_options
from rxpath.drivers.lib import (
    format_mac,
    is_valid_ether_addr,
    msleep,
    round_jiffies,
    skb_clone_tx_timestamp,
    usleep_range,
)
from rxpath.drivers.pci import (
    IORESOURCE_MEM,
    PCI_CHANNEL_IO_PERM_FAILURE,
    PCI_COMMAND,
    PCI_COMMAND_SERR,
    PCI_ERS_RESULT_DISCONNECT,
    PCI_ERS_RESULT_NEED_RESET,
    PCI_ERS_RESULT_RECOVERED,
    PCI_STATUS,
    PCIE_LINK_STATE_L0S,
    PCIE_LINK_STATE_L1,
    MsixEntry,
    PciDev,
    PciDeviceId,
    PciErrorHandlers,
    dma_set_mask_and_coherent,
    pci_disable_device,
    pci_disable_link_state,
    pci_disable_msi,
    pci_disable_msix,
    pci_disable_pcie_error_reporting,
    pci_enable_device_mem,
    pci_enable_msi,
    pci_enable_msix_range,
    pci_enable_pcie_error_reporting,
    pci_release_mem_regions,
    pci_request_selected_regions,
    pci_restore_state,
    pci_save_state,
    pci_select_bars,
    pci_set_drvdata,
    pci_set_master,
    pci_wake_from_d3,
    pcie_get_speed_and_width,
)
from rxpath.hw.bus import DmaFault
from rxpath.hw.memory import DMA_FROM_DEVICE, DMA_TO_DEVICE, PAGE_SIZE
from rxpath.hw.regs import i82574 as r
from rxpath.kernel.dma import dma_alloc_coherent, dma_free_coherent, dma_map_page_attrs, dma_unmap_page_attrs
from rxpath.kernel.errno import EADDRNOTAVAIL, EBUSY, EINVAL, EIO, ENOMEM, ENOTSUP, EOPNOTSUPP, linux_error
from rxpath.kernel.irq import IRQ_HANDLED, IRQ_NONE, IRQF_SHARED, Handler
from rxpath.kernel.module import Module
from rxpath.kernel.timer import TimerList, Work
from rxpath.net.core.dev import netdev_rss_key_fill
from rxpath.net.core.ethtool import EthtoolOps
from rxpath.net.core.gro import napi_gro_receive
from rxpath.net.core.napi import (
    __napi_schedule,
    napi_complete,
    napi_complete_done,
    napi_disable,
    napi_enable,
    napi_schedule_prep,
)
from rxpath.net.core.netdevice import (
    IFF_ALLMULTI,
    IFF_PROMISC,
    NAPI_STATE_NPSVC,
    NAPI_STATE_SCHED,
    NETIF_F,
    NETIF_F_HW_CSUM,
    NETIF_F_HW_VLAN_CTAG_FILTER,
    NETIF_F_HW_VLAN_CTAG_RX,
    NETIF_F_HW_VLAN_CTAG_TX,
    NETIF_F_RXALL,
    NETIF_F_RXCSUM,
    NETIF_F_RXFCS,
    NETIF_F_RXHASH,
    NETIF_F_SG,
    NETIF_F_TSO,
    NapiStruct,
    Net,
    NetDevice,
    NetdevQueue,
    RtnlLinkStats64,
    netif_carrier_off,
    netif_carrier_on,
    netif_napi_add,
    netif_napi_del,
    register_netdev,
    unregister_netdev,
)
from rxpath.net.core.receive import eth_type_trans
from rxpath.net.core.skbuff import (
    CHECKSUM_PARTIAL,
    CHECKSUM_UNNECESSARY,
    MAX_SKB_FRAGS,
    SkBuff,
    __napi_alloc_skb,
    __netdev_alloc_skb,
    kfree_skb_reason,
    skb_put,
)
from rxpath.net.core.timestamping import skb_tstamp_tx
from rxpath.net.core.xmit import (
    NETDEV_TX_BUSY,
    NETDEV_TX_OK,
    __dev_kfree_skb_any,
    netdev_tx_completed_queue,
    netdev_tx_reset_queue,
    netdev_tx_sent_queue,
    netif_tx_start_queue,
    netif_tx_stop_queue,
    netif_tx_wake_queue,
)
from rxpath.sim.ledger import Site
from rxpath.wire.ethernet import ETH_P_8021Q, ETH_P_IP, ETH_P_IPV6

DRIVER_NAME: Final = "e1000e"
IFNAMSIZ: Final = 16

SITE_RING_DOWN: Final = Site("ring", "ring discarded on down", "none")
SITE_RX_ERROR: Final = Site("driver", "descriptor reports a frame error", "none")
SITE_RX_DISCARD: Final = Site("driver", "frame did not fit one buffer", "none")
SITE_TX_DOWN: Final = Site("xmit", "port is down", "none")
SITE_TX_EMPTY: Final = Site("xmit", "empty frame", "none")
SITE_TX_RING_DOWN: Final = Site("xmit", "transmit ring discarded on down", "none")
SITE_TX_DMA: Final = Site("xmit", "no DMA mapping", "none")

# Ext. descriptor, write-back: mrq, rss, status and errors, length, VLAN.  Packet split: the same, then header
# status and three lengths.
_RXD: Final = struct.Struct("<IIIHH")
_RXD_PS: Final = struct.Struct("<IIIHHHHHH")
_RXD_PS_READ: Final = struct.Struct("<QQQQ")
_ADDR: Final = struct.Struct("<Q")
_TXD: Final = struct.Struct("<QII")
_CTXD: Final = struct.Struct("<BBHBBHIBBH")

STAT_DD: Final = r.RXD_STAT_DD
STAT_EOP: Final = r.RXD_STAT_EOP
STAT_VP: Final = r.RXD_STAT_VP
FRAME_ERR: Final = r.RXDEXT_ERR_FRAME_ERR_MASK
CSUM_ERR: Final = r.RXDEXT_STATERR_TCPE | r.RXDEXT_STATERR_IPE
CSUM_DONE: Final = r.RXD_STAT_TCPCS | r.RXD_STAT_UDPCS
IXSM: Final = r.RXD_STAT_IXSM
RDT0: Final = r.RDT(0)
TDT0: Final = r.TDT(0)
IMS: Final = r.IMS
IMS_MSIX_OTHER: Final = r.ICR_OTHER | r.IMS_OTHER_MASK
MSIX_3_13_OTHER: Final = r.ICR_OTHER | r.ICR_LSC
NULL_ADDR: Final = 0xFFFFFFFFFFFFFFFF
M32: Final = 0xFFFFFFFF

RXDCTL_DMA_BURST_ENABLE: Final = 0x01040420
TXDCTL_DMA_BURST_ENABLE: Final = 0x01000000 | TXDCTL_COUNT_DESC | 1 << 16 | 1 << 8 | 0x1F
TXDCTL_THRESHOLDS: Final = 0x003F3F3F
TIDV_FPD: Final = 1 << 31
TIMINCA_82574: Final = 1 << 24 | (40 << 18 & 0xFFFFFF)
EEPROM_APME: Final = 0x0400
WUFC_LNKC: Final = 0x01
WUFC_MAG: Final = 0x02
WUFC_EX: Final = 0x04
WUFC_MC: Final = 0x08
WUFC_BC: Final = 0x10
TX_WAKE_THRESHOLD: Final = 32
PM_SPD: Final = 0x0001
SPEED_MODE_BIT: Final = 1 << 21

TX_FLAGS_CSUM: Final = 0x1
TX_FLAGS_VLAN: Final = 0x2
TX_FLAGS_TSO: Final = 0x4
TX_FLAGS_IPV4: Final = 0x8

NETIF_F_TSO6: Final = NETIF_F["tso6"]
NETIF_F_HIGHDMA: Final = NETIF_F["highdma"]

SIOCGMIIPHY: Final = 0x8947
SIOCGMIIREG: Final = 0x8948
SIOCSHWTSTAMP: Final = 0x89B0
SIOCGHWTSTAMP: Final = 0x89B1


# --- receive: buffers ---------------------------------------------------------------------------------------


def e1000_alloc_rx_buffers(rx_ring: E1000Ring, cleaned_count: int, sleepable: bool) -> None:
    """Give `cleaned_count` slots a mapped buffer.  `sleepable`: GFP_KERNEL (open), else GFP_ATOMIC (refill).

    The tail is written with index i before slot i counts, and only when i is a multiple of 16.
    """
    adapter = rx_ring.adapter
    mem = adapter.pdev.kernel.memory
    map_landing = mem.map_landing
    truesize = adapter.truesize_kernel if sleepable else adapter.truesize_atomic
    buflen = adapter.rx_buffer_len
    bufs = rx_ring.bufs
    dma = rx_ring.dma
    tsz = rx_ring.truesize
    view = rx_ring.view
    pack_into = _ADDR.pack_into
    count = rx_ring.count
    i = rx_ring.next_to_use
    while cleaned_count:
        cleaned_count -= 1
        b = bufs[i]
        if b is None:
            try:
                b = bufs[i] = mem.alloc(RX_BUFFER_BYTES)
            except OSError:
                adapter.alloc_rx_buff_failed += 1
                break
        if not tsz[i]:
            tsz[i] = truesize
        try:
            addr = map_landing(b, buflen)
        except DmaFault:
            adapter.pdev.err("Rx DMA map failed")
            adapter.rx_dma_failed += 1
            break
        dma[i] = addr
        pack_into(view, i << 4, addr)
        if not i & 15:
            adapter.pdev.model.mmio_write(0, RDT0, 4, i)
        i += 1
        if i == count:
            i = 0
    rx_ring.next_to_use = i


def e1000_alloc_rx_buffers_ps(rx_ring: E1000Ring, cleaned_count: int, sleepable: bool) -> None:
    """Packet split: a header buffer of 128 bytes and up to three whole pages a slot; the tail counts 16-byte
    units.
    """
    adapter = rx_ring.adapter
    mem = adapter.pdev.kernel.memory
    truesize = adapter.net.kernel.skb_alloc.netdev(adapter.rx_ps_bsize0, sleepable)
    npages = adapter.rx_ps_pages
    i = rx_ring.next_to_use
    while cleaned_count:
        cleaned_count -= 1
        try:
            b = rx_ring.bufs[i]
            if b is None:
                b = rx_ring.bufs[i] = mem.alloc(RX_BUFFER_BYTES)
            pages = rx_ring.pages[i]
            page_dma = rx_ring.page_dma[i]
            addrs = [NULL_ADDR] * PS_PAGE_BUFFERS
            for j in range(npages):
                if j == len(pages):
                    pages.append(mem.alloc(PAGE_SIZE))
                    page_dma.append(0)
                if not page_dma[j]:
                    page_dma[j] = mem.map(pages[j], 0, PAGE_SIZE, DMA_FROM_DEVICE)
                addrs[j] = page_dma[j]
            if not rx_ring.truesize[i]:
                rx_ring.truesize[i] = truesize
            addr = mem.map(b, 0, adapter.rx_ps_bsize0, DMA_FROM_DEVICE)
        except OSError:
            adapter.alloc_rx_buff_failed += 1
            break
        except DmaFault:
            adapter.pdev.err("Rx DMA map failed")
            adapter.rx_dma_failed += 1
            break
        rx_ring.dma[i] = addr
        _RXD_PS_READ.pack_into(rx_ring.view, i << 5, addr, addrs[0], addrs[1], addrs[2])
        if not i & 15:
            adapter.pdev.model.mmio_write(0, RDT0, 4, i << 1)
        i += 1
        if i == rx_ring.count:
            i = 0
    rx_ring.next_to_use = i


def e1000_alloc_jumbo_rx_buffers(rx_ring: E1000Ring, cleaned_count: int, sleepable: bool) -> None:
    """One page a slot; the tail is written once, with the last filled index."""
    adapter = rx_ring.adapter
    mem = adapter.pdev.kernel.memory
    truesize = adapter.net.kernel.skb_alloc.netdev(256 - 16, sleepable)
    i = rx_ring.next_to_use
    while cleaned_count:
        cleaned_count -= 1
        try:
            if not rx_ring.pages[i]:
                rx_ring.pages[i].append(mem.alloc(PAGE_SIZE))
            if not rx_ring.truesize[i]:
                rx_ring.truesize[i] = truesize
            if not rx_ring.dma[i]:
                rx_ring.dma[i] = mem.map(rx_ring.pages[i][0], 0, PAGE_SIZE, DMA_FROM_DEVICE)
        except (OSError, DmaFault):
            adapter.alloc_rx_buff_failed += 1
            break
        _ADDR.pack_into(rx_ring.view, i << 4, rx_ring.dma[i])
        i += 1
        if i == rx_ring.count:
            i = 0
    if rx_ring.next_to_use != i:
        rx_ring.next_to_use = i
        adapter.pdev.model.mmio_write(0, RDT0, 4, (i - 1) if i else rx_ring.count - 1)


class _RxBuffers:
    """adapter->alloc_rx_buf: the fill that goes with the receive path in use."""

    __slots__ = ()

    @staticmethod
    def alloc(rx_ring: E1000Ring, cleaned_count: int, sleepable: bool) -> None:
        mode = rx_ring.adapter.clean_rx
        if mode == CLEAN_RX_NORMAL:
            e1000_alloc_rx_buffers(rx_ring, cleaned_count, sleepable)
        elif mode == CLEAN_RX_PS:
            e1000_alloc_rx_buffers_ps(rx_ring, cleaned_count, sleepable)
        else:
            e1000_alloc_jumbo_rx_buffers(rx_ring, cleaned_count, sleepable)

    @staticmethod
    def drop(adapter: E1000Adapter, addr: int, site: Site) -> None:
        """The frame whose first bytes lie at `addr` ends here."""
        tag = adapter.pdev.kernel.memory.take_tag(addr)
        if tag is not None:
            adapter.pdev.kernel.ledger.book_drop(site, len(tag) if isinstance(tag, tuple) else 1)

    @staticmethod
    def take(adapter: E1000Adapter, skb: SkBuff, addr: int) -> None:
        """The skb now stands for the frame that was written at `addr`."""
        tag = adapter.pdev.kernel.memory.take_tag(addr)
        if tag is not None:
            skb.tag = tag
            skb.tokens = len(tag) if isinstance(tag, tuple) else 1


# --- receive: up the stack ----------------------------------------------------------------------------------


def e1000_receive_skb(adapter: E1000Adapter, netdev: NetDevice, skb: SkBuff, staterr: int, vlan: int) -> None:
    eth_type_trans(skb, netdev)
    if staterr & STAT_VP:
        skb.vlan_present = True
        skb.vlan_proto = ETH_P_8021Q
        skb.vlan_tci = vlan
    napi_gro_receive(adapter.napi, skb)


def e1000_rx_checksum(adapter: E1000Adapter, staterr: int, skb: SkBuff) -> None:
    """What the chip found out about the checksums; a bad one is left to the stack."""
    if not adapter.netdev.features & NETIF_F_RXCSUM or staterr & IXSM:
        return
    if staterr & CSUM_ERR:
        adapter.hw_csum_err += 1
    elif staterr & CSUM_DONE:
        skb.ip_summed = CHECKSUM_UNNECESSARY
        adapter.hw_csum_good += 1


def e1000_clean_rx_irq(rx_ring: E1000Ring, budget: int) -> int:
    """Harvest up to `budget` descriptors of the plain path; returns how many (broken frames count)."""
    adapter = rx_ring.adapter
    netdev = adapter.netdev
    net = adapter.net
    kernel = net.kernel
    mem = kernel.memory
    tags = mem.tags
    view = rx_ring.view
    unpack_from = _RXD.unpack_from
    dma = rx_ring.dma
    bufs = rx_ring.bufs
    tsz = rx_ring.truesize
    count = rx_ring.count
    buflen = adapter.rx_buffer_len
    copybreak = adapter.module.copybreak
    features = netdev.features
    errors = 0 if features & NETIF_F_RXALL else FRAME_ERR
    rxhash = features & NETIF_F_RXHASH
    fcs = 0 if adapter.flags2 & FLAG2_CRC_STRIPPING else 4
    small_skb = __netdev_alloc_skb if adapter.old_release else __napi_alloc_skb
    costs = kernel.costs
    cpu = kernel.cur() if costs.enabled else None
    frame_ns = costs.driver_frame + costs.skb_alloc
    small_ns = frame_ns + costs.copybreak
    total_bytes = total_packets = 0
    work = cleaned_count = 0
    i = rx_ring.next_to_clean
    off = i << 4
    _, rss, staterr, length, vlan = unpack_from(view, off)
    while staterr & 1:
        if work >= budget:
            break
        work += 1
        cleaned_count += 1
        addr = dma[i]
        data = dma_unmap_page_attrs(mem, addr, buflen, DMA_FROM_DEVICE)
        dma[i] = 0
        if staterr & 2 and not staterr & errors and not adapter.flags2 & FLAG2_IS_DISCARDING:
            if fcs:
                if features & NETIF_F_RXFCS:
                    total_bytes -= 4
                else:
                    length -= 4
            total_bytes += length
            total_packets += 1
            if data is None:
                b = bufs[i]
                assert b is not None
                data = bytes(b.view[:length])
            else:
                data = data[:length]
            if length < copybreak:
                if cpu is not None:
                    cpu.charge(small_ns)
                skb = small_skb(net, length)
            else:
                if cpu is not None:
                    cpu.charge(frame_ns)
                skb = SkBuff(net, b"", tsz[i])
                tsz[i] = 0
            tag = tags.pop(addr, None)
            if tag is not None:
                skb.tag = tag
                skb.tokens = len(tag) if isinstance(tag, tuple) else 1
            skb_put(skb, data)
            e1000_rx_checksum(adapter, staterr, skb)
            if rxhash:
                skb.hash = rss
            e1000_receive_skb(adapter, netdev, skb, staterr, vlan)
        else:
            # several descriptors for one frame: every part of it is tossed, up to its end; or a broken frame
            if not staterr & STAT_EOP:
                adapter.flags2 |= FLAG2_IS_DISCARDING
            if adapter.flags2 & FLAG2_IS_DISCARDING:
                _RxBuffers.drop(adapter, addr, SITE_RX_DISCARD)
                if staterr & STAT_EOP:
                    adapter.flags2 &= ~FLAG2_IS_DISCARDING
            else:
                _RxBuffers.drop(adapter, addr, SITE_RX_ERROR)
        view[off + 8] = 0
        if cleaned_count >= 16:
            e1000_alloc_rx_buffers(rx_ring, cleaned_count, False)
            cleaned_count = 0
        i += 1
        if i == count:
            i = 0
        off = i << 4
        _, rss, staterr, length, vlan = unpack_from(view, off)
    rx_ring.next_to_clean = i
    cleaned_count = rx_ring.unused()
    if cleaned_count:
        e1000_alloc_rx_buffers(rx_ring, cleaned_count, False)
    adapter.total_rx_bytes += total_bytes
    adapter.total_rx_packets += total_packets
    return work


def e1000_clean_rx_irq_ps(rx_ring: E1000Ring, budget: int) -> int:
    """Packet split: the header in its buffer, the rest in pages that the skb keeps (here: whose bytes it
    keeps).
    """
    adapter = rx_ring.adapter
    netdev = adapter.netdev
    net = adapter.net
    kernel = net.kernel
    mem = kernel.memory
    view = rx_ring.view
    bsize0 = adapter.rx_ps_bsize0
    copybreak = adapter.module.copybreak
    features = netdev.features
    errors = 0 if features & NETIF_F_RXALL else FRAME_ERR
    cut_fcs = not adapter.flags2 & FLAG2_CRC_STRIPPING and not features & NETIF_F_RXFCS
    costs = kernel.costs
    cpu = kernel.cur() if costs.enabled else None
    frame_ns = costs.driver_frame + costs.skb_alloc
    total_bytes = total_packets = 0
    work = cleaned_count = 0
    i = rx_ring.next_to_clean
    off = i << 5
    _, rss, staterr, length, vlan, hdr, l1, l2, l3 = _RXD_PS.unpack_from(view, off)
    while staterr & STAT_DD:
        if work >= budget:
            break
        work += 1
        cleaned_count += 1
        addr = rx_ring.dma[i]
        dma_unmap_page_attrs(mem, addr, bsize0, DMA_FROM_DEVICE)
        rx_ring.dma[i] = 0
        if not staterr & STAT_EOP:
            adapter.flags2 |= FLAG2_IS_DISCARDING
        if adapter.flags2 & FLAG2_IS_DISCARDING:
            _RxBuffers.drop(adapter, addr, SITE_RX_DISCARD)
            if staterr & STAT_EOP:
                adapter.flags2 &= ~FLAG2_IS_DISCARDING
        elif staterr & errors or not length:
            _RxBuffers.drop(adapter, addr, SITE_RX_ERROR if staterr & errors else SITE_RX_DISCARD)
        else:
            if cpu is not None:
                cpu.charge(frame_ns)
            b = rx_ring.bufs[i]
            assert b is not None
            skb = SkBuff(net, b"", rx_ring.truesize[i])
            _RxBuffers.take(adapter, skb, addr)
            skb_put(skb, bytes(b.view[:length]))
            pages = rx_ring.pages[i]
            if l1 and l1 <= copybreak and length + l1 <= bsize0:
                # small enough for the header buffer: the page stays in the ring
                skb_put(skb, bytes(pages[0].view[: l1 - 4 if cut_fcs else l1]))
            else:
                parts = [skb.head]
                page_dma = rx_ring.page_dma[i]
                for j, ln in enumerate((l1, l2, l3)):
                    if not ln:
                        break
                    dma_unmap_page_attrs(mem, page_dma[j], PAGE_SIZE, DMA_FROM_DEVICE)
                    page_dma[j] = 0
                    parts.append(bytes(pages[j].view[:ln]))
                    skb.truesize += PAGE_SIZE
                    skb.head_size += PAGE_SIZE  # paged data does not fit the head: skb_condense may not shrink this
                    skb.nr_frags += 1
                if skb.nr_frags:
                    skb.head = b"".join(parts)
                    skb.tail = skb.len = len(skb.head)
                if cut_fcs:
                    skb.trim(skb.len - 4)
            total_bytes += skb.len
            total_packets += 1
            e1000_rx_checksum(adapter, staterr, skb)
            if features & NETIF_F_RXHASH:
                skb.hash = rss
            if hdr & r.RXDPS_HDRSTAT_HDRSP:
                adapter.rx_hdr_split += 1
            e1000_receive_skb(adapter, netdev, skb, staterr, vlan)
        view[off + 8] = 0
        rx_ring.truesize[i] = 0
        if cleaned_count >= 16:
            e1000_alloc_rx_buffers_ps(rx_ring, cleaned_count, False)
            cleaned_count = 0
        i += 1
        if i == rx_ring.count:
            i = 0
        off = i << 5
        _, rss, staterr, length, vlan, hdr, l1, l2, l3 = _RXD_PS.unpack_from(view, off)
    rx_ring.next_to_clean = i
    cleaned_count = rx_ring.unused()
    if cleaned_count:
        e1000_alloc_rx_buffers_ps(rx_ring, cleaned_count, False)
    adapter.total_rx_bytes += total_bytes
    adapter.total_rx_packets += total_packets
    return work


def e1000_clean_jumbo_rx_irq(rx_ring: E1000Ring, budget: int) -> int:
    """One page a descriptor, a frame may span several (MTU above what packet split covers)."""
    adapter = rx_ring.adapter
    netdev = adapter.netdev
    net = adapter.net
    kernel = net.kernel
    mem = kernel.memory
    view = rx_ring.view
    copybreak = adapter.module.copybreak
    features = netdev.features
    errors = 0 if features & NETIF_F_RXALL else FRAME_ERR
    costs = kernel.costs
    cpu = kernel.cur() if costs.enabled else None
    frame_ns = costs.driver_frame + costs.skb_alloc
    total_bytes = total_packets = 0
    work = cleaned_count = 0
    i = rx_ring.next_to_clean
    off = i << 4
    _, rss, staterr, length, vlan = _RXD.unpack_from(view, off)
    while staterr & STAT_DD:
        if work >= budget:
            break
        work += 1
        cleaned_count += 1
        addr = rx_ring.dma[i]
        dma_unmap_page_attrs(mem, addr, PAGE_SIZE, DMA_FROM_DEVICE)
        rx_ring.dma[i] = 0
        data = bytes(rx_ring.pages[i][0].view[:length])
        top = rx_ring.rx_skb_top
        done: SkBuff | None = None
        if staterr & STAT_EOP and staterr & errors:
            _RxBuffers.drop(adapter, addr, SITE_RX_ERROR)
            if top is not None:
                kfree_skb_reason(top, SITE_RX_ERROR)
            rx_ring.rx_skb_top = None
        elif not staterr & STAT_EOP:
            if top is None:
                if cpu is not None:
                    cpu.charge(frame_ns)
                top = rx_ring.rx_skb_top = SkBuff(net, b"", rx_ring.truesize[i])
                rx_ring.truesize[i] = 0
                rx_ring.top_parts = []
                _RxBuffers.take(adapter, top, addr)
            rx_ring.top_parts.append(data)
            top.truesize += PAGE_SIZE
            top.head_size += PAGE_SIZE
            top.nr_frags += 1
        elif top is not None:
            rx_ring.top_parts.append(data)
            top.truesize += PAGE_SIZE
            top.head_size += PAGE_SIZE
            top.nr_frags += 1
            done = top
            rx_ring.rx_skb_top = None
            skb_put(done, b"".join(rx_ring.top_parts))
            rx_ring.top_parts = []
        else:
            if cpu is not None:
                cpu.charge(frame_ns)
            done = SkBuff(net, b"", rx_ring.truesize[i])
            rx_ring.truesize[i] = 0
            _RxBuffers.take(adapter, done, addr)
            if length > copybreak or length > 256 - 16:
                done.truesize += PAGE_SIZE
                done.head_size += PAGE_SIZE
                done.nr_frags = 1
            skb_put(done, data)
        if done is not None:
            e1000_rx_checksum(adapter, staterr, done)
            if features & NETIF_F_RXHASH:
                done.hash = rss
            total_bytes += done.len
            total_packets += 1
            e1000_receive_skb(adapter, netdev, done, staterr, vlan)
        view[off + 8] = 0
        if cleaned_count >= 16:
            e1000_alloc_jumbo_rx_buffers(rx_ring, cleaned_count, False)
            cleaned_count = 0
        i += 1
        if i == rx_ring.count:
            i = 0
        off = i << 4
        _, rss, staterr, length, vlan = _RXD.unpack_from(view, off)
    rx_ring.next_to_clean = i
    cleaned_count = rx_ring.unused()
    if cleaned_count:
        e1000_alloc_jumbo_rx_buffers(rx_ring, cleaned_count, False)
    adapter.total_rx_bytes += total_bytes
    adapter.total_rx_packets += total_packets
    return work


def e1000_clean_rx_ring(rx_ring: E1000Ring) -> None:
    """Take every buffer back and zero the ring.  Frames that nobody harvested end here."""
    adapter = rx_ring.adapter
    mem = adapter.pdev.kernel.memory
    if adapter.clean_rx == CLEAN_RX_NORMAL:
        size = adapter.rx_buffer_len
    elif adapter.clean_rx == CLEAN_RX_PS:
        size = adapter.rx_ps_bsize0
    else:
        size = PAGE_SIZE
    for i in range(rx_ring.count):
        addr = rx_ring.dma[i]
        if addr:
            _RxBuffers.drop(adapter, addr, SITE_RING_DOWN)
            mem.unmap(addr, size)
            rx_ring.dma[i] = 0
        pages = rx_ring.pages[i]
        for j, d in enumerate(rx_ring.page_dma[i]):
            if d:
                mem.unmap(d, PAGE_SIZE)
                rx_ring.page_dma[i][j] = 0
        for p in pages:
            mem.release(p)
        pages.clear()
        rx_ring.page_dma[i].clear()
        b = rx_ring.bufs[i]
        if b is not None:
            mem.release(b)
            rx_ring.bufs[i] = None
        rx_ring.truesize[i] = 0
    top = rx_ring.rx_skb_top
    if top is not None:
        kfree_skb_reason(top, SITE_RING_DOWN)
        rx_ring.rx_skb_top = None
    rx_ring.view[:] = bytes(rx_ring.size)
    rx_ring.next_to_clean = 0
    rx_ring.next_to_use = 0
    adapter.flags2 &= ~FLAG2_IS_DISCARDING


# --- transmit: completion -----------------------------------------------------------------------------------


def e1000_put_txbuf(tx_ring: E1000Ring, buffer_info: TxBuffer, drop: bool) -> None:
    """Unmap and free one buffer of the transmit ring; `drop`: the frame was not sent."""
    mem = tx_ring.adapter.pdev.kernel.memory
    if buffer_info.dma:
        dma_unmap_page_attrs(mem, buffer_info.dma, buffer_info.length, DMA_TO_DEVICE)
        buffer_info.dma = 0
    b = buffer_info.buf
    if b is not None:
        mem.release(b)
        buffer_info.buf = None
    skb = buffer_info.skb
    if skb is not None:
        buffer_info.skb = None
        if drop:
            kfree_skb_reason(skb, SITE_TX_RING_DOWN)
        else:
            __dev_kfree_skb_any(skb)
    buffer_info.time_stamp = 0


def e1000_clean_tx_irq(tx_ring: E1000Ring) -> bool:
    """Free what the device has sent; False when a whole ring was cleaned and there may be more."""
    adapter = tx_ring.adapter
    view = tx_ring.view
    tx = tx_ring.tx
    i = tx_ring.next_to_clean
    eop = tx[i].next_to_watch
    count = 0
    total_bytes = total_packets = 0
    while view[(eop << 4) + 12] & 1 and count < tx_ring.count:
        cleaned = False
        while not cleaned:
            info = tx[i]
            cleaned = i == eop
            if cleaned:
                total_packets += info.segs
                total_bytes += info.bytecount
            e1000_put_txbuf(tx_ring, info, False)
            view[(i << 4) + 12 : (i << 4) + 16] = b"\0\0\0\0"
            count += 1
            i += 1
            if i == tx_ring.count:
                i = 0
        if i == tx_ring.next_to_use:
            break
        eop = tx[i].next_to_watch
    tx_ring.next_to_clean = i
    netdev = adapter.netdev
    netdev_tx_completed_queue(netdev.tx_queues[0], total_packets, total_bytes)
    if count and netdev.carrier_ok and tx_ring.unused() >= TX_WAKE_THRESHOLD:
        q = netdev.tx_queues[0]
        if q.stopped and not adapter.state & STATE_DOWN:
            netif_tx_wake_queue(q)
            adapter.restart_queue += 1
    if adapter.detect_tx_hung:
        adapter.detect_tx_hung = False
        kernel = adapter.pdev.kernel
        stamp = tx[i].time_stamp
        if (
            stamp
            and kernel.jiffies() > stamp + adapter.tx_timeout_factor * kernel.hz
            and not adapter.the_hw().er32(r.STATUS) & r.STATUS_TXOFF
        ):
            assert adapter.print_hang_task is not None
            kernel.workqueue.schedule_work(adapter.print_hang_task)
        else:
            adapter.tx_hang_recheck = False
    adapter.total_tx_bytes += total_bytes
    adapter.total_tx_packets += total_packets
    return count < tx_ring.count


def e1000_print_hw_hang(adapter: E1000Adapter) -> None:
    """A descriptor has waited too long: flush and look again, then say so and stop the queue (the core
    resets).
    """
    if adapter.state & STATE_DOWN:
        return
    hw = adapter.the_hw()
    if not adapter.tx_hang_recheck and adapter.flags2 & FLAG2_DMA_BURST:
        for _ in range(2):
            hw.ew32(r.TIDV, adapter.tx_int_delay | TIDV_FPD)
            hw.flush()
        adapter.tx_hang_recheck = True
        return
    adapter.tx_hang_recheck = False
    tdh, tdt = hw.er32(r.TDH(0)), hw.er32(TDT0)
    if tdh == tdt:
        return
    ring = adapter.tx_ring
    netif_tx_stop_queue(adapter.netdev.tx_queues[0])
    i = ring.next_to_clean
    eop = ring.tx[i].next_to_watch
    bmsr = e1e_rphy(hw, r.PHY_BMSR)
    stat1000 = e1e_rphy(hw, r.PHY_STAT1000)
    estatus = e1e_rphy(hw, r.PHY_ESTATUS)
    adapter.e_err(
        "Detected Hardware Unit Hang:\n  TDH                  <%x>\n  TDT                  <%x>\n"
        "  next_to_use          <%x>\n  next_to_clean        <%x>\nbuffer_info[next_to_clean]:\n"
        "  time_stamp           <%x>\n  next_to_watch        <%x>\n  jiffies              <%x>\n"
        "  next_to_watch.status <%x>\nMAC Status             <%x>\nPHY Status             <%x>\n"
        "PHY 1000BASE-T Status  <%x>\nPHY Extended Status    <%x>\nPCI Status             <%x>"
        % (
            tdh,
            tdt,
            ring.next_to_use,
            ring.next_to_clean,
            ring.tx[eop].time_stamp,
            eop,
            adapter.pdev.kernel.jiffies(),
            ring.view[(eop << 4) + 12],
            hw.er32(r.STATUS),
            bmsr,
            stat1000,
            estatus,
            adapter.pdev.config_read(PCI_STATUS, 2),
        )
    )


# --- interrupt handlers -------------------------------------------------------------------------------------


def _link_interrupt(adapter: E1000Adapter) -> None:
    """LSC: look at the link one jiffy from now."""
    adapter.the_hw().get_link_status = True
    if not adapter.state & STATE_DOWN:
        t = adapter.watchdog_timer
        assert t is not None
        t.mod_timer(adapter.pdev.kernel.jiffies() + 1)


def _adapter_of(data: object) -> E1000Adapter:
    assert isinstance(data, E1000NetDevice) and data.adapter is not None
    return data.adapter


def e1000_intr_msi(irq: int, data: object) -> int:
    """MSI: reading ICR masks everything by IAM."""
    adapter = _adapter_of(data)
    icr = adapter.pdev.model.mmio_read(0, r.ICR, 4)
    if icr & r.ICR_LSC:
        _link_interrupt(adapter)
    napi = adapter.napi
    if napi_schedule_prep(napi):
        adapter.total_tx_bytes = 0
        adapter.total_tx_packets = 0
        adapter.total_rx_bytes = 0
        adapter.total_rx_packets = 0
        __napi_schedule(napi)
    return IRQ_HANDLED


def e1000_intr(irq: int, data: object) -> int:
    """INTx, maybe shared: IRQ_NONE unless ICR says that this device asserted the line."""
    adapter = _adapter_of(data)
    icr = adapter.pdev.model.mmio_read(0, r.ICR, 4)
    if not icr or adapter.state & STATE_DOWN:
        return IRQ_NONE
    if not icr & r.ICR_INT_ASSERTED:
        return IRQ_NONE
    if icr & r.ICR_LSC:
        _link_interrupt(adapter)
    napi = adapter.napi
    if napi_schedule_prep(napi):
        adapter.total_tx_bytes = 0
        adapter.total_tx_packets = 0
        adapter.total_rx_bytes = 0
        adapter.total_rx_packets = 0
        __napi_schedule(napi)
    return IRQ_HANDLED


def e1000_msix_other(irq: int, data: object) -> int:
    adapter = _adapter_of(data)
    model = adapter.pdev.model
    icr = model.mmio_read(0, r.ICR, 4)
    if adapter.old_release and not icr & r.ICR_INT_ASSERTED:
        if not adapter.state & STATE_DOWN:
            model.mmio_write(0, IMS, 4, r.ICR_OTHER)
        return IRQ_NONE
    if icr & adapter.eiac_mask:
        model.mmio_write(0, r.ICS, 4, icr & adapter.eiac_mask)
    if icr & r.ICR_LSC:
        _link_interrupt(adapter)
    if not adapter.state & STATE_DOWN:
        model.mmio_write(0, IMS, 4, MSIX_3_13_OTHER if adapter.old_release else IMS_MSIX_OTHER)
    return IRQ_HANDLED


def e1000_intr_msix_tx(irq: int, data: object) -> int:
    adapter = _adapter_of(data)
    tx_ring = adapter.tx_ring
    adapter.total_tx_bytes = 0
    adapter.total_tx_packets = 0
    if not e1000_clean_tx_irq(tx_ring):
        adapter.pdev.model.mmio_write(0, r.ICS, 4, tx_ring.ims_val)
    if not adapter.old_release and not adapter.state & STATE_DOWN:
        adapter.pdev.model.mmio_write(0, IMS, 4, tx_ring.ims_val)
    return IRQ_HANDLED


def e1000_intr_msix_rx(irq: int, data: object) -> int:
    adapter = _adapter_of(data)
    rx_ring = adapter.rx_ring
    if rx_ring.set_itr:
        itr = 1_000_000_000 // (rx_ring.itr_val * 256) if rx_ring.itr_val else 0
        adapter.pdev.model.mmio_write(0, rx_ring.itr_register, 4, itr)
        rx_ring.set_itr = False
    napi = adapter.napi
    if napi_schedule_prep(napi):
        adapter.total_rx_bytes = 0
        adapter.total_rx_packets = 0
        __napi_schedule(napi)
    return IRQ_HANDLED


# --- interrupts: allocation and masks -----------------------------------------------------------------------


def e1000_configure_msix(adapter: E1000Adapter) -> None:
    """IVAR, EITR and the automatic clearing and masking of queue causes."""
    hw = adapter.the_hw()
    rx, tx = adapter.rx_ring, adapter.tx_ring
    adapter.eiac_mask = 0
    if adapter.flags & FLAG_HAS_MSIX:  # spurious ACK interrupts of the 82574
        hw.ew32(r.RFCTL, hw.er32(r.RFCTL) | r.RFCTL_ACK_DIS)
    rx.ims_val = r.ICR_RXQ0
    adapter.eiac_mask |= rx.ims_val
    hw.ew32(rx.itr_register, 1_000_000_000 // (rx.itr_val * 256) if rx.itr_val else 1)
    ivar = r.IVAR_VALID | 0
    tx.ims_val = r.ICR_TXQ0
    hw.ew32(tx.itr_register, 1_000_000_000 // (tx.itr_val * 256) if tx.itr_val else 1)
    adapter.eiac_mask |= tx.ims_val
    ivar |= (r.IVAR_VALID | 1) << 8
    ivar |= (r.IVAR_VALID | 2) << 16
    hw.ew32(r.EITR(2), 1_000_000_000 // (rx.itr_val * 256) if rx.itr_val else 1)
    hw.ew32(r.IVAR, ivar | r.IVAR_TX_INT_EVERY_WB)
    if adapter.old_release:
        # queue causes are not masked automatically there: IAM leaves them out
        ctrl_ext = hw.er32(r.CTRL_EXT) | r.CTRL_EXT_PBA_CLR
        hw.ew32(r.IAM, ~r.EIAC_MASK | r.ICR_OTHER)
        ctrl_ext |= r.CTRL_EXT_EIAME
    else:
        ctrl_ext = hw.er32(r.CTRL_EXT) & ~r.CTRL_EXT_IAME
        ctrl_ext |= r.CTRL_EXT_PBA_CLR | r.CTRL_EXT_EIAME
    hw.ew32(r.CTRL_EXT, ctrl_ext)
    hw.flush()


def e1000e_reset_interrupt_capability(adapter: E1000Adapter) -> None:
    """Give MSI-X or MSI back."""
    if adapter.msix_entries:
        pci_disable_msix(adapter.pdev)
        adapter.msix_entries = []
    elif adapter.flags & FLAG_MSI_ENABLED:
        pci_disable_msi(adapter.pdev)
        adapter.flags &= ~FLAG_MSI_ENABLED


def e1000e_set_interrupt_capability(adapter: E1000Adapter) -> None:
    """The best kind that `int_mode` allows and the platform gives: MSI-X with 3 vectors, MSI, the line."""
    if adapter.int_mode == INT_MODE_MSIX:
        if adapter.flags & FLAG_HAS_MSIX:
            adapter.num_vectors = 3
            entries = [MsixEntry(i) for i in range(3)]
            try:
                pci_enable_msix_range(adapter.pdev, entries, 3, 3)
                adapter.msix_entries = entries
                return
            except OSError:
                adapter.e_err("Failed to initialize MSI-X interrupts.  Falling back to MSI interrupts.")
                e1000e_reset_interrupt_capability(adapter)
        adapter.int_mode = INT_MODE_MSI
    if adapter.int_mode == INT_MODE_MSI:
        try:
            pci_enable_msi(adapter.pdev)
            adapter.flags |= FLAG_MSI_ENABLED
        except OSError:
            adapter.int_mode = INT_MODE_LEGACY
            adapter.e_err("Failed to initialize MSI interrupts.  Falling back to legacy interrupts.")
    adapter.num_vectors = 1


def _request(adapter: E1000Adapter, irq: int, handler: Handler, flags: int, name: str) -> None:
    adapter.pdev.kernel.irq.request_irq(irq, handler, flags, name, adapter.netdev)


def e1000_request_msix(adapter: E1000Adapter) -> None:
    """Three vectors: receive queue, transmit queue, everything else.  Raises OSError."""
    name = adapter.netdev.name
    entries = adapter.msix_entries
    short = len(name) < IFNAMSIZ - 5
    rx, tx = adapter.rx_ring, adapter.tx_ring
    done: list[int] = []
    try:
        rx.name = name[:14] + "-rx-0" if short else name
        _request(adapter, entries[0].vector, e1000_intr_msix_rx, 0, rx.name)
        done.append(entries[0].vector)
        rx.itr_register = r.EITR(0)
        rx.itr_val = adapter.itr
        tx.name = name[:14] + "-tx-0" if short else name
        _request(adapter, entries[1].vector, e1000_intr_msix_tx, 0, tx.name)
        done.append(entries[1].vector)
        tx.itr_register = r.EITR(1)
        tx.itr_val = adapter.itr
        _request(adapter, entries[2].vector, e1000_msix_other, 0, name)
    except OSError:
        for irq in done:
            adapter.pdev.kernel.irq.free_irq(irq, adapter.netdev)
        raise
    e1000_configure_msix(adapter)


def e1000_request_irq(adapter: E1000Adapter) -> None:
    """Attach the handlers, falling back from MSI-X to MSI to the line.  Raises OSError."""
    netdev = adapter.netdev
    if adapter.msix_entries:
        try:
            e1000_request_msix(adapter)
            return
        except OSError:
            e1000e_reset_interrupt_capability(adapter)
            adapter.int_mode = INT_MODE_MSI
            e1000e_set_interrupt_capability(adapter)
    if adapter.flags & FLAG_MSI_ENABLED:
        try:
            _request(adapter, adapter.pdev.irq, e1000_intr_msi, 0, netdev.name)
            return
        except OSError:
            e1000e_reset_interrupt_capability(adapter)
            adapter.int_mode = INT_MODE_LEGACY
    try:
        _request(adapter, adapter.pdev.irq, e1000_intr, IRQF_SHARED, netdev.name)
    except OSError as e:
        adapter.e_err("Unable to allocate interrupt, Error: %d" % -(e.errno or EIO))
        raise


def e1000_free_irq(adapter: E1000Adapter) -> None:
    irqs = adapter.pdev.kernel.irq
    if adapter.msix_entries:
        for e in adapter.msix_entries:
            irqs.free_irq(e.vector, adapter.netdev)
        return
    irqs.free_irq(adapter.pdev.irq, adapter.netdev)


def e1000_irq_disable(adapter: E1000Adapter) -> None:
    """Mask everything (handlers never run beside this code: there is nothing to synchronise with)."""
    hw = adapter.the_hw()
    hw.ew32(r.IMC, M32)
    if adapter.msix_entries:
        hw.ew32(r.EIAC, 0)
    hw.flush()


def e1000_irq_enable(adapter: E1000Adapter) -> None:
    hw = adapter.the_hw()
    if adapter.msix_entries:
        hw.ew32(r.EIAC, adapter.eiac_mask & r.EIAC_MASK)
        hw.ew32(IMS, adapter.eiac_mask | (MSIX_3_13_OTHER if adapter.old_release else IMS_MSIX_OTHER))
    else:
        hw.ew32(IMS, r.IMS_ENABLE_MASK)
    hw.flush()


def e1000e_get_hw_control(adapter: E1000Adapter) -> None:
    """Tell firmware that a driver is there."""
    if adapter.flags & FLAG_HAS_CTRLEXT_ON_LOAD:
        hw = adapter.the_hw()
        hw.ew32(r.CTRL_EXT, hw.er32(r.CTRL_EXT) | r.CTRL_EXT_DRV_LOAD)


def e1000e_release_hw_control(adapter: E1000Adapter) -> None:
    if adapter.flags & FLAG_HAS_CTRLEXT_ON_LOAD:
        hw = adapter.the_hw()
        hw.ew32(r.CTRL_EXT, hw.er32(r.CTRL_EXT) & ~r.CTRL_EXT_DRV_LOAD)


# --- rings --------------------------------------------------------------------------------------------------


def _ring_dma(ring: E1000Ring, size: int) -> None:
    ring.size = (size + 4095) // 4096 * 4096
    desc = dma_alloc_coherent(ring.adapter.pdev.kernel.memory, ring.size)
    ring.desc = desc
    ring.view = desc.view
    ring.dma_base = desc.addr
    ring.next_to_use = 0
    ring.next_to_clean = 0


def e1000e_setup_tx_resources(tx_ring: E1000Ring) -> None:
    """Raises OSError(ENOMEM)."""
    try:
        _ring_dma(tx_ring, tx_ring.count * 16)
    except OSError:
        tx_ring.adapter.e_err("Unable to allocate memory for the transmit descriptor ring")
        raise
    tx_ring.tx = [TxBuffer() for _ in range(tx_ring.count)]


def e1000e_setup_rx_resources(rx_ring: E1000Ring) -> None:
    """Sized for packet split whatever path is used.  Raises OSError(ENOMEM)."""
    try:
        _ring_dma(rx_ring, rx_ring.count * 32)
    except OSError:
        rx_ring.adapter.e_err("Unable to allocate memory for the receive descriptor ring")
        raise
    n = rx_ring.count
    rx_ring.bufs = [None] * n
    rx_ring.dma = [0] * n
    rx_ring.truesize = [0] * n
    rx_ring.pages = [[] for _ in range(n)]
    rx_ring.page_dma = [[] for _ in range(n)]
    rx_ring.rx_skb_top = None


def e1000_clean_tx_ring(tx_ring: E1000Ring) -> None:
    """Free every buffer; frames that the device had reported as sent were sent, the others are dropped."""
    view = tx_ring.view
    sent = [bool(view[(i << 4) + 12] & 1) for i in range(len(tx_ring.tx))]
    for i, info in enumerate(tx_ring.tx):
        e1000_put_txbuf(tx_ring, info, info.skb is not None and not sent[i])
        info.next_to_watch = 0
    netdev_tx_reset_queue(tx_ring.adapter.netdev.tx_queues[0])
    view[:] = bytes(tx_ring.size)
    tx_ring.next_to_use = 0
    tx_ring.next_to_clean = 0


def _free_ring_dma(ring: E1000Ring) -> None:
    if ring.desc is not None:
        dma_free_coherent(ring.adapter.pdev.kernel.memory, ring.desc)
        ring.desc = None
        ring.view = memoryview(b"")


def e1000e_free_tx_resources(tx_ring: E1000Ring) -> None:
    e1000_clean_tx_ring(tx_ring)
    tx_ring.tx = []
    _free_ring_dma(tx_ring)


def e1000e_free_rx_resources(rx_ring: E1000Ring) -> None:
    e1000_clean_rx_ring(rx_ring)
    rx_ring.bufs = []
    rx_ring.dma = []
    rx_ring.truesize = []
    rx_ring.pages = []
    rx_ring.page_dma = []
    _free_ring_dma(rx_ring)


# --- moderation ---------------------------------------------------------------------------------------------


def e1000_update_itr(itr_setting: int, packets: int, bytes_: int) -> int:
    """The latency class that the last interval's traffic asks for."""
    if packets == 0:
        return itr_setting
    if itr_setting == LOWEST_LATENCY:
        if bytes_ // packets > 8000:
            return BULK_LATENCY
        if packets < 5 and bytes_ > 512:
            return LOW_LATENCY
    elif itr_setting == LOW_LATENCY:
        if bytes_ > 10000:
            if bytes_ // packets > 8000:
                return BULK_LATENCY
            if packets < 10 or bytes_ // packets > 1200:
                return BULK_LATENCY
            if packets > 35:
                return LOWEST_LATENCY
        elif bytes_ // packets > 2000:
            return BULK_LATENCY
        elif packets <= 2 and bytes_ < 512:
            return LOWEST_LATENCY
    elif itr_setting == BULK_LATENCY:
        if bytes_ > 25000:
            if packets > 35:
                return LOW_LATENCY
        elif bytes_ < 6000:
            return LOW_LATENCY
    return itr_setting


def e1000e_write_itr(adapter: E1000Adapter, itr: int) -> None:
    """Interrupts a second into ITR, or every vector's EITR; 0 = no moderation."""
    hw = adapter.the_hw()
    new_itr = 1_000_000_000 // (itr * 256) if itr else 0
    if adapter.msix_entries:
        for vector in range(adapter.num_vectors):
            hw.ew32(r.EITR(vector), new_itr)
    else:
        hw.ew32(r.ITR, new_itr)


# --- poll ---------------------------------------------------------------------------------------------------


def e1000e_poll(napi: E1000Napi, budget: int) -> int:
    adapter = napi.adapter
    assert adapter is not None
    tx_cleaned = True
    if not adapter.msix_entries:
        tx_cleaned = e1000_clean_tx_irq(adapter.tx_ring)
    mode = adapter.clean_rx
    if mode == CLEAN_RX_NORMAL:
        work_done = e1000_clean_rx_irq(adapter.rx_ring, budget)
    elif mode == CLEAN_RX_PS:
        work_done = e1000_clean_rx_irq_ps(adapter.rx_ring, budget)
    else:
        work_done = e1000_clean_jumbo_rx_irq(adapter.rx_ring, budget)
    if not tx_cleaned or work_done == budget:
        return budget
    if adapter.old_release:
        if adapter.itr_setting & 3:
            adapter.netdev.set_itr(adapter)
        napi_complete(napi)
    else:
        if not napi_complete_done(napi, work_done):
            return work_done
        if adapter.itr_setting & 3:
            adapter.netdev.set_itr(adapter)
    if not adapter.state & STATE_DOWN:
        if adapter.msix_entries:
            adapter.pdev.model.mmio_write(0, IMS, 4, adapter.rx_ring.ims_val)
        else:
            e1000_irq_enable(adapter)
    return work_done


# --- VLAN ---------------------------------------------------------------------------------------------------


def e1000_vlan_rx_add_vid(netdev: E1000NetDevice, vid: int) -> None:
    adapter = netdev.priv()
    if adapter.flags & FLAG_HAS_HW_VLAN_FILTER:
        hw = adapter.the_hw()
        off = r.VFTA + 4 * (vid >> 5 & 0x7F)
        hw.ew32(off, hw.er32(off) | 1 << (vid & 0x1F))
        hw.flush()
    adapter.active_vlans |= 1 << vid


def e1000_vlan_rx_kill_vid(netdev: E1000NetDevice, vid: int) -> None:
    adapter = netdev.priv()
    if adapter.flags & FLAG_HAS_HW_VLAN_FILTER:
        hw = adapter.the_hw()
        off = r.VFTA + 4 * (vid >> 5 & 0x7F)
        hw.ew32(off, hw.er32(off) & ~(1 << (vid & 0x1F)))
        hw.flush()
    adapter.active_vlans &= ~(1 << vid)


def e1000e_vlan_filter_disable(adapter: E1000Adapter) -> None:
    if adapter.flags & FLAG_HAS_HW_VLAN_FILTER:
        hw = adapter.the_hw()
        hw.ew32(r.RCTL, hw.er32(r.RCTL) & ~(r.RCTL_VFE | r.RCTL_CFIEN))


def e1000e_vlan_filter_enable(adapter: E1000Adapter) -> None:
    if adapter.flags & FLAG_HAS_HW_VLAN_FILTER:
        hw = adapter.the_hw()
        hw.ew32(r.RCTL, (hw.er32(r.RCTL) | r.RCTL_VFE) & ~r.RCTL_CFIEN)


def e1000e_vlan_strip_disable(adapter: E1000Adapter) -> None:
    hw = adapter.the_hw()
    hw.ew32(r.CTRL, hw.er32(r.CTRL) & ~r.CTRL_VME)


def e1000e_vlan_strip_enable(adapter: E1000Adapter) -> None:
    hw = adapter.the_hw()
    hw.ew32(r.CTRL, hw.er32(r.CTRL) | r.CTRL_VME)


def e1000_restore_vlan(adapter: E1000Adapter) -> None:
    e1000_vlan_rx_add_vid(adapter.netdev, 0)
    vlans = adapter.active_vlans
    vid = 0
    while vlans >> vid:
        if vlans >> vid & 1:
            e1000_vlan_rx_add_vid(adapter.netdev, vid)
        vid += 1


# --- configuration ------------------------------------------------------------------------------------------


def e1000_configure_tx(adapter: E1000Adapter) -> None:
    hw = adapter.the_hw()
    ring = adapter.tx_ring
    hw.ew32(r.TDBAL(0), ring.dma_base & M32)
    hw.ew32(r.TDBAH(0), ring.dma_base >> 32)
    hw.ew32(r.TDLEN(0), ring.count * 16)
    hw.ew32(r.TDH(0), 0)
    hw.ew32(TDT0, 0)
    ring.tail = TDT0
    hw.ew32(r.TDH(0), 0)
    hw.ew32(TDT0, 0)
    hw.ew32(r.TIDV, adapter.tx_int_delay)
    hw.ew32(r.TADV, adapter.tx_abs_int_delay)
    if adapter.flags2 & FLAG2_DMA_BURST:
        hw.ew32(r.TXDCTL(0), hw.er32(r.TXDCTL(0)) & ~TXDCTL_THRESHOLDS | TXDCTL_DMA_BURST_ENABLE)
    hw.ew32(r.TXDCTL(1), hw.er32(r.TXDCTL(0)))
    tctl = hw.er32(r.TCTL) & ~0x00000FF0 | r.TCTL_PSP | r.TCTL_RTLC | 15 << r.TCTL_CT_SHIFT
    adapter.txd_cmd = r.TXD_CMD_EOP | r.TXD_CMD_IFCS | r.TXD_CMD_RS
    if adapter.tx_int_delay:
        adapter.txd_cmd |= r.TXD_CMD_IDE
    hw.ew32(r.TCTL, tctl)
    e1000e_config_collision_dist_generic(hw)


def e1000_setup_rctl(adapter: E1000Adapter) -> None:
    """RCTL for this MTU: long frames, CRC stripping, buffer size, packet split."""
    hw = adapter.the_hw()
    netdev = adapter.netdev
    rctl = hw.er32(r.RCTL) & ~(3 << r.RCTL_MO_SHIFT)
    rctl |= r.RCTL_EN | r.RCTL_BAM
    rctl &= ~r.RCTL_SBP
    if netdev.mtu <= ETH_DATA_LEN:
        rctl &= ~r.RCTL_LPE
    else:
        rctl |= r.RCTL_LPE
    if adapter.flags2 & FLAG2_CRC_STRIPPING:
        rctl |= r.RCTL_SECRC
    rctl &= ~r.RCTL_SZ_4096
    rctl |= r.RCTL_BSEX
    if adapter.rx_buffer_len == 4096:
        rctl |= r.RCTL_SZ_4096
    else:
        rctl &= ~r.RCTL_BSEX
    hw.ew32(r.RFCTL, hw.er32(r.RFCTL) | r.RFCTL_EXTEN)
    pages = (netdev.mtu + PAGE_SIZE - 1) // PAGE_SIZE
    adapter.rx_ps_pages = pages if pages <= 3 and adapter.ps_allowed and rctl & r.RCTL_LPE else 0
    if adapter.rx_ps_pages:
        rctl |= r.RCTL_DTYP_PS
        psrctl = adapter.rx_ps_bsize0 >> r.PSRCTL_BSIZE0_SHIFT
        if adapter.rx_ps_pages >= 3:
            psrctl |= PAGE_SIZE << r.PSRCTL_BSIZE3_SHIFT
        if adapter.rx_ps_pages >= 2:
            psrctl |= PAGE_SIZE << r.PSRCTL_BSIZE2_SHIFT
        psrctl |= PAGE_SIZE >> r.PSRCTL_BSIZE1_SHIFT
        hw.ew32(r.PSRCTL, psrctl)
    if netdev.features & NETIF_F_RXALL:
        rctl |= r.RCTL_SBP | r.RCTL_BAM | r.RCTL_PMCF
        rctl &= ~(r.RCTL_VFE | r.RCTL_DPF | r.RCTL_CFIEN)
    hw.ew32(r.RCTL, rctl)
    adapter.flags &= ~FLAG_RESTART_NOW


def e1000_configure_rx(adapter: E1000Adapter) -> None:
    """Choose the receive path and point the chip at the ring."""
    hw = adapter.the_hw()
    ring = adapter.rx_ring
    netdev = adapter.netdev
    if adapter.rx_ps_pages:
        rdlen = ring.count * 32
        adapter.clean_rx = CLEAN_RX_PS
    elif netdev.mtu > ETH_FRAME_LEN + ETH_FCS_LEN:
        rdlen = ring.count * 16
        adapter.clean_rx = CLEAN_RX_JUMBO
    else:
        rdlen = ring.count * 16
        adapter.clean_rx = CLEAN_RX_NORMAL
    alloc = adapter.net.kernel.skb_alloc
    adapter.truesize_kernel = alloc.netdev(adapter.rx_buffer_len, True)
    adapter.truesize_atomic = alloc.netdev(adapter.rx_buffer_len, False)

    rctl = hw.er32(r.RCTL)
    if not adapter.flags2 & FLAG2_NO_DISABLE_RX:
        hw.ew32(r.RCTL, rctl & ~r.RCTL_EN)
    hw.flush()
    usleep_range(hw.kernel, 10000, 11000)
    if adapter.flags2 & FLAG2_DMA_BURST:
        hw.ew32(r.RXDCTL(0), RXDCTL_DMA_BURST_ENABLE)
        hw.ew32(r.RXDCTL(1), RXDCTL_DMA_BURST_ENABLE)
    hw.ew32(r.RDTR, adapter.rx_int_delay)
    hw.ew32(r.RADV, adapter.rx_abs_int_delay)
    if adapter.itr_setting != 0 and adapter.itr != 0:
        e1000e_write_itr(adapter, adapter.itr)
    ctrl_ext = hw.er32(r.CTRL_EXT) | r.CTRL_EXT_IAME
    hw.ew32(r.IAM, M32)
    hw.ew32(r.CTRL_EXT, ctrl_ext)
    hw.flush()
    hw.ew32(r.RDBAL(0), ring.dma_base & M32)
    hw.ew32(r.RDBAH(0), ring.dma_base >> 32)
    hw.ew32(r.RDLEN(0), rdlen)
    hw.ew32(r.RDH(0), 0)
    hw.ew32(RDT0, 0)
    ring.tail = RDT0
    hw.ew32(r.RDH(0), 0)
    hw.ew32(RDT0, 0)
    rxcsum = hw.er32(r.RXCSUM)
    if netdev.features & NETIF_F_RXCSUM:
        rxcsum |= r.RXCSUM_TUOFL
    else:
        rxcsum &= ~r.RXCSUM_TUOFL
    hw.ew32(r.RXCSUM, rxcsum)
    if netdev.mtu > ETH_DATA_LEN:
        hw.er32(r.PBA)
        adapter.pdev.info("Some CPU C-states have been disabled in order to enable jumbo frames")
    hw.ew32(r.RCTL, rctl)


def e1000e_write_mc_addr_list(netdev: E1000NetDevice) -> int:
    hw = netdev.priv().the_hw()
    e1000e_update_mc_addr_list_generic(hw, list(netdev.mc))
    return len(netdev.mc)


def e1000e_write_uc_addr_list(netdev: E1000NetDevice) -> int:
    """Secondary unicast addresses into RAR 1 and up; -ENOMEM when there are too many."""
    hw = netdev.priv().the_hw()
    entries = hw.rar_entry_count - 1
    if len(netdev.uc) > entries:
        return -ENOMEM
    count = 0
    for addr in netdev.uc:
        e1000e_rar_set_generic(hw, addr, entries)
        entries -= 1
        count += 1
    while entries > 0:
        hw.ew32(r.RAH(entries), 0)
        hw.ew32(r.RAL(entries), 0)
        entries -= 1
    hw.flush()
    return count


def e1000e_set_rx_mode(netdev: E1000NetDevice) -> None:
    """Promiscuity, multicast table, unicast addresses, VLAN stripping.

    RCTL is read before the VLAN filter is switched and written after: the switch does not last (recorded on
    6.1, RCTL 0x04008002).
    """
    adapter = netdev.priv()
    hw = adapter.the_hw()
    rctl = hw.er32(r.RCTL) & ~(r.RCTL_UPE | r.RCTL_MPE)
    if netdev.flags & IFF_PROMISC:
        rctl |= r.RCTL_UPE | r.RCTL_MPE
        e1000e_vlan_filter_disable(adapter)
    else:
        if netdev.flags & IFF_ALLMULTI:
            rctl |= r.RCTL_MPE
        else:
            e1000e_write_mc_addr_list(netdev)
        e1000e_vlan_filter_enable(adapter)
        if e1000e_write_uc_addr_list(netdev) < 0:
            rctl |= r.RCTL_UPE
    hw.ew32(r.RCTL, rctl)
    if netdev.features & NETIF_F_HW_VLAN_CTAG_RX:
        e1000e_vlan_strip_enable(adapter)
    else:
        e1000e_vlan_strip_disable(adapter)


# what every kernel before 3.19 used: the well-known test key, in the order of its little-endian words
STATIC_RSS_KEY: Final = (
    0xDA565A6D,
    0xC20E5B25,
    0x3D256741,
    0xB08FA343,
    0xCB2BCAD0,
    0xB4307BAE,
    0xA32DCB77,
    0x0CF23080,
    0x3BB7426A,
    0xFA01ACBE,
)


def e1000e_setup_rss_hash(adapter: E1000Adapter) -> None:
    """Hash key, everything to queue 0, the hash in the descriptor."""
    hw = adapter.the_hw()
    if hw.kernel.release.rss_key_random:
        key = netdev_rss_key_fill(adapter.net, 40)
        for i in range(10):
            hw.ew32(r.RSSRK + 4 * i, int.from_bytes(key[4 * i : 4 * i + 4], "little"))
    else:
        for i in range(10):
            hw.ew32(r.RSSRK + 4 * i, STATIC_RSS_KEY[i])
    for i in range(32):
        hw.ew32(r.RETA + 4 * i, 0)
    hw.ew32(r.RXCSUM, hw.er32(r.RXCSUM) | r.RXCSUM_PCSD)
    hw.ew32(
        r.MRQC,
        r.MRQC_RSS_FIELD_IPV4
        | r.MRQC_RSS_FIELD_IPV4_TCP
        | r.MRQC_RSS_FIELD_IPV6
        | r.MRQC_RSS_FIELD_IPV6_TCP
        | r.MRQC_RSS_FIELD_IPV6_TCP_EX,
    )


def e1000_configure(adapter: E1000Adapter) -> None:
    e1000e_set_rx_mode(adapter.netdev)
    e1000_restore_vlan(adapter)
    e1000_configure_tx(adapter)
    if adapter.netdev.features & NETIF_F_RXHASH:
        e1000e_setup_rss_hash(adapter)
    e1000_setup_rctl(adapter)
    e1000_configure_rx(adapter)
    _RxBuffers.alloc(adapter.rx_ring, adapter.rx_ring.unused(), True)


def e1000e_power_up_phy(adapter: E1000Adapter) -> None:
    hw = adapter.the_hw()
    e1000_power_up_phy_copper(hw)
    e1000_setup_link_82571(hw)


def e1000_power_down_phy(adapter: E1000Adapter) -> None:
    e1000_power_down_phy_copper_82571(adapter.the_hw())


def e1000e_systim_reset(adapter: E1000Adapter) -> None:
    """The PTP clock restarts; time stamping is off."""
    if not adapter.flags & FLAG_HAS_HW_TIMESTAMP:
        return
    hw = adapter.the_hw()
    hw.ew32(r.TIMINCA, TIMINCA_82574)
    hw.er32(r.SYSTIML)
    hw.er32(r.SYSTIMH)
    if adapter.flags2 & FLAG2_CHECK_SYSTIM_OVERFLOW:  # read again until two readings agree
        hw.er32(r.TIMINCA)
        hw.er32(r.SYSTIML)
        hw.er32(r.SYSTIMH)
    hw.ew32(r.TSYNCTXCTL, hw.er32(r.TSYNCTXCTL) & ~0x10)
    hw.er32(r.TSYNCTXCTL)
    hw.ew32(r.TSYNCRXCTL, hw.er32(r.TSYNCRXCTL) & ~0x1E)
    hw.er32(r.TSYNCRXCTL)
    hw.ew32(r.RXMTRL, 0)
    hw.ew32(r.RXUDP, 0)
    hw.flush()
    hw.er32(r.RXSTMPH)
    hw.er32(r.TXSTMPH)


def e1000e_reset(adapter: E1000Adapter) -> None:
    """Bring the chip into a known state: packet buffer split, flow control watermarks, global reset, link
    set-up.
    """
    hw = adapter.the_hw()
    pba = adapter.pba
    hw.ew32(r.PBA, pba)
    if adapter.max_frame_size > VLAN_ETH_FRAME_LEN + ETH_FCS_LEN:
        both = hw.er32(r.PBA)
        tx_space = both >> 16
        pba = both & 0xFFFF
        min_tx = ((adapter.max_frame_size + 16 - ETH_FCS_LEN) * 2 + 1023) // 1024
        min_rx = (adapter.max_frame_size + 1023) // 1024
        if tx_space < min_tx and min_tx - tx_space < pba:
            pba -= min_tx - tx_space
            if pba < min_rx:
                pba = min_rx
        hw.ew32(r.PBA, pba)
    fc = hw.fc
    fc.pause_time = 0x0680
    fc.send_xon = True
    fc.current_mode = fc.requested_mode
    hwm = min((pba << 10) * 9 // 10, (pba << 10) - adapter.max_frame_size)
    fc.high_water = hwm & 0xFFF8
    fc.low_water = fc.high_water - 8
    adapter.tx_fifo_limit = min(((hw.er32(r.PBA) >> 16) << 10) - 96, 24 << 10)
    if adapter.itr_setting & 3:
        if adapter.max_frame_size * 2 > pba << 10:
            if not adapter.flags2 & FLAG2_DISABLE_AIM:
                adapter.pdev.info("Interrupt Throttle Rate off")
                adapter.flags2 |= FLAG2_DISABLE_AIM
                e1000e_write_itr(adapter, 0)
        elif adapter.flags2 & FLAG2_DISABLE_AIM:
            adapter.pdev.info("Interrupt Throttle Rate on")
            adapter.flags2 &= ~FLAG2_DISABLE_AIM
            adapter.itr = 20000
            e1000e_write_itr(adapter, adapter.itr)
    e1000_reset_hw_82571(hw)
    if adapter.flags & FLAG_HAS_AMT:
        e1000e_get_hw_control(adapter)
    hw.ew32(r.WUC, 0)
    try:
        e1000_init_hw_82571(hw)
    except OSError:
        adapter.e_err("Hardware Error")
    hw.ew32(r.VET, ETH_P_8021Q)
    hw.ew32(r.AIT, 0)  # e1000e_reset_adaptive
    e1000e_systim_reset(adapter)
    if not adapter.running() and not adapter.state & STATE_TESTING:
        e1000_power_down_phy(adapter)
    e1000e_get_phy_info_m88(hw)
    if adapter.flags & FLAG_HAS_SMART_POWER_DOWN and not adapter.flags & FLAG_SMART_POWER_DOWN:
        e1e_wphy(hw, IGP02E1000_PHY_POWER_MGMT, e1e_rphy(hw, IGP02E1000_PHY_POWER_MGMT) & ~PM_SPD)


def e1000e_trigger_lsc(adapter: E1000Adapter) -> None:
    adapter.the_hw().ew32(r.ICS, r.ICR_LSC | r.ICR_OTHER if adapter.msix_entries else r.ICR_LSC)


def e1000e_up(adapter: E1000Adapter) -> None:
    """After a reset of a running device: load everything again and enable interrupts."""
    e1000_configure(adapter)
    adapter.state &= ~STATE_DOWN
    if adapter.msix_entries:
        e1000_configure_msix(adapter)
    e1000_irq_enable(adapter)
    e1000e_trigger_lsc(adapter)


def e1000e_flush_descriptors(adapter: E1000Adapter) -> None:
    if not adapter.flags2 & FLAG2_DMA_BURST:
        return
    hw = adapter.the_hw()
    for _ in range(2):
        hw.ew32(r.TIDV, adapter.tx_int_delay | TIDV_FPD)
        hw.ew32(r.RDTR, adapter.rx_int_delay | r.RDTR_FPD)
        hw.flush()


def napi_synchronize(napi: NapiStruct) -> None:
    """Wait until nobody polls."""
    k = napi.net.kernel
    for _ in range(1000):
        if not napi.state & NAPI_STATE_SCHED or napi.state & NAPI_STATE_NPSVC:
            return
        if k.engine.current is not None and (k.cur().in_interrupt() or k.cur().curr is k.cur().idle):
            return
        msleep(k, 1)


def e1000e_down(adapter: E1000Adapter, reset: bool) -> None:
    """Stop the chip; `reset`: also bring it into its known state.  Buffers are taken back."""
    netdev = adapter.netdev
    hw = adapter.the_hw()
    adapter.state |= STATE_DOWN
    netif_carrier_off(netdev)
    rctl = hw.er32(r.RCTL)
    if not adapter.flags2 & FLAG2_NO_DISABLE_RX:
        hw.ew32(r.RCTL, rctl & ~r.RCTL_EN)
    netif_tx_stop_queue(netdev.tx_queues[0])
    hw.ew32(r.TCTL, hw.er32(r.TCTL) & ~r.TCTL_EN)
    hw.flush()
    usleep_range(hw.kernel, 10000, 11000)
    e1000_irq_disable(adapter)
    napi_synchronize(adapter.napi)
    for t in (adapter.watchdog_timer, adapter.phy_info_timer):
        if t is not None:
            t.del_timer()
    e1000e_update_stats(adapter)
    e1000e_flush_descriptors(adapter)
    adapter.link_speed = 0
    adapter.link_duplex = 0
    if reset:
        e1000e_reset(adapter)
    e1000_clean_tx_ring(adapter.tx_ring)
    e1000_clean_rx_ring(adapter.rx_ring)


def e1000e_reinit_locked(adapter: E1000Adapter) -> None:
    begin_reset(adapter)
    try:
        e1000e_down(adapter, True)
        e1000e_up(adapter)
    finally:
        adapter.state &= ~STATE_RESETTING


def begin_reset(adapter: E1000Adapter) -> None:
    """Take the RESETTING bit, waiting for whoever holds it."""
    for _ in range(10000):
        if not adapter.state & STATE_RESETTING:
            break
        usleep_range(adapter.pdev.kernel, 1000, 1100)
    adapter.state |= STATE_RESETTING


def e1000_sw_init(adapter: E1000Adapter) -> None:
    """Sizes, ring counts, interrupt capability, everything masked, state DOWN."""
    netdev = adapter.netdev
    adapter.rx_buffer_len = VLAN_ETH_FRAME_LEN + ETH_FCS_LEN
    adapter.rx_ps_bsize0 = 128
    adapter.max_frame_size = netdev.mtu + VLAN_ETH_HLEN + ETH_FCS_LEN
    adapter.min_frame_size = ETH_ZLEN + ETH_FCS_LEN
    adapter.tx_ring_count = E1000_DEFAULT_TXD
    adapter.rx_ring_count = E1000_DEFAULT_RXD
    e1000e_set_interrupt_capability(adapter)
    adapter.tx_ring = E1000Ring(adapter, adapter.tx_ring_count)
    adapter.rx_ring = E1000Ring(adapter, adapter.rx_ring_count)
    e1000_irq_disable(adapter)
    adapter.state |= STATE_DOWN


# --- the MSI test -------------------------------------------------------------------------------------------


def e1000_intr_msi_test(irq: int, data: object) -> int:
    adapter = _adapter_of(data)
    if adapter.pdev.model.mmio_read(0, r.ICR, 4) & r.ICR_RXSEQ:
        adapter.flags &= ~FLAG_MSI_TEST_FAILED
    return IRQ_HANDLED


def e1000_test_msi_interrupt(adapter: E1000Adapter) -> None:
    """Fire an unusual cause and see whether its message arrives within 100 ms; else use the line.

    Raises OSError.
    """
    hw = adapter.the_hw()
    pdev = adapter.pdev
    irqs = pdev.kernel.irq
    hw.er32(r.ICR)
    e1000_free_irq(adapter)
    e1000e_reset_interrupt_capability(adapter)
    adapter.flags |= FLAG_MSI_TEST_FAILED
    try:
        pci_enable_msi(pdev)
        try:
            irqs.request_irq(pdev.irq, e1000_intr_msi_test, 0, adapter.netdev.name, adapter.netdev)
        except OSError:
            pci_disable_msi(pdev)
            raise
        e1000_irq_enable(adapter)
        hw.ew32(r.ICS, r.ICR_RXSEQ)
        hw.flush()
        msleep(pdev.kernel, 100)
        e1000_irq_disable(adapter)
        if adapter.flags & FLAG_MSI_TEST_FAILED:
            adapter.int_mode = INT_MODE_LEGACY
            adapter.e_info("MSI interrupt test failed, using legacy interrupt.")
        irqs.free_irq(pdev.irq, adapter.netdev)
        pci_disable_msi(pdev)
    except OSError:
        pass
    e1000e_set_interrupt_capability(adapter)
    e1000_request_irq(adapter)


def e1000_test_msi(adapter: E1000Adapter) -> None:
    """The test, with SERR off (a message that goes nowhere would be a master abort).  Raises OSError."""
    if not adapter.flags & FLAG_MSI_ENABLED:
        return
    pdev = adapter.pdev
    command = pdev.config_read(PCI_COMMAND, 2)
    if command & PCI_COMMAND_SERR:
        pdev.config_write(PCI_COMMAND, 2, command & ~PCI_COMMAND_SERR)
    try:
        e1000_test_msi_interrupt(adapter)
    finally:
        if command & PCI_COMMAND_SERR:
            pdev.config_write(PCI_COMMAND, 2, pdev.config_read(PCI_COMMAND, 2) | PCI_COMMAND_SERR)


# --- open and close -----------------------------------------------------------------------------------------


def e1000e_open(netdev: E1000NetDevice) -> None:
    """ndo_open.  Raises OSError with everything undone."""
    adapter = netdev.priv()
    if adapter.state & STATE_TESTING:
        raise linux_error(EBUSY, netdev.name)
    hw = adapter.the_hw()
    adapter.opening = True
    netif_carrier_off(netdev)
    netif_tx_stop_queue(netdev.tx_queues[0])
    undo: list[Callable[[], None]] = [lambda: e1000e_reset(adapter)]
    try:
        e1000e_setup_tx_resources(adapter.tx_ring)
        undo.append(lambda: e1000e_free_tx_resources(adapter.tx_ring))
        e1000e_setup_rx_resources(adapter.rx_ring)
        undo.append(lambda: e1000e_free_rx_resources(adapter.rx_ring))
        if adapter.flags & FLAG_HAS_AMT:
            e1000e_get_hw_control(adapter)
            e1000e_reset(adapter)
        e1000e_power_up_phy(adapter)
        undo.append(lambda: e1000_power_down_phy(adapter))
        undo.append(lambda: e1000e_release_hw_control(adapter))
        e1000_configure(adapter)
        e1000_request_irq(adapter)
        undo.append(lambda: e1000_free_irq(adapter))
        if adapter.int_mode != INT_MODE_LEGACY:
            try:
                e1000_test_msi(adapter)
            except OSError:
                adapter.e_err("Interrupt allocation failed")
                raise
    except OSError:
        for fn in reversed(undo):
            fn()
        adapter.opening = False
        raise
    adapter.state &= ~STATE_DOWN
    napi_enable(adapter.napi)
    e1000_irq_enable(adapter)
    if adapter.old_release:
        netif_tx_start_queue(netdev.tx_queues[0])
    adapter.tx_hang_recheck = False
    hw.get_link_status = True
    e1000e_trigger_lsc(adapter)
    adapter.opening = False


def e1000e_close(netdev: E1000NetDevice) -> None:
    adapter = netdev.priv()
    for _ in range(25):
        if not adapter.state & STATE_RESETTING:
            break
        usleep_range(adapter.pdev.kernel, 10000, 11000)
    if netdev.present:
        e1000e_down(adapter, True)
        e1000_free_irq(adapter)
        adapter.link_line("NIC Link is Down")
    napi_disable(adapter.napi)
    e1000e_free_tx_resources(adapter.tx_ring)
    e1000e_free_rx_resources(adapter.rx_ring)
    if adapter.flags & FLAG_HAS_AMT and not adapter.state & STATE_TESTING:
        e1000e_release_hw_control(adapter)


def e1000_set_mac(netdev: E1000NetDevice, addr: bytes) -> None:
    """Raises OSError(EADDRNOTAVAIL) for a group or zero address."""
    if not is_valid_ether_addr(addr):
        raise linux_error(EADDRNOTAVAIL, netdev.name)
    netdev.dev_addr = bytes(addr)
    hw = netdev.priv().the_hw()
    hw.mac_addr = netdev.dev_addr
    e1000e_rar_set_generic(hw, hw.mac_addr, 0)


# --- watchdog and statistics --------------------------------------------------------------------------------


def e1000e_update_phy_task(adapter: E1000Adapter) -> None:
    if not adapter.state & STATE_DOWN:
        e1000e_get_phy_info_m88(adapter.the_hw())


def e1000_update_phy_info(adapter: E1000Adapter) -> None:
    if not adapter.state & STATE_DOWN and adapter.update_phy_task is not None:
        adapter.pdev.kernel.workqueue.schedule_work(adapter.update_phy_task)


def e1000e_update_stats(adapter: E1000Adapter) -> None:
    """Add up the counters that a read clears; not while the link speed is unknown."""
    if adapter.link_speed == 0:
        return
    hw = adapter.the_hw()
    rd = hw.stat
    s = adapter.stats
    s.crcerrs += rd("CRCERRS")
    s.gprc += rd("GPRC")
    low = rd("GORCL")
    rd("GORCH")
    s.gorc += low
    s.bprc += rd("BPRC")
    s.mprc += rd("MPRC")
    s.roc += rd("ROC")
    s.mpc += rd("MPC")
    if adapter.link_duplex == HALF_DUPLEX:
        s.scc += rd("SCC")
        s.ecol += rd("ECOL")
        s.mcc += rd("MCC")
        s.latecol += rd("LATECOL")
        s.dc += rd("DC")
        hw.collision_delta = rd("COLC")
        s.colc += hw.collision_delta
    s.xonrxc += rd("XONRXC")
    s.xontxc += rd("XONTXC")
    s.xoffrxc += rd("XOFFRXC")
    s.xofftxc += rd("XOFFTXC")
    s.gptc += rd("GPTC")
    low = rd("GOTCL")
    rd("GOTCH")
    s.gotc += low
    s.rnbc += rd("RNBC")
    s.ruc += rd("RUC")
    s.mptc += rd("MPTC")
    s.bptc += rd("BPTC")
    hw.tx_packet_delta = rd("TPT")
    s.tpt += hw.tx_packet_delta
    s.algnerrc += rd("ALGNERRC")
    s.rxerrc += rd("RXERRC")
    s.cexterr += rd("CEXTERR")
    s.tsctc += rd("TSCTC")
    s.tsctfc += rd("TSCTFC")
    s.mgptc += rd("MGTPTC")
    s.mgprc += rd("MGTPRC")
    s.mgpdc += rd("MGTPDC")


def e1000e_get_stats64(netdev: E1000NetDevice, s: RtnlLinkStats64) -> None:
    adapter = netdev.priv()
    e1000e_update_stats(adapter)
    h = adapter.stats
    s.rx_bytes = h.gorc
    s.rx_packets = h.gprc
    s.tx_bytes = h.gotc
    s.tx_packets = h.gptc
    s.multicast = h.mprc
    s.collisions = h.colc
    s.rx_errors = h.rxerrc + h.crcerrs + h.algnerrc + h.ruc + h.roc + h.cexterr
    s.rx_length_errors = h.ruc + h.roc
    s.rx_crc_errors = h.crcerrs
    s.rx_frame_errors = h.algnerrc
    s.rx_missed_errors = h.mpc
    s.tx_errors = h.ecol + h.latecol
    s.tx_aborted_errors = h.ecol
    s.tx_window_errors = h.latecol
    s.tx_carrier_errors = h.tncrs


def e1000_phy_read_status(adapter: E1000Adapter) -> None:
    """The snapshot of PHY registers at link-up."""
    hw = adapter.the_hw()
    if hw.er32(r.STATUS) & r.STATUS_LU:
        for reg in (
            r.PHY_BMCR,
            r.PHY_BMSR,
            r.PHY_ADVERTISE,
            r.PHY_LPA,
            r.PHY_EXPANSION,
            r.PHY_CTRL1000,
            r.PHY_STAT1000,
            r.PHY_ESTATUS,
        ):
            try:
                e1e_rphy(hw, reg)
            except OSError:
                adapter.e_warn("Error reading PHY register")


def e1000_print_link_info(adapter: E1000Adapter) -> None:
    ctrl = adapter.the_hw().er32(r.CTRL)
    rx, tx = ctrl & r.CTRL_RFCE, ctrl & r.CTRL_TFCE
    adapter.link_line(
        "NIC Link is Up %d Mbps %s Duplex, Flow Control: %s"
        % (
            adapter.link_speed,
            "Full" if adapter.link_duplex == FULL_DUPLEX else "Half",
            "Rx/Tx" if rx and tx else "Rx" if rx else "Tx" if tx else "None",
        )
    )


def e1000e_has_link(adapter: E1000Adapter) -> bool:
    hw = adapter.the_hw()
    if hw.get_link_status:
        e1000e_check_for_copper_link(hw)
        return not hw.get_link_status
    return True


def e1000e_check_82574_phy_workaround(adapter: E1000Adapter) -> None:
    """A hung PHY twice in a row: reset."""
    if e1000_check_phy_82574(adapter.the_hw()):
        adapter.phy_hang_count += 1
    else:
        adapter.phy_hang_count = 0
    if adapter.phy_hang_count > 1:
        adapter.phy_hang_count = 0
        assert adapter.reset_task is not None
        adapter.pdev.kernel.workqueue.schedule_work(adapter.reset_task)


def e1000_watchdog(adapter: E1000Adapter) -> None:
    if adapter.watchdog_task is not None:
        adapter.pdev.kernel.workqueue.schedule_work(adapter.watchdog_task)


def e1000_watchdog_task(adapter: E1000Adapter) -> None:
    """Link changes, statistics, a software receive interrupt, transmit hang detection; every 2 s."""
    if adapter.state & STATE_DOWN:
        return
    netdev = adapter.netdev
    hw = adapter.the_hw()
    kernel = adapter.pdev.kernel
    link = e1000e_has_link(adapter)
    if adapter.state & STATE_DOWN:
        return
    if not (netdev.carrier_ok and link):
        e1000e_enable_tx_pkt_filtering(hw)
        if link:
            _link_is_up(adapter)
        elif netdev.carrier_ok:
            adapter.link_speed = 0
            adapter.link_duplex = 0
            adapter.link_line("NIC Link is Down")
            netif_carrier_off(netdev)
            netif_tx_stop_queue(netdev.tx_queues[0])
            if adapter.phy_info_timer is not None:
                adapter.phy_info_timer.mod_timer(round_jiffies(kernel, kernel.jiffies() + 2 * kernel.hz))
    e1000e_update_stats(adapter)
    s = adapter.stats
    hw.tx_packet_delta = s.tpt - adapter.tpt_old
    adapter.tpt_old = s.tpt
    hw.collision_delta = s.colc - adapter.colc_old
    adapter.colc_old = s.colc
    adapter.gorc = s.gorc - adapter.gorc_old
    adapter.gorc_old = s.gorc
    adapter.gotc = s.gotc - adapter.gotc_old
    adapter.gotc_old = s.gotc
    if not netdev.carrier_ok and adapter.tx_ring.unused() + 1 < adapter.tx_ring.count:
        adapter.flags |= FLAG_RESTART_NOW
    if adapter.flags & FLAG_RESTART_NOW:
        assert adapter.reset_task is not None
        kernel.workqueue.schedule_work(adapter.reset_task)
        return
    if adapter.itr_setting == 4:
        # symmetric traffic: 2000 a second; all one way: 8000
        goc = (adapter.gotc + adapter.gorc) // 10000
        dif = abs(adapter.gotc - adapter.gorc) // 10000
        e1000e_write_itr(adapter, dif * 6000 // goc + 2000 if goc > 0 else 8000)
    hw.ew32(r.ICS, adapter.rx_ring.ims_val if adapter.msix_entries else r.ICR_RXDMT0)
    e1000e_flush_descriptors(adapter)
    adapter.detect_tx_hung = True
    if adapter.flags2 & FLAG2_CHECK_PHY_HANG:
        e1000e_check_82574_phy_workaround(adapter)
    if not adapter.state & STATE_DOWN and adapter.watchdog_timer is not None:
        adapter.watchdog_timer.mod_timer(round_jiffies(kernel, kernel.jiffies() + 2 * kernel.hz))


def _link_is_up(adapter: E1000Adapter) -> None:
    netdev = adapter.netdev
    hw = adapter.the_hw()
    kernel = adapter.pdev.kernel
    if netdev.carrier_ok:
        return
    hw.er32(r.FWSM)
    e1000_phy_read_status(adapter)
    adapter.link_speed, adapter.link_duplex = e1000e_get_speed_and_duplex_copper(hw)
    e1000_print_link_info(adapter)
    e1000e_check_downshift(hw)
    if hw.speed_downgraded:
        adapter.netdev_printk(4, "Link Speed was downgraded by SmartSpeed")
    adapter.tx_timeout_factor = {SPEED_10: 16, SPEED_100: 10}.get(adapter.link_speed, 1)
    hw.ew32(r.TCTL, hw.er32(r.TCTL) | r.TCTL_EN)
    netif_tx_wake_queue(netdev.tx_queues[0])
    netif_carrier_on(netdev)
    if not adapter.state & STATE_DOWN and adapter.phy_info_timer is not None:
        adapter.phy_info_timer.mod_timer(round_jiffies(kernel, kernel.jiffies() + 2 * kernel.hz))


# --- transmit -----------------------------------------------------------------------------------------------


def __e1000_maybe_stop_tx(tx_ring: E1000Ring, size: int) -> int:
    adapter = tx_ring.adapter
    q = adapter.netdev.tx_queues[0]
    netif_tx_stop_queue(q)
    if tx_ring.unused() < size:
        return -EBUSY
    netif_tx_start_queue(q)
    adapter.restart_queue += 1
    return 0


def e1000_maybe_stop_tx(tx_ring: E1000Ring, size: int) -> int:
    """0 when `size` descriptors are free; else the queue is stopped and -EBUSY."""
    if tx_ring.unused() >= size:
        return 0
    return __e1000_maybe_stop_tx(tx_ring, size)


def e1000_xmit_frame(skb: SkBuff, netdev: E1000NetDevice) -> int:
    """ndo_start_xmit: offload context, mapping, descriptors, tail."""
    adapter = netdev.priv()
    tx_ring = adapter.tx_ring
    if adapter.state & STATE_DOWN:
        kfree_skb_reason(skb, SITE_TX_DOWN)
        return NETDEV_TX_OK
    if skb.len <= 0:
        kfree_skb_reason(skb, SITE_TX_EMPTY)
        return NETDEV_TX_OK
    data = skb.tobytes()
    if len(data) < 17:
        data += bytes(17 - len(data))
    limit = adapter.tx_fifo_limit
    mss = skb.gso_size
    count = 1 + (len(data) + limit - 1) // limit
    if mss or skb.ip_summed == CHECKSUM_PARTIAL:
        count += 1
    if e1000_maybe_stop_tx(tx_ring, count + 2):
        return NETDEV_TX_BUSY
    tx_flags = 0
    if skb.vlan_present:
        tx_flags |= TX_FLAGS_VLAN | skb.vlan_tci << 16
    first = tx_ring.next_to_use
    protocol = skb.protocol
    if mss:
        data = netdev.tso(adapter, skb, data, protocol)
        tx_flags |= TX_FLAGS_TSO
    elif skb.ip_summed == CHECKSUM_PARTIAL:
        netdev.tx_csum(adapter, skb, data, protocol)
        tx_flags |= TX_FLAGS_CSUM
    if protocol == ETH_P_IP:
        tx_flags |= TX_FLAGS_IPV4
    # e1000_tx_map
    mem = adapter.pdev.kernel.memory
    now = adapter.pdev.kernel.jiffies()
    i = tx_ring.next_to_use
    used: list[int] = []
    offset = 0
    try:
        while offset < len(data):
            if used:
                i += 1
                if i == tx_ring.count:
                    i = 0
            info = tx_ring.tx[i]
            size = min(len(data) - offset, limit)
            b = mem.alloc(2048 if size <= 2048 else (size + PAGE_SIZE - 1) // PAGE_SIZE * PAGE_SIZE)
            info.buf = b
            b.view[:size] = data[offset : offset + size]
            used.append(i)
            info.length = size
            info.time_stamp = now
            info.next_to_watch = i
            info.dma = dma_map_page_attrs(mem, b, 0, size, DMA_TO_DEVICE)
            offset += size
    except (OSError, DmaFault):
        adapter.pdev.err("Tx DMA map failed")
        adapter.tx_dma_failed += 1
        for k in used:
            e1000_put_txbuf(tx_ring, tx_ring.tx[k], True)
        kfree_skb_reason(skb, SITE_TX_DMA)
        tx_ring.tx[first].time_stamp = 0
        tx_ring.next_to_use = first
        return NETDEV_TX_OK
    info = tx_ring.tx[i]
    info.skb = skb
    info.segs = skb.gso_segs or 1
    info.bytecount = (info.segs - 1) * skb.linear_len() + skb.len
    tx_ring.tx[first].next_to_watch = i
    skb_clone_tx_timestamp(skb)
    if skb.txstamp is not None:  # skb_tx_timestamp
        skb_tstamp_tx(skb)
    netdev_tx_sent_queue(adapter.netdev.tx_queues[0], info.bytecount)
    # e1000_tx_queue
    upper = 0
    lower = r.TXD_CMD_IFCS
    if tx_flags & TX_FLAGS_TSO:
        lower |= r.TXD_CMD_DEXT | r.TXD_DTYP_D | r.TXD_CMD_TSE
        upper |= r.TXD_POPTS_TXSM
        if tx_flags & TX_FLAGS_IPV4:
            upper |= r.TXD_POPTS_IXSM
    if tx_flags & TX_FLAGS_CSUM:
        lower |= r.TXD_CMD_DEXT | r.TXD_DTYP_D
        upper |= r.TXD_POPTS_TXSM
    if tx_flags & TX_FLAGS_VLAN:
        lower |= r.TXD_CMD_VLE
        upper |= tx_flags & 0xFFFF0000
    for k in used:
        info = tx_ring.tx[k]
        low = lower | info.length
        if k == i:
            low |= adapter.txd_cmd
        _TXD.pack_into(tx_ring.view, k << 4, info.dma, low, upper)
    i += 1
    if i == tx_ring.count:
        i = 0
    tx_ring.next_to_use = i
    e1000_maybe_stop_tx(tx_ring, (MAX_SKB_FRAGS + 1) * ((PAGE_SIZE + limit - 1) // limit) + 4)
    adapter.pdev.model.mmio_write(0, TDT0, 4, i)
    return NETDEV_TX_OK


def e1000_tx_timeout(netdev: E1000NetDevice, txqueue: int) -> None:
    adapter = netdev.priv()
    adapter.tx_timeout_count += 1
    if adapter.reset_task is not None:
        adapter.pdev.kernel.workqueue.schedule_work(adapter.reset_task)


def e1000_reset_task(adapter: E1000Adapter) -> None:
    if adapter.state & STATE_DOWN:
        return
    if not adapter.flags & FLAG_RESTART_NOW:
        adapter.e_err("Reset adapter unexpectedly")
    e1000e_reinit_locked(adapter)


# --- changes while up ---------------------------------------------------------------------------------------


def e1000_change_mtu(netdev: E1000NetDevice, new_mtu: int) -> None:
    """Raises OSError(EINVAL) for jumbo frames on a chip without them."""
    adapter = netdev.priv()
    max_frame = new_mtu + VLAN_ETH_HLEN + ETH_FCS_LEN
    if new_mtu > ETH_DATA_LEN and not adapter.flags & FLAG_HAS_JUMBO_FRAMES:
        adapter.e_err("Jumbo Frames not supported.")
        raise linux_error(EINVAL, netdev.name)
    begin_reset(adapter)
    adapter.max_frame_size = max_frame
    netdev.mtu = new_mtu
    running = netdev.running()
    if running:
        e1000e_down(adapter, True)
    adapter.rx_buffer_len = 2048 if max_frame <= 2048 else 4096
    if max_frame <= VLAN_ETH_FRAME_LEN + ETH_FCS_LEN:
        adapter.rx_buffer_len = VLAN_ETH_FRAME_LEN + ETH_FCS_LEN
    if running:
        e1000e_up(adapter)
    else:
        e1000e_reset(adapter)
    adapter.state &= ~STATE_RESETTING


def e1000_ioctl(netdev: E1000NetDevice, cmd: int, ifr: bytearray) -> None:
    """SIOCGMIIPHY and SIOCGMIIREG on `struct mii_ioctl_data` (four little-endian 16-bit words at offset 16)."""
    hw = netdev.priv().the_hw()
    if cmd in (SIOCSHWTSTAMP, SIOCGHWTSTAMP):
        raise linux_error(ENOTSUP, "hardware time stamping of e1000e")
    if cmd not in (SIOCGMIIPHY, SIOCGMIIREG):
        raise linux_error(EOPNOTSUPP, netdev.name)
    if len(ifr) < 24:
        raise linux_error(EINVAL, netdev.name)
    if cmd == SIOCGMIIPHY:
        struct.pack_into("<H", ifr, 16, hw.phy_addr)
        return
    reg = struct.unpack_from("<H", ifr, 18)[0] & 0x1F
    if reg in (7, 8) or reg > 15 or 11 <= reg <= 14:
        raise linux_error(EIO, netdev.name)
    struct.pack_into("<H", ifr, 22, e1e_rphy(hw, reg))


def e1000_fix_features(netdev: E1000NetDevice, features: int) -> int:
    """Transmit tagging follows receive stripping: one switch in hardware."""
    if features & NETIF_F_HW_VLAN_CTAG_RX:
        return features | NETIF_F_HW_VLAN_CTAG_TX
    return features & ~NETIF_F_HW_VLAN_CTAG_TX


def e1000_set_features(netdev: E1000NetDevice, features: int) -> None:
    adapter = netdev.priv()
    changed = features ^ netdev.features
    if changed & (NETIF_F_TSO | NETIF_F_TSO6):
        adapter.flags |= 1 << 29  # FLAG_TSO_FORCE
    if not changed & (
        NETIF_F_HW_VLAN_CTAG_RX
        | NETIF_F_HW_VLAN_CTAG_TX
        | NETIF_F_RXCSUM
        | NETIF_F_RXHASH
        | NETIF_F_RXFCS
        | NETIF_F_RXALL
    ):
        return
    if changed & NETIF_F_RXFCS:
        if features & NETIF_F_RXFCS or not adapter.flags2 & FLAG2_DFLT_CRC_STRIPPING:
            adapter.flags2 &= ~FLAG2_CRC_STRIPPING
        else:
            adapter.flags2 |= FLAG2_CRC_STRIPPING
    netdev.features = features
    if netdev.running():
        e1000e_reinit_locked(adapter)
    else:
        e1000e_reset(adapter)


# --- power and recovery -------------------------------------------------------------------------------------


def e1000e_pm_freeze(pdev: PciDev) -> None:
    """Detach, quiesce, give the interrupts back."""
    netdev = _netdev_of(pdev)
    adapter = netdev.priv()
    present = netdev.present
    netdev.present = False
    if present and netdev.running():
        for _ in range(25):
            if not adapter.state & STATE_RESETTING:
                break
            usleep_range(pdev.kernel, 10000, 11000)
        e1000e_down(adapter, False)
        e1000_free_irq(adapter)
    e1000e_reset_interrupt_capability(adapter)
    e1000e_disable_pcie_master(adapter.the_hw())


def e1000e_pm_thaw(pdev: PciDev) -> None:
    netdev = _netdev_of(pdev)
    adapter = netdev.priv()
    e1000e_set_interrupt_capability(adapter)
    if netdev.running():
        e1000_request_irq(adapter)
        e1000e_up(adapter)
    netdev.present = True


def __e1000_shutdown(pdev: PciDev) -> None:
    """Arm wake-up (magic packet and friends), or put the PHY to sleep."""
    netdev = _netdev_of(pdev)
    adapter = netdev.priv()
    hw = adapter.the_hw()
    wufc = adapter.wol
    if hw.er32(r.STATUS) & r.STATUS_LU:
        wufc &= ~WUFC_LNKC
    if wufc:
        e1000_setup_rctl(adapter)
        e1000e_set_rx_mode(netdev)
        if wufc & WUFC_MC:
            hw.ew32(r.RCTL, hw.er32(r.RCTL) | r.RCTL_MPE)
        hw.ew32(r.CTRL, hw.er32(r.CTRL) | r.CTRL_ADVD3WUC)
        hw.ew32(r.WUFC, wufc)
        hw.ew32(r.WUC, 0x2)  # PME enable
    else:
        hw.ew32(r.WUC, 0)
        hw.ew32(r.WUFC, 0)
        e1000_power_down_phy(adapter)
    e1000e_release_hw_control(adapter)
    pci_wake_from_d3(pdev, bool(wufc))


def e1000e_pm_suspend(pdev: PciDev) -> None:
    e1000e_pm_freeze(pdev)
    __e1000_shutdown(pdev)


def e1000e_pm_resume(pdev: PciDev) -> None:
    netdev = _netdev_of(pdev)
    adapter = netdev.priv()
    hw = adapter.the_hw()
    e1000e_disable_aspm(adapter)
    pci_set_master(pdev)
    e1000e_power_up_phy(adapter)
    wus = hw.er32(r.WUS)
    if wus:
        adapter.e_info(
            "MAC Wakeup cause - %s"
            % (
                "Unicast Packet"
                if wus & WUFC_EX
                else "Multicast Packet"
                if wus & WUFC_MC
                else "Broadcast Packet"
                if wus & WUFC_BC
                else "Magic Packet"
                if wus & WUFC_MAG
                else "Link Status Change"
                if wus & WUFC_LNKC
                else "other"
            )
        )
    hw.ew32(r.WUS, M32)
    e1000e_reset(adapter)
    if not adapter.flags & FLAG_HAS_AMT:
        e1000e_get_hw_control(adapter)
    e1000e_pm_thaw(pdev)


def e1000_shutdown(pdev: PciDev) -> None:
    e1000e_pm_freeze(pdev)
    __e1000_shutdown(pdev)


class E1000ErrHandler(PciErrorHandlers):
    """e1000_err_handler."""

    __slots__ = ()

    def error_detected(self, pdev: PciDev, state: int) -> int:
        return e1000_io_error_detected(pdev, state)

    def slot_reset(self, pdev: PciDev) -> int:
        return e1000_io_slot_reset(pdev)

    def resume(self, pdev: PciDev) -> None:
        e1000_io_resume(pdev)


def e1000_io_error_detected(pdev: PciDev, state: int) -> int:
    e1000e_pm_freeze(pdev)
    if state == PCI_CHANNEL_IO_PERM_FAILURE:
        return PCI_ERS_RESULT_DISCONNECT
    pci_disable_device(pdev)
    return PCI_ERS_RESULT_NEED_RESET


def e1000_io_slot_reset(pdev: PciDev) -> int:
    adapter = _netdev_of(pdev).priv()
    e1000e_disable_aspm(adapter)
    try:
        pci_enable_device_mem(pdev)
    except OSError:
        pdev.err("Cannot re-enable PCI device after reset.")
        return PCI_ERS_RESULT_DISCONNECT
    pdev.state_saved = True
    pci_restore_state(pdev)
    pci_set_master(pdev)
    pci_wake_from_d3(pdev, False)
    e1000e_reset(adapter)
    adapter.the_hw().ew32(r.WUS, M32)
    return PCI_ERS_RESULT_RECOVERED


def e1000_io_resume(pdev: PciDev) -> None:
    adapter = _netdev_of(pdev).priv()
    e1000e_pm_thaw(pdev)
    if not adapter.flags & FLAG_HAS_AMT:
        e1000e_get_hw_control(adapter)


def _netdev_of(pdev: PciDev) -> E1000NetDevice:
    dev = pdev.driver_data
    assert isinstance(dev, E1000NetDevice)
    return dev


# --- probe and remove ---------------------------------------------------------------------------------------


def e1000_print_device_info(adapter: E1000Adapter) -> None:
    hw = adapter.the_hw()
    adapter.e_info(
        "(PCI Express:2.5GT/s:%s) %s"
        % ("Width x4" if hw.bus_width == 4 else "Width x1", format_mac(adapter.netdev.dev_addr))
    )
    adapter.e_info("Intel(R) PRO/1000 Network Connection")
    try:
        pba = e1000_read_pba_string_generic(hw)
    except OSError:
        pba = "Unknown"
    adapter.e_info("MAC: %d, PHY: %d, PBA No: %s" % (hw.mac_type, hw.phy_type, pba))


def e1000e_disable_aspm(adapter: E1000Adapter) -> None:
    state = 0
    if adapter.flags2 & FLAG2_DISABLE_ASPM_L0S:
        state |= PCIE_LINK_STATE_L0S
    if adapter.flags2 & FLAG2_DISABLE_ASPM_L1:
        state |= PCIE_LINK_STATE_L1
    if state:
        pci_disable_link_state(adapter.pdev, state)


def e1000_probe(pdev: PciDev, ent: PciDeviceId, module: ModuleLike) -> None:
    """Bind to a port.  Raises OSError; what was done by then is undone in reverse order."""
    board = BOARDS[ent.driver_data] if ent.driver_data < len(BOARDS) else BOARDS[0]
    if not supported_mac(board.mac):
        raise linux_error(ENOTSUP, "e1000e: %s (%04x:%04x)" % (board.name, pdev.vendor, pdev.device))
    undo: list[Callable[[], None]] = []
    try:
        _probe(pdev, board.mac, ent.driver_data, module, undo)
    except OSError:
        for fn in reversed(undo):
            fn()
        raise


def _probe(pdev: PciDev, mac: int, board_nr: int, module: ModuleLike, undo: list[Callable[[], None]]) -> None:
    kernel = pdev.kernel
    board = BOARDS[board_nr]
    if board.flags2 & (FLAG2_DISABLE_ASPM_L0S | FLAG2_DISABLE_ASPM_L1):
        pci_disable_link_state(pdev, PCIE_LINK_STATE_L0S | PCIE_LINK_STATE_L1)
    pci_enable_device_mem(pdev)
    undo.append(lambda: pci_disable_device(pdev))
    try:
        dma_set_mask_and_coherent(pdev, (1 << 64) - 1)
    except OSError:
        pdev.err("No usable DMA configuration, aborting")
        raise
    pci_request_selected_regions(pdev, pci_select_bars(pdev, IORESOURCE_MEM), DRIVER_NAME)
    undo.append(lambda: pci_release_mem_regions(pdev))
    pci_enable_pcie_error_reporting(pdev)
    undo.append(lambda: pci_disable_pcie_error_reporting(pdev))
    pci_set_master(pdev)
    pci_save_state(pdev)

    assert module.net_ is not None
    netdev = E1000NetDevice(module.net_, pdev.name)
    adapter = E1000Adapter(module, pdev, netdev, board)
    netdev.parent = pdev
    netdev.irq = pdev.irq
    netdev.adapter = adapter
    netdev.e1000_napi.adapter = adapter
    pci_set_drvdata(pdev, netdev)
    undo.append(lambda: pci_set_drvdata(pdev, None))
    hw = E1000Hw(pdev, mac)
    adapter.hw = hw
    netdev.ethtool_ops = module.make_ethtool_ops(netdev)
    netdev.watchdog_timeo = 5
    netif_napi_add(netdev, adapter.napi)
    undo.append(lambda: netif_napi_del(adapter.napi))
    adapter.bd_number = module.cards_found
    module.cards_found += 1
    e1000e_check_options(adapter)
    undo.append(lambda: e1000e_reset_interrupt_capability(adapter))
    e1000_sw_init(adapter)
    e1000_get_variants_82571(hw)
    hw.bus_width = pcie_get_speed_and_width(pdev)[1] or 1
    if e1000e_check_reset_block_generic(hw):
        pdev.info("PHY reset is blocked due to SOL/IDER session.")

    features = (
        NETIF_F_SG
        | NETIF_F_HW_VLAN_CTAG_RX
        | NETIF_F_HW_VLAN_CTAG_TX
        | NETIF_F_TSO
        | NETIF_F_TSO6
        | NETIF_F_RXHASH
        | NETIF_F_RXCSUM
        | NETIF_F_HW_CSUM
    )
    netdev.features |= features
    netdev.hw_features |= features | NETIF_F_RXFCS | NETIF_F_RXALL
    if adapter.flags & FLAG_HAS_HW_VLAN_FILTER:
        netdev.features |= NETIF_F_HW_VLAN_CTAG_FILTER
    netdev.vlan_features |= NETIF_F_SG | NETIF_F_TSO | NETIF_F_TSO6 | NETIF_F_HW_CSUM | NETIF_F_HIGHDMA
    netdev.features |= NETIF_F_HIGHDMA
    netdev.min_mtu = 68
    netdev.max_mtu = adapter.max_hw_frame_size - (VLAN_ETH_HLEN + ETH_FCS_LEN)
    hw.er32(r.MANC)

    e1000_reset_hw_82571(hw)
    for i in range(3):
        if e1000_validate_nvm_checksum(hw):
            break
        if i == 2:
            pdev.err("The NVM Checksum Is Not Valid")
            raise linux_error(EIO, "NVM checksum")
    e1000e_read_mac_addr(hw)
    netdev.dev_addr = netdev.perm_addr = hw.mac_addr
    if not is_valid_ether_addr(netdev.dev_addr):
        pdev.err("Invalid MAC Address: %s" % format_mac(netdev.dev_addr))
        raise linux_error(EIO, "MAC address")
    adapter.watchdog_timer = TimerList(kernel, lambda: e1000_watchdog(adapter))
    adapter.phy_info_timer = TimerList(kernel, lambda: e1000_update_phy_info(adapter))
    adapter.reset_task = Work(lambda: e1000_reset_task(adapter))
    adapter.watchdog_task = Work(lambda: e1000_watchdog_task(adapter))
    adapter.update_phy_task = Work(lambda: e1000e_update_phy_task(adapter))
    adapter.print_hang_task = Work(lambda: e1000_print_hw_hang(adapter))
    hw.autoneg = True
    adapter.fc_autoneg = True
    hw.fc.requested_mode = FC_DEFAULT
    hw.fc.current_mode = FC_DEFAULT
    hw.autoneg_advertised = 0x2F
    if adapter.flags & FLAG_APME_IN_CTRL3 and e1000_read_nvm(hw, NVM_INIT_CONTROL3_PORT_A) & EEPROM_APME:
        adapter.eeprom_wol |= WUFC_MAG
    if not adapter.flags & FLAG_HAS_WOL:
        adapter.eeprom_wol = 0
    adapter.wol = adapter.eeprom_wol
    pdev.wakeup_enabled = bool(adapter.wol) or e1000_check_mng_mode_82574(hw)
    try:
        adapter.eeprom_vers = e1000_read_nvm(hw, 5)
    except OSError:
        adapter.eeprom_vers = 0
    if adapter.flags & FLAG_HAS_HW_TIMESTAMP:
        adapter.e_info("registered PHC clock")
    e1000e_reset(adapter)
    if not adapter.flags & FLAG_HAS_AMT:
        e1000e_get_hw_control(adapter)
        undo.append(lambda: e1000e_release_hw_control(adapter))
    netdev.name = "eth%d"
    register_netdev(netdev)
    netif_carrier_off(netdev)
    e1000_print_device_info(adapter)


def e1000_remove(pdev: PciDev) -> None:
    netdev = _netdev_of(pdev)
    adapter = netdev.priv()
    if adapter.flags & FLAG_HAS_HW_TIMESTAMP:
        adapter.e_info("removed PHC")
    running = netdev.running()
    if running:
        # unregister_netdev closes it; until then the watchdog must stay quiet
        adapter.state |= STATE_DOWN
    for t in (adapter.watchdog_timer, adapter.phy_info_timer):
        if t is not None:
            t.del_timer()
    for w in (adapter.reset_task, adapter.watchdog_task, adapter.update_phy_task, adapter.print_hang_task):
        if w is not None:
            pdev.kernel.workqueue.cancel_work(w)
    unregister_netdev(netdev)
    netif_napi_del(adapter.napi)
    e1000e_release_hw_control(adapter)
    e1000e_reset_interrupt_capability(adapter)
    pci_release_mem_regions(pdev)
    pci_disable_pcie_error_reporting(pdev)
    pci_disable_device(pdev)


class ModuleLike(Module):
    """What probe needs of the module (module.py): parameters, the network, board numbers, ethtool operations."""

    __slots__ = ("net_", "copybreak", "cards_found")

    def __init__(self, params: dict[str, str] | None = None) -> None:
        super().__init__(DRIVER_NAME, params)
        self.net_: Net | None = None
        self.copybreak = 256
        self.cards_found = 0

    def make_ethtool_ops(self, netdev: E1000NetDevice) -> EthtoolOps:
        raise NotImplementedError


class E1000Napi(NapiStruct):
    """The one NAPI of a port."""

    __slots__ = ("adapter",)

    def __init__(self, net: Net, dev: NetDevice) -> None:
        super().__init__(net, dev)
        self.adapter: E1000Adapter | None = None

    def poll(self, budget: int) -> int:
        return e1000e_poll(self, budget)


class E1000NetDevice(NetDevice):
    """The net device of a port; every operation is the function of netdev.py that Linux puts there."""

    __slots__ = ("adapter", "e1000_napi")

    def __init__(self, net: Net, name: str) -> None:
        super().__init__(net, name)
        self.e1000_napi = E1000Napi(net, self)
        self.adapter: E1000Adapter | None = None

    def priv(self) -> E1000Adapter:
        """netdev_priv."""
        a = self.adapter
        assert a is not None
        return a

    def ndo_open(self) -> None:
        e1000e_open(self)

    def ndo_stop(self) -> None:
        e1000e_close(self)

    def ndo_start_xmit(self, skb: SkBuff, txq: NetdevQueue) -> int:
        return e1000_xmit_frame(skb, self)

    def ndo_get_stats64(self, s: RtnlLinkStats64) -> None:
        e1000e_get_stats64(self, s)

    def ndo_set_rx_mode(self) -> None:
        e1000e_set_rx_mode(self)

    def ndo_set_mac_address(self, addr: bytes) -> None:
        e1000_set_mac(self, addr)

    def ndo_change_mtu(self, new_mtu: int) -> None:
        e1000_change_mtu(self, new_mtu)

    def ndo_do_ioctl(self, cmd: int, ifr: bytearray) -> None:
        e1000_ioctl(self, cmd, ifr)

    def ndo_tx_timeout(self, txqueue: int) -> None:
        e1000_tx_timeout(self, txqueue)

    def ndo_vlan_rx_add_vid(self, proto: int, vid: int) -> None:
        e1000_vlan_rx_add_vid(self, vid)

    def ndo_vlan_rx_kill_vid(self, proto: int, vid: int) -> None:
        e1000_vlan_rx_kill_vid(self, vid)

    def ndo_fix_features(self, features: int) -> int:
        return e1000_fix_features(self, features)

    def ndo_set_features(self, features: int) -> None:
        e1000_set_features(self, features)

    def rx_in_flight(self) -> int:
        """Wire frames that were written to the ring and not harvested, found by their buffers' tags."""
        a = self.adapter
        if a is None:
            return 0
        mem = a.pdev.kernel.memory
        n = 0
        for dma in a.rx_ring.dma:
            if dma:
                n += mem.frames_at(dma)
        top = a.rx_ring.rx_skb_top
        if top is not None:
            n += top.tokens
        return n

    def tx_in_flight(self) -> int:
        """The machine's own frames that the device has and did not report as sent."""
        a = self.adapter
        if a is None:
            return 0
        return sum(1 for b in a.tx_ring.tx if b.skb is not None and b.skb.own)

    # --- what Linux's compiler inlines into its only callers ------------------------------------------------
    def set_itr(self, adapter: E1000Adapter) -> None:
        """e1000_set_itr: adaptive moderation; with MSI-X the register is written by the next interrupt."""
        new_itr = adapter.itr
        if adapter.link_speed != SPEED_1000:
            new_itr = 4000
        elif adapter.flags2 & FLAG2_DISABLE_AIM:
            new_itr = 0
        else:
            adapter.tx_itr = e1000_update_itr(adapter.tx_itr, adapter.total_tx_packets, adapter.total_tx_bytes)
            if adapter.itr_setting == 3 and adapter.tx_itr == LOWEST_LATENCY:
                adapter.tx_itr = LOW_LATENCY
            adapter.rx_itr = e1000_update_itr(adapter.rx_itr, adapter.total_rx_packets, adapter.total_rx_bytes)
            if adapter.itr_setting == 3 and adapter.rx_itr == LOWEST_LATENCY:
                adapter.rx_itr = LOW_LATENCY
            current = adapter.rx_itr if adapter.rx_itr > adapter.tx_itr else adapter.tx_itr
            new_itr = (70000, 20000, 4000)[current]
        if new_itr != adapter.itr:
            if new_itr > adapter.itr:  # towards more interrupts in steps
                step = adapter.itr + (new_itr >> 2)
                if step < new_itr:
                    new_itr = step
            adapter.itr = new_itr
            adapter.rx_ring.itr_val = new_itr
            if adapter.msix_entries:
                adapter.rx_ring.set_itr = True
            else:
                e1000e_write_itr(adapter, new_itr)

    def context(self, adapter: E1000Adapter, fields: tuple[int, ...]) -> None:
        """Put an offload context into the next transmit descriptor."""
        ring = adapter.tx_ring
        i = ring.next_to_use
        _CTXD.pack_into(ring.view, i << 4, *fields)
        info = ring.tx[i]
        info.time_stamp = adapter.pdev.kernel.jiffies()
        info.next_to_watch = i
        i += 1
        ring.next_to_use = 0 if i == ring.count else i

    def tx_csum(self, adapter: E1000Adapter, skb: SkBuff, data: bytes, protocol: int) -> None:
        """e1000_tx_csum: where the checksum starts and where it goes."""
        cmd = r.TXD_CMD_DEXT
        l3 = skb.network_header - skb.data
        if (protocol == ETH_P_IP and data[l3 + 9] == 6) or (protocol == ETH_P_IPV6 and data[l3 + 6] == 6):
            cmd |= r.TXD_TUCMD_TCP
        css = skb.csum_start - skb.data
        self.context(adapter, (0, 0, 0, css, css + skb.csum_offset, 0, cmd, 0, 0, 0))

    def tso(self, adapter: E1000Adapter, skb: SkBuff, data: bytes, protocol: int) -> bytes:
        """e1000_tso: prepare the headers (lengths and checksums that the chip completes); returns the bytes
        to send.
        """
        l3 = skb.network_header - skb.data
        l4 = skb.transport_header - skb.data
        hdr_len = l4 + (data[l4 + 12] >> 4) * 4
        out = bytearray(data)
        cmd = 0
        ipcse = 0
        if protocol == ETH_P_IP:
            out[l3 + 2 : l3 + 4] = b"\0\0"
            out[l3 + 10 : l3 + 12] = b"\0\0"
            pseudo = bytes(out[l3 + 12 : l3 + 20]) + b"\0\x06"
            cmd |= r.TXD_TUCMD_IP
            ipcse = l4 - 1
            ipcso = l3 + 10
        else:
            out[l3 + 4 : l3 + 6] = b"\0\0"
            pseudo = bytes(out[l3 + 8 : l3 + 40]) + b"\0\x06"
            ipcso = l3 + 10
        total = sum(struct.unpack(">%dH" % (len(pseudo) // 2), pseudo))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        struct.pack_into(">H", out, l4 + 16, total)
        cmd |= r.TXD_CMD_DEXT | r.TXD_CMD_TSE | r.TXD_TUCMD_TCP | len(data) - hdr_len
        self.context(adapter, (l3, ipcso, ipcse, l4, l4 + 16, 0, cmd, 0, hdr_len, skb.gso_size))
        return bytes(out)
