"""ixgbe: probe, open, interrupts, poll, receive, transmit, moderation, service task, statistics, stop, power, recovery.

What lives here: everything that a packet meets, in the order in which ixgbe_main.c has it.  What does not: chip
sequences that know no packet (hw.py), queues and vectors (lib.py), ethtool (ethtool.py).

Functions carry Linux's names, so that a function trace compares with one of Linux; what Linux's compiler inlines is a
method here or stands in line.  Facts: ixgbe_main.c of 6.1; 3.13's differences from the reference sheet.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from rxpath.drivers.ixgbe.hw import (
    ATR_FLOW_TYPE_TCPV4,
    FC_TX_PAUSE,
    MAC_82599EB,
    MAC_X540,
    SPEED_1GB,
    SPEED_10GB,
    IxgbeHw,
    ixgbe_check_mac_link_generic,
    ixgbe_clear_rar_generic,
    ixgbe_disable_rx_buff_generic,
    ixgbe_disable_rx_generic,
    ixgbe_enable_rx_buff_generic,
    ixgbe_enable_rx_dma,
    ixgbe_fc_enable_generic,
    ixgbe_fdir_add_signature_filter_82599,
    ixgbe_fdir_set_input_mask_82599,
    ixgbe_fdir_write_perfect_filter_82599,
    ixgbe_get_copper_link_capabilities_generic,
    ixgbe_get_etk_id,
    ixgbe_init_eeprom_params,
    ixgbe_init_fdir_perfect_82599,
    ixgbe_init_fdir_signature_82599,
    ixgbe_init_hw_generic,
    ixgbe_init_swfw_sync_X540,
    ixgbe_read_eeprom,
    ixgbe_read_pba_string_generic,
    ixgbe_read_phy_reg_generic,
    ixgbe_reinit_fdir_tables_82599,
    ixgbe_reset_hw,
    ixgbe_set_copper_phy_power,
    ixgbe_set_rar_generic,
    ixgbe_set_rxpba_generic,
    ixgbe_set_vfta_generic,
    ixgbe_setup_link,
    ixgbe_start_hw,
    ixgbe_update_mc_addr_list_generic,
    ixgbe_validate_eeprom_checksum,
    ixgbe_write_phy_reg_generic,
)
from rxpath.drivers.ixgbe.ixgbe import (
    DESC_NEEDED,
    DRIVER_NAME,
    ETH_FCS_LEN,
    ETH_FRAME_LEN,
    ETH_HLEN,
    ETH_ZLEN,
    FLAG2_FDIR_REQUIRES_REINIT,
    FLAG2_RSC_CAPABLE,
    FLAG2_RSC_ENABLED,
    FLAG2_RSS_FIELD_IPV4_UDP,
    FLAG2_RSS_FIELD_IPV6_UDP,
    FLAG2_RX_LEGACY,
    FLAG_DCA_CAPABLE,
    FLAG_DCA_ENABLED,
    FLAG_FDIR_HASH_CAPABLE,
    FLAG_FDIR_PERFECT_CAPABLE,
    FLAG_MSI_ENABLED,
    FLAG_MSIX_ENABLED,
    FLAG_NEED_LINK_UPDATE,
    ITR_ADAPTIVE_LATENCY,
    ITR_ADAPTIVE_MAX_USECS,
    ITR_ADAPTIVE_MIN_INC,
    ITR_ADAPTIVE_MIN_USECS,
    IXGBE_8K_ITR_3_13,
    IXGBE_20K_ITR,
    IXGBE_100K_ITR,
    IXGBE_MAX_2K_FRAME_BUILD_SKB,
    IXGBE_MAX_DATA_PER_TXD,
    IXGBE_MAX_FDIR_INDICES,
    IXGBE_MAX_JUMBO_FRAME_SIZE,
    IXGBE_MAX_RSS_INDICES,
    IXGBE_MIN_RSC_ITR,
    IXGBE_RX_BUFFER_WRITE,
    IXGBE_RX_HDR_SIZE,
    IXGBE_RXBUFFER_2K,
    IXGBE_RXBUFFER_3K,
    IXGBE_TRY_LINK_TIMEOUT,
    MAX_TX_QUEUES,
    STATE_DISABLED,
    STATE_DOWN,
    STATE_REMOVING,
    STATE_RESET_REQUESTED,
    STATE_RESETTING,
    STATE_SERVICE_INITED,
    STATE_SERVICE_SCHED,
    STATE_TESTING,
    TX_WAKE_THRESHOLD,
    Chain,
    IxgbeAdapter,
    IxgbeQVector,
    IxgbeRing,
    RingContainer,
    TxBuffer,
)
from rxpath.drivers.ixgbe.lib import ixgbe_clear_interrupt_scheme, ixgbe_init_interrupt_scheme
from rxpath.drivers.lib import format_mac, is_valid_ether_addr, msleep, skb_clone_tx_timestamp, usleep_range
from rxpath.drivers.pci import (
    IORESOURCE_MEM,
    PCI_CHANNEL_IO_PERM_FAILURE,
    PCI_ERS_RESULT_DISCONNECT,
    PCI_ERS_RESULT_NEED_RESET,
    PCI_ERS_RESULT_RECOVERED,
    PciDev,
    PciDeviceId,
    PciErrorHandlers,
    dma_set_mask_and_coherent,
    pci_disable_device,
    pci_disable_msix,
    pci_disable_pcie_error_reporting,
    pci_enable_device_mem,
    pci_enable_pcie_error_reporting,
    pci_release_mem_regions,
    pci_request_selected_regions,
    pci_restore_state,
    pci_save_state,
    pci_select_bars,
    pci_set_drvdata,
    pci_set_master,
    pci_wake_from_d3,
)
from rxpath.hw.bus import DmaFault
from rxpath.hw.memory import DMA_FROM_DEVICE, DMA_TO_DEVICE, PAGE_SIZE
from rxpath.hw.regs import ixgbe as r
from rxpath.kernel.dma import dma_alloc_coherent, dma_free_coherent, dma_map_page_attrs, dma_unmap_page_attrs
from rxpath.kernel.errno import EADDRNOTAVAIL, EBUSY, EINVAL, EIO, ENOTSUP, EOPNOTSUPP, linux_error
from rxpath.kernel.irq import IRQ_HANDLED, IRQ_NONE, IRQF_SHARED
from rxpath.kernel.module import Module
from rxpath.kernel.timer import TimerList, Work
from rxpath.net.core.dev import netdev_rss_key_fill
from rxpath.net.core.ethtool import EthtoolOps
from rxpath.net.core.gro import napi_gro_receive
from rxpath.net.core.napi import napi_complete, napi_complete_done, napi_disable, napi_enable, napi_schedule
from rxpath.net.core.netdevice import (
    IFF_ALLMULTI,
    IFF_PROMISC,
    NETIF_F,
    NETIF_F_HW_CSUM,
    NETIF_F_HW_VLAN_CTAG_FILTER,
    NETIF_F_HW_VLAN_CTAG_RX,
    NETIF_F_HW_VLAN_CTAG_TX,
    NETIF_F_LRO,
    NETIF_F_NTUPLE,
    NETIF_F_RXALL,
    NETIF_F_RXCSUM,
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
    netif_set_real_num_rx_queues,
    netif_set_real_num_tx_queues,
    register_netdev,
    unregister_netdev,
)
from rxpath.net.core.receive import eth_type_trans
from rxpath.net.core.skbuff import (
    CHECKSUM_PARTIAL,
    CHECKSUM_UNNECESSARY,
    SKB_GSO_TCPV4,
    SKB_GSO_UDP_L4,
    SkBuff,
    __napi_alloc_skb,
    __napi_build_skb,
    __netdev_alloc_skb,
    build_skb_truesize,
    kfree_skb_reason,
    skb_put,
)
from rxpath.net.core.timestamping import skb_tstamp_tx
from rxpath.net.core.xmit import (
    NETDEV_TX_BUSY,
    NETDEV_TX_OK,
    __dev_kfree_skb_any,
    netif_tx_start_queue,
    netif_tx_stop_queue,
    netif_tx_wake_queue,
)
from rxpath.sim.ledger import Site
from rxpath.wire.ethernet import ETH_P_8021Q, ETH_P_IP

SITE_RING_DOWN: Final = Site("ring", "ring discarded on down", "none")
SITE_RX_ERROR: Final = Site("driver", "descriptor reports a frame error", "none")
SITE_TX_DOWN: Final = Site("xmit", "port is down", "none")
SITE_TX_RING_DOWN: Final = Site("xmit", "transmit ring discarded on down", "none")
SITE_TX_DMA: Final = Site("xmit", "no DMA mapping", "none")

# Advanced receive descriptor, write-back: types and RSCCNT, hash, status and errors, length, VLAN.
_RXD: Final = struct.Struct("<IIIHH")
_READ: Final = struct.Struct("<QQ")
_TXD: Final = struct.Struct("<QII")
_CTXD: Final = struct.Struct("<IIII")

STAT_EOP: Final = r.RXD_STAT_EOP
STAT_VP: Final = r.RXD_STAT_VP
FRAME_ERR: Final = r.RXDADV_ERR_FRAME_ERR_MASK
RSCCNT: Final = r.RXDADV_RSCCNT_MASK
L4_RSS_TYPES: Final = 1 << 1 | 1 << 3 | 1 << 7 | 1 << 8
M32: Final = 0xFFFFFFFF
NETIF_F_TSO6: Final = NETIF_F["tso6"]
NETIF_F_HIGHDMA: Final = NETIF_F["highdma"]
NETIF_F_UDP_L4: Final = NETIF_F["tx-udp-segmentation"]
NETIF_F_HW_TC: Final = NETIF_F["hw-tc-offload"]

WUFC_MAG: Final = 0x02

# the key of every kernel before 3.19, as this driver wrote it: ten words
STATIC_RSS_KEY: Final = (
    0xE291D73D,
    0x1805EC6C,
    0x2A94B30D,
    0xA54F2BEC,
    0xEA49AF7C,
    0xE214AD3D,
    0xB855AABE,
    0x6A3E67EA,
    0x14364D17,
    0x3BED200D,
)


# --- direct cache access: told to the chip, without effect here ---------------------------------------------

DCA_PROVIDER_ADD: Final = 1
DCA_PROVIDER_REMOVE: Final = 2


def ixgbe_update_dca(q_vector: IxgbeQVector) -> None:
    """Name this CPU as the one whose cache the rings' descriptors should go to."""
    adapter = q_vector.adapter
    cur = adapter.pdev.kernel.engine.current
    cpu = cur.id if cur is not None else 0
    if q_vector.cpu == cpu:
        return
    hw = adapter.hw
    for ring in q_vector.tx.rings:
        hw.write(r.DCA_TXCTRL(ring.reg_idx), cpu << 24 | 1 << 9 | 1 << 13 | 1 << 5)
    for ring in q_vector.rx.rings:
        hw.write(r.DCA_RXCTRL(ring.reg_idx), cpu << 24 | 1 << 9 | 1 << 7 | 1 << 5)
    q_vector.cpu = cpu


def ixgbe_setup_dca(adapter: IxgbeAdapter) -> None:
    """Which mode of direct cache access (CB2), or off; then every vector names its CPU."""
    on = adapter.flags & FLAG_DCA_ENABLED
    adapter.hw.write(r.DCA_CTRL, 0x02 if on else 0x01)
    for q_vector in adapter.q_vector:
        q_vector.cpu = -1
        if on:
            ixgbe_update_dca(q_vector)


def __ixgbe_notify_dca(adapter: IxgbeAdapter, event: int) -> None:
    if event == DCA_PROVIDER_ADD:
        if not adapter.flags & FLAG_DCA_ENABLED:
            adapter.flags |= FLAG_DCA_ENABLED
            ixgbe_setup_dca(adapter)
    elif adapter.flags & FLAG_DCA_ENABLED:
        adapter.flags &= ~FLAG_DCA_ENABLED
        adapter.hw.write(r.DCA_CTRL, 0x01)


def ixgbe_notify_dca(adapters: list[IxgbeAdapter], event: int) -> None:
    """A DCA provider came or went (DCA_PROVIDER_ADD, DCA_PROVIDER_REMOVE): tell every port."""
    for adapter in adapters:
        __ixgbe_notify_dca(adapter, event)


# --- receive ----------------------------------------------------------------------------------------------------


def ixgbe_alloc_rx_buffers(rx_ring: IxgbeRing, cleaned_count: int) -> None:
    """Give `cleaned_count` descriptors their buffers back and move the tail, once."""
    if not cleaned_count:
        return
    mem = rx_ring.adapter.pdev.kernel.memory
    view = rx_ring.view
    dma = rx_ring.dma
    count = rx_ring.count
    pack_into = _READ.pack_into
    i = rx_ring.next_to_use
    while cleaned_count:
        addr = dma[i]
        if not addr:
            try:
                b = mem.alloc(rx_ring.bufsz)
                rx_ring.bufs[i] = b
                addr = dma[i] = dma_map_page_attrs(mem, b, 0, rx_ring.bufsz, DMA_FROM_DEVICE)
            except (OSError, DmaFault):
                rx_ring.alloc_rx_page_failed += 1
                break
            rx_ring.alloc_rx_page += 1
        pack_into(view, i << 4, addr, 0)
        i += 1
        if i == count:
            i = 0
        cleaned_count -= 1
    if rx_ring.next_to_use != i:
        rx_ring.next_to_use = i
        # the length of the one that is next must not look written
        at = (i << 4) + 8
        view[at : at + 8] = b"\0\0\0\0\0\0\0\0"
        rx_ring.adapter.pdev.model.mmio_write(0, rx_ring.tail, 4, i)


def ixgbe_rx_checksum(rx_ring: IxgbeRing, info: int, staterr: int, skb: SkBuff) -> None:
    """What the chip found out about the checksums; a bad one is left to the stack."""
    if not rx_ring.netdev.features & NETIF_F_RXCSUM:
        return
    if staterr & r.RXD_STAT_IPCS and staterr & r.RXDADV_ERR_IPE:
        rx_ring.csum_err += 1
        return
    if not staterr & r.RXD_STAT_L4CS:
        return
    if staterr & r.RXDADV_ERR_TCPE:
        # an 82599 says so of UDP without a checksum, too
        if info & r.RXDADV_PKTTYPE_UDP and rx_ring.csum_udp_zero_err:
            return
        rx_ring.csum_err += 1
        return
    skb.ip_summed = CHECKSUM_UNNECESSARY


def ixgbe_update_rsc_stats(rx_ring: IxgbeRing, skb: SkBuff, append_cnt: int) -> None:
    """Frames that the chip merged: count them, and say how large their segments were."""
    if not append_cnt:
        return
    rx_ring.rsc_count += append_cnt
    rx_ring.rsc_flush += 1
    head = skb.head
    tcp = ETH_HLEN + (head[ETH_HLEN] & 15) * 4
    hdr_len = tcp + (head[tcp + 12] >> 4) * 4
    skb.gso_size = (skb.len - hdr_len + append_cnt - 1) // append_cnt
    skb.gso_type = SKB_GSO_TCPV4


def ixgbe_process_skb_fields(
    rx_ring: IxgbeRing, skb: SkBuff, info: int, rss: int, staterr: int, vlan: int, append_cnt: int
) -> None:
    """Hash, checksum state, VLAN, queue, protocol."""
    dev = rx_ring.netdev
    if append_cnt:
        ixgbe_update_rsc_stats(rx_ring, skb, append_cnt)
    features = dev.features
    if features & NETIF_F_RXHASH:
        kind = info & 15
        if kind:
            skb.hash = rss
            skb.l4_hash = bool(L4_RSS_TYPES >> kind & 1)
    ixgbe_rx_checksum(rx_ring, info, staterr, skb)
    if staterr & STAT_VP and features & NETIF_F_HW_VLAN_CTAG_RX:
        skb.vlan_present = True
        skb.vlan_proto = ETH_P_8021Q
        skb.vlan_tci = vlan
    skb.queue_mapping = rx_ring.queue_index
    skb.rx_queue_recorded = True
    eth_type_trans(skb, dev)


def ixgbe_is_non_eop(rx_ring: IxgbeRing, chain: Chain, info: int, staterr: int, ntc: int) -> bool:
    """Not the frame's last descriptor: keep what there is for the one that follows (RSC: that NEXTP names)."""
    nxt = ntc + 1 if ntc + 1 < rx_ring.count else 0
    if rx_ring.rsc:
        cnt = info & RSCCNT
        if cnt:
            chain.append_cnt += (cnt >> r.RXDADV_RSCCNT_SHIFT) - 1
            if not staterr & STAT_EOP:
                nxt = (staterr & r.RXDADV_NEXTP_MASK) >> r.RXDADV_NEXTP_SHIFT
    if staterr & STAT_EOP:
        return False
    rx_ring.pending[nxt] = chain
    rx_ring.non_eop_descs += 1
    return True


def ixgbe_build_skb(rx_ring: IxgbeRing, data: bytes) -> SkBuff:
    """An skb around the half page that holds the frame."""
    skb = __napi_build_skb(rx_ring.adapter.net, build_skb_truesize(rx_ring.frag_truesize))
    skb.head_frag = True
    skb_put(skb, data)
    return skb


def ixgbe_construct_skb(rx_ring: IxgbeRing, data: bytes) -> SkBuff:
    """A small skb for the header; what is longer than 256 bytes stays in its page as a fragment."""
    net = rx_ring.adapter.net
    if rx_ring.adapter.old_release:
        skb = __netdev_alloc_skb(net, IXGBE_RX_HDR_SIZE)
    else:
        skb = __napi_alloc_skb(net, IXGBE_RX_HDR_SIZE)
    if len(data) > IXGBE_RX_HDR_SIZE:
        skb.truesize += rx_ring.frag_truesize
        skb.head_size += rx_ring.frag_truesize  # paged data does not fit the head
        skb.nr_frags = 1
    skb_put(skb, data)
    return skb


def ixgbe_clean_rx_irq(q_vector: IxgbeQVector, rx_ring: IxgbeRing, budget: int) -> int:
    """Harvest up to `budget` frames; returns how many."""
    adapter = rx_ring.adapter
    kernel = adapter.net.kernel
    tags = kernel.memory.tags
    view = rx_ring.view
    unpack_from = _RXD.unpack_from
    dma = rx_ring.dma
    bufs = rx_ring.bufs
    pending = rx_ring.pending
    count = rx_ring.count
    build = rx_ring.build_skb
    rsc = rx_ring.rsc
    napi = q_vector.napi
    errors = 0 if rx_ring.netdev.features & NETIF_F_RXALL else FRAME_ERR
    costs = kernel.costs
    cpu = kernel.cur() if costs.enabled else None
    frame_ns = costs.driver_frame + costs.skb_alloc
    copy_ns = frame_ns + costs.copybreak
    total_bytes = total_packets = 0
    cleaned_count = rx_ring.unused()
    while total_packets < budget:
        if cleaned_count >= IXGBE_RX_BUFFER_WRITE:
            ixgbe_alloc_rx_buffers(rx_ring, cleaned_count)
            cleaned_count = 0
        ntc = rx_ring.next_to_clean
        info, rss, staterr, size, vlan = unpack_from(view, ntc << 4)
        if not size:
            break
        b = bufs[ntc]
        assert b is not None
        data = bytes(b.view[:size])
        cleaned_count += 1
        rx_ring.next_to_clean = ntc + 1 if ntc + 1 < count else 0
        chain = pending.pop(ntc, None) if pending else None
        if chain is None:
            if cpu is not None:
                cpu.charge(frame_ns if build or size > IXGBE_RX_HDR_SIZE else copy_ns)
            if size < ETH_ZLEN and staterr & STAT_EOP:
                data = data.ljust(ETH_ZLEN, b"\0")  # eth_skb_pad: a stripped tag makes a frame too short
            skb = ixgbe_build_skb(rx_ring, data) if build else ixgbe_construct_skb(rx_ring, data)
            tag = tags.pop(dma[ntc], None)
            if tag is not None:
                skb.tag = tag
                skb.tokens = len(tag) if isinstance(tag, tuple) else 1
            append_cnt = 0
            if not staterr & STAT_EOP or (rsc and info & RSCCNT):
                chain = Chain(skb, data)
                if ixgbe_is_non_eop(rx_ring, chain, info, staterr, ntc):
                    continue
                append_cnt = chain.append_cnt
        else:
            skb = chain.skb
            chain.parts.append(data)
            skb.truesize += rx_ring.frag_truesize
            skb.head_size += rx_ring.frag_truesize
            skb.nr_frags += 1
            if ixgbe_is_non_eop(rx_ring, chain, info, staterr, ntc):
                continue
            append_cnt = chain.append_cnt
            skb.head = b"".join(chain.parts)
            skb.tail = skb.len = len(skb.head)
        if staterr & errors:
            kfree_skb_reason(skb, SITE_RX_ERROR)
            continue
        total_bytes += skb.len
        ixgbe_process_skb_fields(rx_ring, skb, info, rss, staterr, vlan, append_cnt)
        napi_gro_receive(napi, skb)
        total_packets += 1
    if cleaned_count and adapter.old_release:
        ixgbe_alloc_rx_buffers(rx_ring, cleaned_count)
    rx_ring.packets += total_packets
    rx_ring.bytes += total_bytes
    c = q_vector.rx
    c.total_packets += total_packets
    c.total_bytes += total_bytes
    return total_packets


def ixgbe_clean_rx_ring(rx_ring: IxgbeRing) -> None:
    """Take every buffer back.  Frames that nobody harvested end here."""
    kernel = rx_ring.adapter.pdev.kernel
    mem = kernel.memory
    for i in sorted(rx_ring.pending):
        kfree_skb_reason(rx_ring.pending[i].skb, SITE_RING_DOWN)
    rx_ring.pending.clear()
    for i in range(len(rx_ring.bufs)):
        b = rx_ring.bufs[i]
        if b is None:
            continue
        addr = rx_ring.dma[i]
        tag = mem.take_tag(addr)
        if tag is not None:
            kernel.ledger.book_drop(SITE_RING_DOWN, len(tag) if isinstance(tag, tuple) else 1)
        mem.unmap(addr, b.size)
        mem.release(b)
        rx_ring.bufs[i] = None
        rx_ring.dma[i] = 0
    if rx_ring.size:
        rx_ring.view[:] = bytes(rx_ring.size)
    rx_ring.next_to_clean = 0
    rx_ring.next_to_use = 0


# --- transmit: completion ---------------------------------------------------------------------------------------


def ixgbe_unmap_tx(tx_ring: IxgbeRing, info: TxBuffer) -> None:
    if info.length:
        dma_unmap_page_attrs(tx_ring.adapter.pdev.kernel.memory, info.dma, info.length, DMA_TO_DEVICE)
        info.length = 0
    if info.buf is not None:
        tx_ring.adapter.pdev.kernel.memory.release(info.buf)
        info.buf = None


def ixgbe_clean_tx_irq(q_vector: IxgbeQVector, tx_ring: IxgbeRing, napi_budget: int) -> bool:
    """Free what the device has sent; False when the work limit was used up."""
    adapter = tx_ring.adapter
    if adapter.state & STATE_DOWN:
        return True
    budget = q_vector.tx.work_limit
    view = tx_ring.view
    tx = tx_ring.tx
    i = tx_ring.next_to_clean
    total_bytes = total_packets = 0
    while budget:
        info = tx[i]
        eop = info.next_to_watch
        if eop < 0 or not view[(eop << 4) + 12] & 1:
            break
        info.next_to_watch = -1
        total_bytes += info.bytecount
        total_packets += info.gso_segs
        skb = info.skb
        info.skb = None
        if skb is not None:
            __dev_kfree_skb_any(skb)
        while True:
            ixgbe_unmap_tx(tx_ring, tx[i])
            last = i == eop
            i += 1
            if i == tx_ring.count:
                i = 0
            if last:
                break
        budget -= 1
    tx_ring.next_to_clean = i
    tx_ring.bytes += total_bytes
    tx_ring.packets += total_packets
    c = q_vector.tx
    c.total_bytes += total_bytes
    c.total_packets += total_packets
    if tx_ring.check_hang and ixgbe_check_tx_hang(tx_ring):
        hw = adapter.hw
        adapter.e_err(
            "Detected Tx Unit Hang\n  Tx Queue             <%d>\n  TDH, TDT             <%x>, <%x>\n"
            "  next_to_use          <%x>\n  next_to_clean        <%x>\ntx_buffer_info[next_to_clean]\n"
            "  time_stamp           <%x>\n  jiffies              <%x>"
            % (
                tx_ring.queue_index,
                hw.read(r.TDH(tx_ring.reg_idx)),
                hw.read(r.TDT(tx_ring.reg_idx)),
                tx_ring.next_to_use,
                i,
                tx[i].time_stamp,
                adapter.pdev.kernel.jiffies(),
            )
        )
        netif_tx_stop_queue(adapter.netdev.tx_queues[tx_ring.queue_index])
        adapter.e_info(
            "tx hang %d detected on queue %d, resetting adapter" % (adapter.tx_timeout_count + 1, tx_ring.queue_index)
        )
        ixgbe_tx_timeout_reset(adapter)
        return True
    if total_packets and adapter.netdev.carrier_ok and tx_ring.unused() >= TX_WAKE_THRESHOLD:
        q = adapter.netdev.tx_queues[tx_ring.queue_index]
        if q.stopped and not adapter.state & STATE_DOWN:
            netif_tx_wake_queue(q)
            tx_ring.restart_queue += 1
    return bool(budget)


def ixgbe_check_tx_hang(tx_ring: IxgbeRing) -> bool:
    """No progress in two checks in a row while something is pending."""
    tx_ring.check_hang = False
    pending = tx_ring.next_to_use != tx_ring.next_to_clean
    if tx_ring.tx_done_old == tx_ring.packets and pending:
        if tx_ring.hang_armed:
            return True
        tx_ring.hang_armed = True
        return False
    tx_ring.tx_done_old = tx_ring.packets
    tx_ring.hang_armed = False
    return False


def ixgbe_tx_timeout_reset(adapter: IxgbeAdapter) -> None:
    if not adapter.state & STATE_DOWN:
        adapter.state |= STATE_RESET_REQUESTED
        adapter.e_warn("initiating reset due to tx timeout")
        ixgbe_service_event_schedule(adapter)


def ixgbe_clean_tx_ring(tx_ring: IxgbeRing) -> None:
    """Free every buffer; frames that the device had reported as sent were sent, the others are dropped."""
    view = tx_ring.view
    for info in tx_ring.tx:
        skb = info.skb
        if skb is not None:
            info.skb = None
            if info.next_to_watch >= 0 and view[(info.next_to_watch << 4) + 12] & 1:
                __dev_kfree_skb_any(skb)
            else:
                kfree_skb_reason(skb, SITE_TX_RING_DOWN)
        info.next_to_watch = -1
    for info in tx_ring.tx:
        ixgbe_unmap_tx(tx_ring, info)
    if tx_ring.size:
        view[:] = bytes(tx_ring.size)
    tx_ring.next_to_use = 0
    tx_ring.next_to_clean = 0


# --- poll and moderation ----------------------------------------------------------------------------------------


def ixgbe_poll(napi: NapiStruct, budget: int) -> int:
    assert isinstance(napi, IxgbeNapi) and napi.q_vector is not None
    q_vector = napi.q_vector
    adapter = q_vector.adapter
    if adapter.flags & FLAG_DCA_ENABLED:
        ixgbe_update_dca(q_vector)
    clean_complete = True
    for ring in q_vector.tx.rings:
        if not ixgbe_clean_tx_irq(q_vector, ring, budget):
            clean_complete = False
    if budget <= 0:
        return budget
    rings = q_vector.rx.rings
    per_ring = max(budget // len(rings), 1) if len(rings) > 1 else budget
    work_done = 0
    for ring in rings:
        cleaned = ixgbe_clean_rx_irq(q_vector, ring, per_ring)
        work_done += cleaned
        if cleaned >= per_ring:
            clean_complete = False
    if not clean_complete:
        return budget
    if adapter.old_release:
        napi_complete(napi)
        if adapter.rx_itr_setting & 1:
            ixgbe_set_itr_3_13(q_vector)
        if not adapter.state & STATE_DOWN:
            ixgbe_irq_enable_queues(adapter, 1 << q_vector.v_idx)
        return 0
    if napi_complete_done(napi, work_done):
        if adapter.rx_itr_setting & 1:
            ixgbe_set_itr(q_vector)
        if not adapter.state & STATE_DOWN:
            ixgbe_irq_enable_queues(adapter, 1 << q_vector.v_idx)
    return min(work_done, budget - 1)


def ixgbe_write_eitr(q_vector: IxgbeQVector) -> None:
    q_vector.adapter.pdev.model.mmio_write(0, r.EITR(q_vector.v_idx), 4, q_vector.itr & r.MAX_EITR | r.EITR_CNT_WDIS)


def ixgbe_update_itr(q_vector: IxgbeQVector, c: RingContainer) -> None:
    """The delay in microseconds that the last interval's traffic asks for, with a flag for latency mode."""
    if not c.rings:
        return
    adapter = q_vector.adapter
    now = adapter.pdev.kernel.jiffies()
    itr = ITR_ADAPTIVE_MIN_USECS | ITR_ADAPTIVE_LATENCY
    if now <= c.next_update:
        packets = c.total_packets
        bytes_ = c.total_bytes
        if not packets:
            itr = min((q_vector.itr >> 2) + ITR_ADAPTIVE_MIN_INC, ITR_ADAPTIVE_MAX_USECS)
            itr += c.itr & ITR_ADAPTIVE_LATENCY
        elif packets < 4 and bytes_ < 9000:
            itr = _adjust_by_size(adapter, ITR_ADAPTIVE_LATENCY, bytes_ // packets)
        elif packets < 48:
            itr = min((q_vector.itr >> 2) + ITR_ADAPTIVE_MIN_INC, ITR_ADAPTIVE_MAX_USECS)
        elif packets < 96:
            itr = q_vector.itr >> 2
        elif packets < 256:
            itr = max(q_vector.itr >> 3, ITR_ADAPTIVE_MIN_USECS)
        else:
            itr = _adjust_by_size(adapter, 0, bytes_ // packets)
    c.itr = itr
    c.next_update = now + 1
    c.total_bytes = 0
    c.total_packets = 0


def _adjust_by_size(adapter: IxgbeAdapter, itr: int, size: int) -> int:
    if size <= 60:
        size = 5120
    elif size <= 316:
        size = size * 40 + 2720
    elif size <= 1084:
        size = size * 15 + 11452
    elif size < 1968:
        size = size * 5 + 22420
    else:
        size = 32256
    if itr & ITR_ADAPTIVE_LATENCY:
        size >>= 1
    unit = ITR_ADAPTIVE_MIN_INC * 256
    if adapter.link_speed == SPEED_1GB:
        size = min(size, 8064)
        unit = ITR_ADAPTIVE_MIN_INC * 64
    return itr + (size + unit - 1) // unit * ITR_ADAPTIVE_MIN_INC


def ixgbe_set_itr(q_vector: IxgbeQVector) -> None:
    """Adaptive moderation (4.15 and later): the smaller of the two sides' wishes."""
    ixgbe_update_itr(q_vector, q_vector.tx)
    ixgbe_update_itr(q_vector, q_vector.rx)
    new_itr = (min(q_vector.rx.itr, q_vector.tx.itr) & ~ITR_ADAPTIVE_LATENCY) << 2
    if new_itr != q_vector.itr:
        q_vector.itr = new_itr
        ixgbe_write_eitr(q_vector)


def ixgbe_update_itr_3_13(q_vector: IxgbeQVector, c: RingContainer) -> None:
    """The class (0 lowest latency, 1 low, 2 bulk) by bytes a microsecond."""
    us = q_vector.itr >> 2
    if not c.total_packets or not us:
        return
    rate = c.total_bytes // us
    if c.itr == 0:
        if rate > 10:
            c.itr = 1
    elif c.itr == 1:
        if rate > 20:
            c.itr = 2
        elif rate <= 10:
            c.itr = 0
    elif rate <= 20:
        c.itr = 1
    c.total_bytes = 0
    c.total_packets = 0


def ixgbe_set_itr_3_13(q_vector: IxgbeQVector) -> None:
    """Adaptive moderation of 3.13: three rates, approached exponentially."""
    ixgbe_update_itr_3_13(q_vector, q_vector.tx)
    ixgbe_update_itr_3_13(q_vector, q_vector.rx)
    new_itr = (IXGBE_100K_ITR, IXGBE_20K_ITR, IXGBE_8K_ITR_3_13)[max(q_vector.rx.itr, q_vector.tx.itr)]
    if new_itr != q_vector.itr:
        new_itr = (10 * new_itr * q_vector.itr) // (9 * new_itr + q_vector.itr)
        q_vector.itr = new_itr
        ixgbe_write_eitr(q_vector)


# --- interrupts -------------------------------------------------------------------------------------------------


def ixgbe_irq_enable_queues(adapter: IxgbeAdapter, qmask: int) -> None:
    model = adapter.pdev.model
    low = qmask & M32
    if low:
        model.mmio_write(0, r.EIMS_EX0, 4, low)
    high = qmask >> 32
    if high:
        model.mmio_write(0, r.EIMS_EX0 + 4, 4, high)


def ixgbe_irq_rearm_queues(adapter: IxgbeAdapter, qmask: int) -> None:
    """A software interrupt on every vector of `qmask`."""
    if qmask & M32:
        adapter.hw.write(r.EICS_EX(0), qmask & M32)
    if qmask >> 32:
        adapter.hw.write(r.EICS_EX(1), qmask >> 32)


def ixgbe_irq_enable(adapter: IxgbeAdapter, queues: bool, flush: bool) -> None:
    mask = r.EIMS_ENABLE_MASK & ~r.EICR_RTX_QUEUE
    if adapter.flags & FLAG_NEED_LINK_UPDATE:
        mask &= ~r.EICR_LSC
    if adapter.hw.mac_type == MAC_82599EB:
        mask |= r.EICR_GPI_SDP1_82599 | r.EICR_GPI_SDP2_82599
    mask |= r.EICR_ECC | r.EICR_MAILBOX
    if adapter.flags & FLAG_FDIR_HASH_CAPABLE and not adapter.flags2 & FLAG2_FDIR_REQUIRES_REINIT:
        mask |= r.EICR_FLOW_DIR
    adapter.hw.write(r.EIMS, mask)
    if queues:
        ixgbe_irq_enable_queues(adapter, (1 << 64) - 1)
    if flush:
        adapter.hw.flush()


def ixgbe_irq_disable(adapter: IxgbeAdapter) -> None:
    """Mask everything (handlers never run beside this code: there is nothing to synchronise with)."""
    hw = adapter.hw
    hw.write(r.EIMC, 0xFFFF0000)
    hw.write(r.EIMC_EX(0), M32)
    hw.write(r.EIMC_EX(1), M32)
    hw.flush()


def ixgbe_check_lsc(adapter: IxgbeAdapter) -> None:
    """Link change: no more of these until the service task has looked."""
    adapter.lsc_int += 1
    adapter.flags |= FLAG_NEED_LINK_UPDATE
    adapter.link_check_timeout = adapter.pdev.kernel.jiffies()
    if not adapter.state & STATE_DOWN:
        adapter.hw.write(r.EIMC, r.EICR_LSC)
        adapter.hw.flush()
        ixgbe_service_event_schedule(adapter)


def _check_ecc(adapter: IxgbeAdapter, eicr: int) -> None:
    if eicr & r.EICR_ECC:
        adapter.e_info("Received ECC Err, initiating reset")
        adapter.state |= STATE_RESET_REQUESTED
        ixgbe_service_event_schedule(adapter)
        adapter.hw.write(r.EICR, r.EICR_ECC)


def ixgbe_msix_other(irq: int, data: object) -> int:
    """The last vector: link, mailbox, errors.  EICS is read, not EICR: a read of that would clear queue causes."""
    assert isinstance(data, IxgbeAdapter)
    adapter = data
    hw = adapter.hw
    eicr = hw.read(r.EICS) & 0xFFFF0000
    hw.write(r.EICR, eicr)
    if eicr & r.EICR_LSC:
        ixgbe_check_lsc(adapter)
    _check_ecc(adapter, eicr)
    if eicr & r.EICR_FLOW_DIR and adapter.flags & FLAG_FDIR_HASH_CAPABLE:
        reinit = False
        for ring in adapter.tx_ring:
            reinit |= ring.fdir_init_done
            ring.fdir_init_done = False
        if reinit:
            hw.write(r.EIMC, r.EICR_FLOW_DIR)
            adapter.flags2 |= FLAG2_FDIR_REQUIRES_REINIT
            ixgbe_service_event_schedule(adapter)
    if not adapter.state & STATE_DOWN:
        ixgbe_irq_enable(adapter, False, False)
    return IRQ_HANDLED


def ixgbe_msix_clean_rings(irq: int, data: object) -> int:
    """A queue vector; EIAM has masked it already."""
    assert isinstance(data, IxgbeQVector)
    if data.rx.rings or data.tx.rings:
        napi_schedule(data.napi)
    return IRQ_HANDLED


def ixgbe_intr(irq: int, data: object) -> int:
    """MSI and INTx: IRQ_NONE unless EICR says that something is there."""
    assert isinstance(data, IxgbeAdapter)
    adapter = data
    hw = adapter.hw
    hw.write(r.EIMC, r.IRQ_CLEAR_MASK)
    eicr = hw.read(r.EICR)
    if not eicr:
        if not adapter.state & STATE_DOWN:
            ixgbe_irq_enable(adapter, True, True)
        return IRQ_NONE
    if eicr & r.EICR_LSC:
        ixgbe_check_lsc(adapter)
    _check_ecc(adapter, eicr)
    napi_schedule(adapter.q_vector[0].napi)
    if not adapter.state & STATE_DOWN:
        ixgbe_irq_enable(adapter, False, False)
    return IRQ_HANDLED


def ixgbe_set_ivar(adapter: IxgbeAdapter, direction: int, queue: int, vector: int) -> None:
    """`direction` 0 receive, 1 transmit, -1 other causes (`queue` 1)."""
    hw = adapter.hw
    vector |= r.IVAR_ALLOC_VAL
    if direction == -1:
        off = r.IVAR_MISC
        shift = (queue & 1) * 8
    else:
        off = r.IVAR(queue >> 1)
        shift = 16 * (queue & 1) + 8 * direction
    hw.write(off, hw.read(off) & ~(0xFF << shift) | vector << shift)


def ixgbe_configure_msix(adapter: IxgbeAdapter) -> None:
    """Vectors of all queues, their moderation; the rest goes to the vector behind them."""
    for q_vector in adapter.q_vector:
        for ring in q_vector.rx.rings:
            ixgbe_set_ivar(adapter, 0, ring.reg_idx, q_vector.v_idx)
        for ring in q_vector.tx.rings:
            ixgbe_set_ivar(adapter, 1, ring.reg_idx, q_vector.v_idx)
        ixgbe_write_eitr(q_vector)
    other = len(adapter.q_vector)
    ixgbe_set_ivar(adapter, -1, 1, other)
    adapter.hw.write(r.EITR(other), 1950)
    adapter.hw.write(r.EIAC, r.EIMS_ENABLE_MASK & ~(r.EICR_OTHER | r.EICR_MAILBOX | r.EICR_LSC))


def ixgbe_configure_msi_and_legacy(adapter: IxgbeAdapter) -> None:
    ixgbe_write_eitr(adapter.q_vector[0])
    ixgbe_set_ivar(adapter, 0, 0, 0)
    ixgbe_set_ivar(adapter, 1, 0, 0)
    adapter.e_info("Legacy interrupt IVAR setup done")


def ixgbe_request_msix_irqs(adapter: IxgbeAdapter) -> None:
    """A handler a queue vector, one for the rest.  Raises OSError, with MSI-X given back."""
    irqs = adapter.pdev.kernel.irq
    name = adapter.netdev.name
    done: list[tuple[int, object]] = []
    ri = ti = 0
    try:
        for q_vector in adapter.q_vector:
            vector = adapter.msix_entries[q_vector.v_idx].vector
            if q_vector.tx.rings and q_vector.rx.rings:
                q_vector.name = "%s-TxRx-%d" % (name, ri)
                ri += 1
                ti += 1
            elif q_vector.rx.rings:
                q_vector.name = "%s-rx-%d" % (name, ri)
                ri += 1
            elif q_vector.tx.rings:
                q_vector.name = "%s-tx-%d" % (name, ti)
                ti += 1
            else:
                continue
            try:
                irqs.request_irq(vector, ixgbe_msix_clean_rings, 0, q_vector.name, q_vector)
            except OSError as e:
                adapter.e_err("request_irq failed for MSIX interrupt Error: %d" % -(e.errno or EIO))
                raise
            done.append((vector, q_vector))
            if adapter.flags & FLAG_FDIR_HASH_CAPABLE:
                irqs.irq_set_affinity_hint(vector, q_vector.affinity_mask)
        other = adapter.msix_entries[len(adapter.q_vector)].vector
        try:
            irqs.request_irq(other, ixgbe_msix_other, 0, name, adapter)
        except OSError as e:
            adapter.e_err("request_irq for msix_other failed: %d" % -(e.errno or EIO))
            raise
    except OSError:
        for vector, dev_id in reversed(done):
            irqs.irq_set_affinity_hint(vector, 0)
            irqs.free_irq(vector, dev_id)
        adapter.flags &= ~FLAG_MSIX_ENABLED
        pci_disable_msix(adapter.pdev)
        adapter.msix_entries = []
        raise


def ixgbe_request_irq(adapter: IxgbeAdapter) -> None:
    """Attach the handlers.  The kind was chosen at probe: a failure is the caller's.  Raises OSError."""
    irqs = adapter.pdev.kernel.irq
    try:
        if adapter.flags & FLAG_MSIX_ENABLED:
            ixgbe_request_msix_irqs(adapter)
        else:
            flags = 0 if adapter.flags & FLAG_MSI_ENABLED else IRQF_SHARED
            irqs.request_irq(adapter.pdev.irq, ixgbe_intr, flags, adapter.netdev.name, adapter)
    except OSError as e:
        adapter.e_err("request_irq failed, Error %d" % -(e.errno or EIO))
        raise


def ixgbe_free_irq(adapter: IxgbeAdapter) -> None:
    irqs = adapter.pdev.kernel.irq
    if not adapter.flags & FLAG_MSIX_ENABLED:
        if not adapter.pdev.msix_enabled and adapter.q_vector:
            irqs.free_irq(adapter.pdev.irq, adapter)
        return
    if not adapter.msix_entries:
        return
    for q_vector in adapter.q_vector:
        if q_vector.rx.rings or q_vector.tx.rings:
            vector = adapter.msix_entries[q_vector.v_idx].vector
            irqs.irq_set_affinity_hint(vector, 0)
            irqs.free_irq(vector, q_vector)
    irqs.free_irq(adapter.msix_entries[len(adapter.q_vector)].vector, adapter)


# --- rings ------------------------------------------------------------------------------------------------------


def _ring_dma(ring: IxgbeRing) -> None:
    ring.size = (ring.count * 16 + 4095) // 4096 * 4096
    desc = dma_alloc_coherent(ring.adapter.pdev.kernel.memory, ring.size)
    ring.desc = desc
    ring.view = desc.view
    ring.dma_base = desc.addr
    ring.next_to_use = 0
    ring.next_to_clean = 0


def _free_ring_dma(ring: IxgbeRing) -> None:
    if ring.desc is not None:
        dma_free_coherent(ring.adapter.pdev.kernel.memory, ring.desc)
        ring.desc = None
        ring.view = memoryview(b"")
        ring.size = 0


def ixgbe_setup_tx_resources(tx_ring: IxgbeRing) -> None:
    """Raises OSError(ENOMEM)."""
    _ring_dma(tx_ring)
    tx_ring.tx = [TxBuffer() for _ in range(tx_ring.count)]


def ixgbe_setup_rx_resources(adapter: IxgbeAdapter, rx_ring: IxgbeRing) -> None:
    """Raises OSError(ENOMEM)."""
    _ring_dma(rx_ring)
    rx_ring.bufs = [None] * rx_ring.count
    rx_ring.dma = [0] * rx_ring.count
    rx_ring.pending = {}


def ixgbe_free_tx_resources(tx_ring: IxgbeRing) -> None:
    ixgbe_clean_tx_ring(tx_ring)
    tx_ring.tx = []
    _free_ring_dma(tx_ring)


def ixgbe_free_rx_resources(rx_ring: IxgbeRing) -> None:
    ixgbe_clean_rx_ring(rx_ring)
    rx_ring.bufs = []
    rx_ring.dma = []
    _free_ring_dma(rx_ring)


def ixgbe_setup_all_tx_resources(adapter: IxgbeAdapter) -> None:
    """All or none.  Raises OSError."""
    for i, ring in enumerate(adapter.tx_ring):
        try:
            ixgbe_setup_tx_resources(ring)
        except OSError:
            adapter.e_err("Allocation for Tx Queue %d failed" % i)
            for done in reversed(adapter.tx_ring[:i]):
                ixgbe_free_tx_resources(done)
            raise


def ixgbe_setup_all_rx_resources(adapter: IxgbeAdapter) -> None:
    for i, ring in enumerate(adapter.rx_ring):
        try:
            ixgbe_setup_rx_resources(adapter, ring)
        except OSError:
            adapter.e_err("Allocation for Rx Queue %d failed" % i)
            for done in reversed(adapter.rx_ring[:i]):
                ixgbe_free_rx_resources(done)
            raise


def ixgbe_free_all_tx_resources(adapter: IxgbeAdapter) -> None:
    for ring in adapter.tx_ring:
        if ring.desc is not None:
            ixgbe_free_tx_resources(ring)


def ixgbe_free_all_rx_resources(adapter: IxgbeAdapter) -> None:
    for ring in adapter.rx_ring:
        if ring.desc is not None:
            ixgbe_free_rx_resources(ring)


# --- configuration ----------------------------------------------------------------------------------------------


def ixgbe_configure_tx_ring(adapter: IxgbeAdapter, ring: IxgbeRing) -> None:
    hw = adapter.hw
    i = ring.reg_idx
    hw.write(r.TXDCTL(i), 0)
    hw.flush()
    hw.write(r.TDBAL(i), ring.dma_base & M32)
    hw.write(r.TDBAH(i), ring.dma_base >> 32)
    hw.write(r.TDLEN(i), ring.count * 16)
    hw.write(r.TDH(i), 0)
    hw.write(r.TDT(i), 0)
    ring.tail = r.TDT(i)
    txdctl = r.TXDCTL_ENABLE | 1 << 8 | 32
    if adapter.flags & FLAG_FDIR_HASH_CAPABLE:
        ring.atr_sample_rate = adapter.atr_sample_rate
        ring.atr_count = 0
        ring.fdir_init_done = True
    else:
        ring.atr_sample_rate = 0
    low = ring.q_vector is None or ring.q_vector.itr < IXGBE_100K_ITR
    txdctl |= (1 if low else 8) << r.TXDCTL_WTHRESH_SHIFT
    if ring.q_vector is not None and ring.queue_index < len(adapter.netdev.tx_queues):
        q = adapter.netdev.tx_queues[ring.queue_index]
        if not q.xps_mask:
            q.xps_mask = ring.q_vector.affinity_mask
    ring.hang_armed = False
    for info in ring.tx:
        info.next_to_watch = -1
    hw.write(r.TXDCTL(i), txdctl)
    for _ in range(10):
        usleep_range(hw.kernel, 1000, 2000)
        if hw.read(r.TXDCTL(i)) & r.TXDCTL_ENABLE:
            return


def ixgbe_setup_mtqc(adapter: IxgbeAdapter) -> None:
    hw = adapter.hw
    v = hw.read(r.RTTDCS) | r.RTTDCS_ARBDIS
    hw.write(r.RTTDCS, v)
    hw.write(r.MTQC, 0)  # 64 queues, one packet buffer
    hw.write(r.RTTDCS, v & ~r.RTTDCS_ARBDIS)


def ixgbe_configure_tx(adapter: IxgbeAdapter) -> None:
    ixgbe_setup_mtqc(adapter)
    hw = adapter.hw
    hw.write(r.DMATXCTL, hw.read(r.DMATXCTL) | r.DMATXCTL_TE)
    for ring in adapter.tx_ring:
        ixgbe_configure_tx_ring(adapter, ring)


def ixgbe_set_rx_drop_en(adapter: IxgbeAdapter) -> None:
    """Several queues and no pause frames to send: a full queue loses frames instead of holding up the others."""
    hw = adapter.hw
    drop = adapter.num_rx_queues > 1 and not hw.fc.current_mode & FC_TX_PAUSE
    for ring in adapter.rx_ring:
        v = hw.read(r.SRRCTL(ring.reg_idx))
        hw.write(r.SRRCTL(ring.reg_idx), v | r.SRRCTL_DROP_EN if drop else v & ~r.SRRCTL_DROP_EN)


def ixgbe_configure_srrctl(adapter: IxgbeAdapter, ring: IxgbeRing) -> None:
    adapter.hw.write(
        r.SRRCTL(ring.reg_idx),
        IXGBE_RX_HDR_SIZE << r.SRRCTL_BSIZEHDRSIZE_SHIFT
        | ring.bufsz >> r.SRRCTL_BSIZEPKT_SHIFT
        | r.SRRCTL_DESCTYPE_ADV_ONEBUF,
    )


def ixgbe_store_key(adapter: IxgbeAdapter) -> None:
    for i in range(r.RSSRK_ENTRIES):
        adapter.hw.write(r.RSSRK(i), int.from_bytes(adapter.rss_key[4 * i : 4 * i + 4], "little"))


def ixgbe_store_reta(adapter: IxgbeAdapter) -> None:
    """The indirection table, four entries a register."""
    tbl = adapter.rss_indir_tbl
    mask = 0xF if adapter.hw.mac_type == MAC_82599EB else 0xFF
    for i in range(0, r.RETA_ENTRIES, 4):
        v = 0
        for k in range(4):
            v |= (tbl[i + k] & mask) << 8 * k
        adapter.hw.write(r.RETA(i >> 2), v)


def ixgbe_setup_reta(adapter: IxgbeAdapter) -> None:
    """Key, and a table that goes round the RSS queues: at every reset, whatever a user had set (6.1 does so)."""
    rss_i = adapter.rss.indices
    ixgbe_store_key(adapter)
    adapter.rss_indir_tbl = [i % rss_i for i in range(r.RETA_ENTRIES)]
    ixgbe_store_reta(adapter)


def ixgbe_setup_mrqc(adapter: IxgbeAdapter) -> None:
    hw = adapter.hw
    hw.write(r.RXCSUM, hw.read(r.RXCSUM) | r.RXCSUM_PCSD)
    ixgbe_setup_reta(adapter)
    hw.write(r.MRQC, r.MRQC_RSSEN | adapter.netdev.rss_fields(adapter))


def ixgbe_set_rx_buffer_len(adapter: IxgbeAdapter) -> None:
    """Frame limit, and for each ring: buffer size, RSC, how skbs are made."""
    hw = adapter.hw
    max_frame = max(adapter.netdev.mtu + ETH_HLEN + ETH_FCS_LEN, ETH_FRAME_LEN + ETH_FCS_LEN)
    mhadd = hw.read(r.MHADD)
    if max_frame != mhadd >> r.MHADD_MFS_SHIFT:
        hw.write(r.MHADD, mhadd & ~r.MHADD_MFS_MASK | max_frame << r.MHADD_MFS_SHIFT)
    hw.write(r.HLREG0, hw.read(r.HLREG0) | r.HLREG0_JUMBOEN)
    for ring in adapter.rx_ring:
        _ring_buffers(adapter, ring, max_frame)


def _ring_buffers(adapter: IxgbeAdapter, ring: IxgbeRing, max_frame: int) -> None:
    ring.rsc = bool(adapter.flags2 & FLAG2_RSC_ENABLED)
    ring.build_skb = False
    large = False
    if not adapter.old_release and not adapter.flags2 & FLAG2_RX_LEGACY:
        ring.build_skb = True
        large = ring.rsc or max_frame > ETH_FRAME_LEN + ETH_FCS_LEN
    ring.bufsz = IXGBE_RXBUFFER_3K if large else IXGBE_RXBUFFER_2K
    ring.frag_truesize = PAGE_SIZE if large else PAGE_SIZE // 2


def ixgbe_configure_rx_ring(adapter: IxgbeAdapter, ring: IxgbeRing) -> None:
    hw = adapter.hw
    i = ring.reg_idx
    rxdctl = hw.read(r.RXDCTL(i)) & ~r.RXDCTL_ENABLE
    hw.write(r.RXDCTL(i), rxdctl)
    hw.flush()
    hw.write(r.RDBAL(i), ring.dma_base & M32)
    hw.write(r.RDBAH(i), ring.dma_base >> 32)
    hw.write(r.RDLEN(i), ring.count * 16)
    hw.flush()
    hw.write(r.RDH(i), 0)
    hw.write(r.RDT(i), 0)
    ring.tail = r.RDT(i)
    ixgbe_configure_srrctl(adapter, ring)
    if ring.rsc:
        hw.write(r.RSCCTL(i), hw.read(r.RSCCTL(i)) | r.RSCCTL_RSCEN | r.RSCCTL_MAXDESC_16)
    if hw.mac_type != MAC_82599EB:
        rxdctl &= ~(r.RXDCTL_RLPMLMASK | r.RXDCTL_RLPML_EN)
        if ring.build_skb and ring.bufsz == IXGBE_RXBUFFER_2K:
            rxdctl |= IXGBE_MAX_2K_FRAME_BUILD_SKB | r.RXDCTL_RLPML_EN
    at = 8
    ring.view[at : at + 8] = b"\0\0\0\0\0\0\0\0"
    rxdctl |= r.RXDCTL_ENABLE
    hw.write(r.RXDCTL(i), rxdctl)
    for _ in range(10):
        usleep_range(hw.kernel, 1000, 2000)
        if hw.read(r.RXDCTL(i)) & r.RXDCTL_ENABLE:
            break
    else:
        adapter.e_err("RXDCTL.ENABLE on Rx queue %d not set within the polling period" % i)
    ixgbe_alloc_rx_buffers(ring, ring.unused())


def ixgbe_setup_psrtype(adapter: IxgbeAdapter) -> None:
    v = r.PSRTYPE_TCPHDR | r.PSRTYPE_UDPHDR | r.PSRTYPE_IPV4HDR | r.PSRTYPE_L2HDR | r.PSRTYPE_IPV6HDR
    rss_i = adapter.rss.indices
    if rss_i > 3:
        v |= 2 << r.PSRTYPE_RQPL_SHIFT
    elif rss_i > 1:
        v |= 1 << r.PSRTYPE_RQPL_SHIFT
    adapter.hw.write(r.PSRTYPE(0), v)


def ixgbe_setup_rdrxctl(adapter: IxgbeAdapter) -> None:
    hw = adapter.hw
    v = hw.read(r.RDRXCTL)
    hw.write(r.RSCDBU, hw.read(r.RSCDBU) | r.RSCDBU_RSCACKDIS)
    v = v & ~r.RDRXCTL_RSCFRSTSIZE | r.RDRXCTL_RSCACKC | r.RDRXCTL_FCOE_WRFIX | r.RDRXCTL_CRCSTRIP
    hw.write(r.RDRXCTL, v)


def ixgbe_configure_rx(adapter: IxgbeAdapter) -> None:
    hw = adapter.hw
    ixgbe_disable_rx_generic(hw)
    ixgbe_setup_psrtype(adapter)
    ixgbe_setup_rdrxctl(adapter)
    rfctl = hw.read(r.RFCTL) & ~r.RFCTL_RSC_DIS
    if not adapter.flags2 & FLAG2_RSC_ENABLED:
        rfctl |= r.RFCTL_RSC_DIS
    hw.write(r.RFCTL, rfctl | r.RFCTL_NFSW_DIS | r.RFCTL_NFSR_DIS)
    ixgbe_setup_mrqc(adapter)
    ixgbe_set_rx_buffer_len(adapter)
    for ring in adapter.rx_ring:
        ixgbe_configure_rx_ring(adapter, ring)
    ixgbe_enable_rx_dma(hw, hw.read(r.RXCTRL) | r.RXCTRL_RXEN)


def ixgbe_vlan_rx_add_vid(netdev: IxgbeNetDevice, vid: int) -> None:
    adapter = netdev.priv()
    ixgbe_set_vfta_generic(adapter.hw, vid, True)
    adapter.active_vlans |= 1 << vid


def ixgbe_vlan_rx_kill_vid(netdev: IxgbeNetDevice, vid: int) -> None:
    adapter = netdev.priv()
    if vid:
        ixgbe_set_vfta_generic(adapter.hw, vid, False)
    adapter.active_vlans &= ~(1 << vid)


def _vlan_strip(adapter: IxgbeAdapter, on: bool) -> None:
    """ixgbe_vlan_strip_enable, ixgbe_vlan_strip_disable: a bit in every queue."""
    hw = adapter.hw
    for ring in adapter.rx_ring:
        v = hw.read(r.RXDCTL(ring.reg_idx))
        hw.write(r.RXDCTL(ring.reg_idx), v | r.RXDCTL_VME if on else v & ~r.RXDCTL_VME)


def ixgbe_restore_vlan(adapter: IxgbeAdapter) -> None:
    ixgbe_vlan_rx_add_vid(adapter.netdev, 0)
    vid = 1
    while adapter.active_vlans >> vid:
        if adapter.active_vlans >> vid & 1:
            ixgbe_vlan_rx_add_vid(adapter.netdev, vid)
        vid += 1


def ixgbe_set_rx_mode(netdev: IxgbeNetDevice) -> None:
    """Promiscuity, unicast and multicast addresses, VLAN stripping and filter."""
    adapter = netdev.priv()
    hw = adapter.hw
    features = netdev.features
    fctrl = hw.read(r.FCTRL) & ~r.FCTRL_SBP
    fctrl |= r.FCTRL_BAM | r.FCTRL_DPF | r.FCTRL_PMCF
    fctrl &= ~(r.FCTRL_UPE | r.FCTRL_MPE)
    if netdev.flags & IFF_PROMISC:
        fctrl |= r.FCTRL_UPE | r.FCTRL_MPE
        features &= ~NETIF_F_HW_VLAN_CTAG_FILTER
    elif netdev.flags & IFF_ALLMULTI:
        fctrl |= r.FCTRL_MPE
    if not ixgbe_write_uc_addr_list(netdev):
        fctrl |= r.FCTRL_UPE
    if netdev.running() or adapter.opening:
        ixgbe_update_mc_addr_list_generic(hw, list(netdev.mc))
    if features & NETIF_F_RXALL:
        fctrl |= r.FCTRL_SBP | r.FCTRL_BAM | r.FCTRL_PMCF
        fctrl &= ~r.FCTRL_DPF
    hw.write(r.FCTRL, fctrl)
    _vlan_strip(adapter, bool(features & NETIF_F_HW_VLAN_CTAG_RX))
    v = hw.read(r.VLNCTRL)
    hw.write(r.VLNCTRL, v | r.VLNCTRL_VFE if features & NETIF_F_HW_VLAN_CTAG_FILTER else v & ~r.VLNCTRL_VFE)


def ixgbe_write_uc_addr_list(netdev: IxgbeNetDevice) -> bool:
    """Secondary addresses into RAR 1 and up; False when there are too many."""
    adapter = netdev.priv()
    hw = adapter.hw
    if len(netdev.uc) > hw.num_rar_entries - 1:
        return False
    n = 1
    for addr in netdev.uc:
        ixgbe_set_rar_generic(hw, n, addr)
        n += 1
    for i in range(n, adapter.uc_rars + 1):
        ixgbe_clear_rar_generic(hw, i)
    adapter.uc_rars = n - 1
    return True


def ixgbe_hpbthresh(adapter: IxgbeAdapter) -> int:
    """High water mark, KiB: the packet buffer less what may still arrive until the partner has stopped.

    Bit times: a frame on the link, the partner's response 672, cable 2 x 5556, interfaces of both ends, higher
    layer 6144, all by 36/25; and two frames of our own.
    """
    hw = adapter.hw
    frame = adapter.netdev.mtu + ETH_HLEN + ETH_FCS_LEN + 20
    interface = 8192 + 4096 + 25600 if hw.mac_type == MAC_X540 else 4096 + 2048 + 12800
    bits = 36 * (8 * frame + 672 + 2 * 5556 + 2 * interface + 6144) // 25 + 1 + 2 * 8 * frame
    marker = (hw.read(r.RXPBSIZE(0)) >> 10) - (bits + 8191) // 8192
    if marker < 0:
        adapter.e_warn(
            "Packet Buffer(0) can not provide enoughheadroom to support flow control."
            "Decrease MTU or number of traffic classes"
        )
        marker = frame + 1
    return marker


def ixgbe_lpbthresh(adapter: IxgbeAdapter) -> int:
    """Low water mark, KiB: two frames and the bus's delay (10000 by 36/25); twice that for an 82599."""
    frame = adapter.netdev.mtu + ETH_HLEN + ETH_FCS_LEN
    bits = 2 * 8 * frame + 36 * 10000 // 25 + 1
    if adapter.hw.mac_type != MAC_X540:
        bits *= 2
    return (bits + 8191) // 8192


def ixgbe_pbthresh_setup(adapter: IxgbeAdapter) -> None:
    fc = adapter.hw.fc
    fc.high_water = ixgbe_hpbthresh(adapter)
    fc.low_water = ixgbe_lpbthresh(adapter)
    if fc.low_water > fc.high_water:
        fc.low_water = 0


def ixgbe_fdir_filter_restore(adapter: IxgbeAdapter) -> None:
    """Rules into the table again after a reset."""
    if adapter.fdir_filters:
        ixgbe_fdir_set_input_mask_82599(adapter.hw, adapter.fdir_mask)
    for f in adapter.fdir_filters:
        queue = f.action
        if queue != r.FDIR_DROP_QUEUE:
            if queue >= adapter.num_rx_queues:
                adapter.e_err("FDIR restore failed without VF, ring: %u" % queue)
                continue
            queue = adapter.rx_ring[queue].reg_idx
        ixgbe_fdir_write_perfect_filter_82599(adapter.hw, f.filter, f.sw_idx, queue)


def ixgbe_configure_pb(adapter: IxgbeAdapter) -> None:
    fdir = adapter.flags & (FLAG_FDIR_HASH_CAPABLE | FLAG_FDIR_PERFECT_CAPABLE)
    ixgbe_set_rxpba_generic(adapter.hw, 32 << adapter.fdir_pballoc if fdir else 0)
    ixgbe_pbthresh_setup(adapter)


def ixgbe_configure(adapter: IxgbeAdapter) -> None:
    hw = adapter.hw
    ixgbe_configure_pb(adapter)
    ixgbe_set_rx_mode(adapter.netdev)
    ixgbe_restore_vlan(adapter)
    ixgbe_disable_rx_buff_generic(hw)
    if adapter.flags & FLAG_FDIR_HASH_CAPABLE:
        ixgbe_init_fdir_signature_82599(hw, adapter.fdir_pballoc)
    elif adapter.flags & FLAG_FDIR_PERFECT_CAPABLE:
        ixgbe_init_fdir_perfect_82599(hw, adapter.fdir_pballoc, adapter.old_release)
        ixgbe_fdir_filter_restore(adapter)
    ixgbe_enable_rx_buff_generic(hw)
    if adapter.flags & FLAG_DCA_CAPABLE:
        ixgbe_setup_dca(adapter)
    ixgbe_configure_tx(adapter)
    ixgbe_configure_rx(adapter)


# --- up, down, reset --------------------------------------------------------------------------------------------


def ixgbe_setup_gpie(adapter: IxgbeAdapter) -> None:
    hw = adapter.hw
    gpie = 0
    if adapter.flags & FLAG_MSIX_ENABLED:
        gpie = r.GPIE_MSIX_MODE | r.GPIE_PBA_SUPPORT | r.GPIE_OCD | r.GPIE_EIAME
        hw.write(r.EIAM_EX(0), M32)
        hw.write(r.EIAM_EX(1), M32)
    else:
        hw.write(r.EIAM, r.EICR_RTX_QUEUE)
    if hw.mac_type == MAC_82599EB:
        gpie |= 0x00000006
    hw.write(r.GPIE, gpie)


def ixgbe_get_hw_control(adapter: IxgbeAdapter) -> None:
    hw = adapter.hw
    hw.write(r.CTRL_EXT, hw.read(r.CTRL_EXT) | r.CTRL_EXT_DRV_LOAD)


def ixgbe_release_hw_control(adapter: IxgbeAdapter) -> None:
    hw = adapter.hw
    hw.write(r.CTRL_EXT, hw.read(r.CTRL_EXT) & ~r.CTRL_EXT_DRV_LOAD)


def ixgbe_non_sfp_link_config(adapter: IxgbeAdapter) -> None:
    """Advertise everything that MAC and PHY can do, or what the user chose."""
    hw = adapter.hw
    _speed, _up = ixgbe_check_mac_link_generic(hw)
    speeds = hw.autoneg_advertised
    if not speeds:
        if hw.copper():
            speeds = list(ixgbe_get_copper_link_capabilities_generic(hw))
        else:
            speeds = [SPEED_10GB, SPEED_1GB]
    ixgbe_setup_link(hw, speeds)


def ixgbe_up_complete(adapter: IxgbeAdapter) -> None:
    hw = adapter.hw
    ixgbe_get_hw_control(adapter)
    ixgbe_setup_gpie(adapter)
    if adapter.flags & FLAG_MSIX_ENABLED:
        ixgbe_configure_msix(adapter)
    else:
        ixgbe_configure_msi_and_legacy(adapter)
    ixgbe_set_copper_phy_power(hw, True)
    adapter.state &= ~STATE_DOWN
    for q_vector in adapter.q_vector:
        napi_enable(q_vector.napi)
    try:
        ixgbe_non_sfp_link_config(adapter)
    except OSError as e:
        adapter.e_err("link_config FAILED %d" % -(e.errno or EIO))
    hw.read(r.EICR)
    ixgbe_irq_enable(adapter, True, True)
    adapter.flags |= FLAG_NEED_LINK_UPDATE
    now = adapter.pdev.kernel.jiffies()
    adapter.link_check_timeout = now
    assert adapter.service_timer is not None
    adapter.service_timer.mod_timer(now)
    hw.write(r.CTRL_EXT, hw.read(r.CTRL_EXT) | r.CTRL_EXT_PFRSTD)
    if adapter.old_release:
        for i in range(adapter.num_tx_queues):
            netif_tx_start_queue(adapter.netdev.tx_queues[i])


def ixgbe_up(adapter: IxgbeAdapter) -> None:
    ixgbe_configure(adapter)
    ixgbe_up_complete(adapter)


def ixgbe_mac_set_default_filter(adapter: IxgbeAdapter) -> None:
    ixgbe_set_rar_generic(adapter.hw, 0, adapter.hw.mac_addr)


def ixgbe_reset(adapter: IxgbeAdapter) -> None:
    """Bring the chip into a known state."""
    try:
        ixgbe_init_hw_generic(adapter.hw)
    except OSError as e:
        adapter.pdev.err("Hardware Error: %d" % -(e.errno or EIO))
    adapter.uc_rars = 0
    ixgbe_mac_set_default_filter(adapter)
    ixgbe_set_copper_phy_power(adapter.hw, adapter.running() or bool(adapter.wol))


def ixgbe_disable_rx(adapter: IxgbeAdapter) -> None:
    hw = adapter.hw
    ixgbe_disable_rx_generic(hw)
    for ring in adapter.rx_ring:
        v = hw.read(r.RXDCTL(ring.reg_idx)) & ~r.RXDCTL_ENABLE | r.RXDCTL_SWFLSH
        hw.write(r.RXDCTL(ring.reg_idx), v)
    for _ in range(10):
        usleep_range(hw.kernel, 100, 110)
        if not any(hw.read(r.RXDCTL(ring.reg_idx)) & r.RXDCTL_ENABLE for ring in adapter.rx_ring):
            return
    adapter.e_err("RXDCTL.ENABLE for one or more queues not cleared within the polling period")


def ixgbe_disable_tx(adapter: IxgbeAdapter) -> None:
    hw = adapter.hw
    for ring in adapter.tx_ring:
        hw.write(r.TXDCTL(ring.reg_idx), r.TXDCTL_SWFLSH)
    if hw.read(r.LINKS) & r.LINKS_UP:
        for _ in range(10):
            usleep_range(hw.kernel, 100, 110)
            if not any(hw.read(r.TXDCTL(ring.reg_idx)) & r.TXDCTL_ENABLE for ring in adapter.tx_ring):
                break
        else:
            adapter.e_err("TXDCTL.ENABLE for one or more queues not cleared within the polling period")
    hw.write(r.DMATXCTL, hw.read(r.DMATXCTL) & ~r.DMATXCTL_TE)


def ixgbe_down(adapter: IxgbeAdapter) -> None:
    """Stop the chip and reset it; buffers are taken back."""
    if adapter.state & STATE_DOWN:
        return
    adapter.state |= STATE_DOWN
    netdev = adapter.netdev
    for i in range(adapter.num_tx_queues):
        netif_tx_stop_queue(netdev.tx_queues[i])
    netif_carrier_off(netdev)
    ixgbe_disable_rx(adapter)
    ixgbe_irq_disable(adapter)
    for q_vector in adapter.q_vector:
        napi_disable(q_vector.napi)
    adapter.state &= ~STATE_RESET_REQUESTED
    adapter.flags2 &= ~FLAG2_FDIR_REQUIRES_REINIT
    adapter.flags &= ~FLAG_NEED_LINK_UPDATE
    if adapter.service_timer is not None:
        adapter.service_timer.del_timer()
    ixgbe_disable_tx(adapter)
    ixgbe_reset(adapter)
    for ring in adapter.tx_ring:
        ixgbe_clean_tx_ring(ring)
    for ring in adapter.rx_ring:
        ixgbe_clean_rx_ring(ring)


def begin_reset(adapter: IxgbeAdapter) -> None:
    """Take the RESETTING bit, waiting for whoever holds it."""
    for _ in range(10000):
        if not adapter.state & STATE_RESETTING:
            break
        usleep_range(adapter.pdev.kernel, 1000, 2000)
    adapter.state |= STATE_RESETTING


def ixgbe_reinit_locked(adapter: IxgbeAdapter) -> None:
    begin_reset(adapter)
    try:
        ixgbe_down(adapter)
        ixgbe_up(adapter)
    finally:
        adapter.state &= ~STATE_RESETTING


def ixgbe_do_reset(netdev: IxgbeNetDevice) -> None:
    """Into effect with a reset, running or not."""
    adapter = netdev.priv()
    if netdev.running():
        ixgbe_reinit_locked(adapter)
    else:
        ixgbe_reset(adapter)


# --- open and close ---------------------------------------------------------------------------------------------


def ixgbe_open(netdev: IxgbeNetDevice) -> None:
    """ndo_open.  Raises OSError with everything undone."""
    adapter = netdev.priv()
    if adapter.state & STATE_TESTING:
        raise linux_error(EBUSY, netdev.name)
    adapter.opening = True
    netif_carrier_off(netdev)
    try:
        try:
            ixgbe_setup_all_tx_resources(adapter)
            ixgbe_setup_all_rx_resources(adapter)
            ixgbe_configure(adapter)
            ixgbe_request_irq(adapter)
            try:
                netif_set_real_num_tx_queues(netdev, adapter.num_tx_queues)
                netif_set_real_num_rx_queues(netdev, adapter.num_rx_queues)
            except OSError:
                ixgbe_free_irq(adapter)
                raise
        except OSError:
            # DMA off before the rings go: Linux relies on the reset below, which comes after
            ixgbe_disable_rx(adapter)
            ixgbe_disable_tx(adapter)
            ixgbe_free_all_rx_resources(adapter)
            if not adapter.wol:
                ixgbe_set_copper_phy_power(adapter.hw, False)
            ixgbe_free_all_tx_resources(adapter)
            ixgbe_reset(adapter)
            raise
        if not adapter.old_release:
            adapter.pdev.info("registered PHC device on %s" % netdev.name)
        ixgbe_up_complete(adapter)
    finally:
        adapter.opening = False


def ixgbe_close_suspend(adapter: IxgbeAdapter) -> None:
    ixgbe_down(adapter)
    ixgbe_free_irq(adapter)
    ixgbe_free_all_tx_resources(adapter)
    ixgbe_free_all_rx_resources(adapter)


def ixgbe_close(netdev: IxgbeNetDevice) -> None:
    adapter = netdev.priv()
    if not adapter.old_release:
        adapter.pdev.info("removed PHC on %s" % netdev.name)
    if netdev.present:
        ixgbe_close_suspend(adapter)
    adapter.fdir_filters = []  # ixgbe_fdir_filter_exit
    ixgbe_release_hw_control(adapter)


def ixgbe_setup_tc(netdev: IxgbeNetDevice) -> None:
    """Queues and vectors anew (no traffic classes here: what remains of it is ethtool -L).  Raises OSError."""
    adapter = netdev.priv()
    running = netdev.running()
    if running:
        ixgbe_close(netdev)
    else:
        ixgbe_reset(adapter)
    ixgbe_clear_interrupt_scheme(adapter)
    ixgbe_init_interrupt_scheme(adapter)
    if running:
        ixgbe_open(netdev)


def ixgbe_set_mac(netdev: IxgbeNetDevice, addr: bytes) -> None:
    """Raises OSError(EADDRNOTAVAIL) for a group or zero address."""
    if not is_valid_ether_addr(addr):
        raise linux_error(EADDRNOTAVAIL, netdev.name)
    adapter = netdev.priv()
    netdev.dev_addr = bytes(addr)
    adapter.hw.mac_addr = netdev.dev_addr
    ixgbe_mac_set_default_filter(adapter)


def ixgbe_change_mtu(netdev: IxgbeNetDevice, new_mtu: int) -> None:
    netdev.mtu = new_mtu
    if netdev.running():
        ixgbe_reinit_locked(netdev.priv())


# --- statistics -------------------------------------------------------------------------------------------------


def ixgbe_update_stats(adapter: IxgbeAdapter) -> None:
    """Add up the rings' counters and those that a read clears."""
    if adapter.state & (STATE_DOWN | STATE_RESETTING):
        return
    if adapter.flags2 & FLAG2_RSC_ENABLED:
        adapter.rsc_total_count = sum(x.rsc_count for x in adapter.rx_ring)
        adapter.rsc_total_flush = sum(x.rsc_flush for x in adapter.rx_ring)
    rx, tx = adapter.rx_ring, adapter.tx_ring
    adapter.non_eop_descs = sum(x.non_eop_descs for x in rx)
    adapter.alloc_rx_page = sum(x.alloc_rx_page for x in rx)
    adapter.alloc_rx_page_failed = sum(x.alloc_rx_page_failed for x in rx)
    adapter.alloc_rx_buff_failed = sum(x.alloc_rx_buff_failed for x in rx)
    adapter.hw_csum_rx_error = sum(x.csum_err for x in rx)
    adapter.rx_packets = sum(x.packets for x in rx)
    adapter.rx_bytes = sum(x.bytes for x in rx)
    adapter.restart_queue = sum(x.restart_queue for x in tx)
    adapter.tx_busy = sum(x.tx_busy for x in tx)
    adapter.tx_packets = sum(x.packets for x in tx)
    adapter.tx_bytes = sum(x.bytes for x in tx)
    rd = adapter.hw.read
    at = r.STAT_AT
    s = adapter.stats
    s.crcerrs += rd(at["CRCERRS"])
    missed = 0
    for i in range(8):
        mpc = rd(r.MPC(i))
        missed += mpc
        s.mpc[i] += mpc
        s.pxontxc[i] += rd(r.PXONTXC(i))
        s.pxofftxc[i] += rd(r.PXOFFTXC(i))
        s.pxonrxc[i] += rd(r.PXONRXCNT(i))
    for i in range(16):
        s.qptc[i] += rd(r.QPTC(i))
        s.qprc[i] += rd(r.QPRC(i))
        s.qbtc[i] += rd(r.QBTC_L(i))
        rd(r.QBTC_H(i))
        s.qbrc[i] += rd(r.QBRC_L(i))
        rd(r.QBRC_H(i))
    s.gprc += rd(at["GPRC"]) - missed  # the chip counts what it missed as received, too
    s.lxoffrxc += rd(at["LXOFFRXCNT"])
    if adapter.hw.mac_type == MAC_X540:
        s.o2bgptc += rd(at["O2BGPTC"])
        s.o2bspc += rd(at["O2BSPC"])
        s.b2ospc += rd(at["B2OSPC"])
        s.b2ogprc += rd(at["B2OGPRC"])
    for i in range(16):
        adapter.hw_rx_no_dma_resources += rd(r.QPRDC(i))
    s.gorc += rd(at["GORC"])
    rd(at["GORC"] + 4)
    s.gotc += rd(at["GOTC"])
    rd(at["GOTC"] + 4)
    s.tor += rd(at["TOR"])
    rd(at["TOR"] + 4)
    s.lxonrxc += rd(at["LXONRXCNT"])
    s.fdirmatch += rd(at["FDIRMATCH"])
    s.fdirmiss += rd(at["FDIRMISS"])
    s.bprc += rd(at["BPRC"])
    s.mprc += rd(at["MPRC"])
    s.roc += rd(at["ROC"])
    s.prc64 += rd(at["PRC64"])
    s.prc127 += rd(at["PRC127"])
    s.prc255 += rd(at["PRC255"])
    s.prc511 += rd(at["PRC511"])
    s.prc1023 += rd(at["PRC1023"])
    s.prc1522 += rd(at["PRC1522"])
    s.rlec += rd(at["RLEC"])
    lxon = rd(at["LXONTXC"])
    s.lxontxc += lxon
    lxoff = rd(at["LXOFFTXC"])
    s.lxofftxc += lxoff
    xon_off = lxon + lxoff
    s.gptc += rd(at["GPTC"]) - xon_off
    s.mptc += rd(at["MPTC"]) - xon_off
    s.gotc -= xon_off * (ETH_ZLEN + ETH_FCS_LEN)
    s.ruc += rd(at["RUC"])
    s.rfc += rd(at["RFC"])
    s.rjc += rd(at["RJC"])
    s.tpr += rd(at["TPR"])
    s.ptc64 += rd(at["PTC64"]) - xon_off
    s.ptc127 += rd(at["PTC127"])
    s.ptc255 += rd(at["PTC255"])
    s.ptc511 += rd(at["PTC511"])
    s.ptc1023 += rd(at["PTC1023"])
    s.ptc1522 += rd(at["PTC1522"])
    s.bptc += rd(at["BPTC"])
    adapter.multicast = s.mprc
    adapter.rx_errors = s.crcerrs + s.rlec
    adapter.rx_length_errors = s.rlec
    adapter.rx_crc_errors = s.crcerrs
    adapter.rx_missed_errors = sum(s.mpc)


def ixgbe_get_stats64(netdev: IxgbeNetDevice, s: RtnlLinkStats64) -> None:
    """Packets and bytes of the rings as they stand; the rest as of the last service."""
    adapter = netdev.priv()
    s.rx_packets = sum(x.packets for x in adapter.rx_ring)
    s.rx_bytes = sum(x.bytes for x in adapter.rx_ring)
    s.tx_packets = sum(x.packets for x in adapter.tx_ring)
    s.tx_bytes = sum(x.bytes for x in adapter.tx_ring)
    s.multicast = adapter.multicast
    s.rx_errors = adapter.rx_errors
    s.rx_length_errors = adapter.rx_length_errors
    s.rx_crc_errors = adapter.rx_crc_errors
    s.rx_missed_errors = adapter.rx_missed_errors


# --- the service task -------------------------------------------------------------------------------------------


def ixgbe_service_event_schedule(adapter: IxgbeAdapter) -> None:
    if adapter.state & (STATE_DOWN | STATE_REMOVING | STATE_SERVICE_SCHED) or adapter.service_task is None:
        return
    adapter.state |= STATE_SERVICE_SCHED
    adapter.pdev.kernel.workqueue.schedule_work(adapter.service_task)


def ixgbe_service_timer(adapter: IxgbeAdapter) -> None:
    """Every two seconds, ten times a second while waiting for the link."""
    kernel = adapter.pdev.kernel
    hz = kernel.hz
    assert adapter.service_timer is not None
    adapter.service_timer.mod_timer(kernel.jiffies() + (hz // 10 if adapter.flags & FLAG_NEED_LINK_UPDATE else hz * 2))
    ixgbe_service_event_schedule(adapter)


def ixgbe_service_task(adapter: IxgbeAdapter) -> None:
    ixgbe_reset_subtask(adapter)
    ixgbe_watchdog_subtask(adapter)
    ixgbe_fdir_reinit_subtask(adapter)
    ixgbe_check_hang_subtask(adapter)
    adapter.state &= ~STATE_SERVICE_SCHED


def ixgbe_reset_subtask(adapter: IxgbeAdapter) -> None:
    if not adapter.state & STATE_RESET_REQUESTED:
        return
    adapter.state &= ~STATE_RESET_REQUESTED
    if adapter.state & (STATE_DOWN | STATE_REMOVING | STATE_RESETTING):
        return
    adapter.e_err("Reset adapter")
    adapter.tx_timeout_count += 1
    ixgbe_reinit_locked(adapter)


def ixgbe_watchdog_subtask(adapter: IxgbeAdapter) -> None:
    if adapter.state & (STATE_DOWN | STATE_REMOVING | STATE_RESETTING):
        return
    ixgbe_watchdog_update_link(adapter)
    if adapter.link_up:
        ixgbe_watchdog_link_is_up(adapter)
    else:
        ixgbe_watchdog_link_is_down(adapter)
    ixgbe_update_stats(adapter)
    ixgbe_watchdog_flush_tx(adapter)


def ixgbe_watchdog_update_link(adapter: IxgbeAdapter) -> None:
    if not adapter.flags & FLAG_NEED_LINK_UPDATE:
        return
    hw = adapter.hw
    kernel = adapter.pdev.kernel
    speed, up = ixgbe_check_mac_link_generic(hw)
    if up:
        try:
            ixgbe_fc_enable_generic(hw)
        except OSError:
            pass
        ixgbe_set_rx_drop_en(adapter)
    if up or kernel.jiffies() > adapter.link_check_timeout + IXGBE_TRY_LINK_TIMEOUT * kernel.hz:
        adapter.flags &= ~FLAG_NEED_LINK_UPDATE
        hw.write(r.EIMS, r.EICR_LSC)
        hw.flush()
    adapter.link_up = up
    adapter.link_speed = speed


def ixgbe_watchdog_link_is_up(adapter: IxgbeAdapter) -> None:
    netdev = adapter.netdev
    if netdev.carrier_ok:
        return
    hw = adapter.hw
    rx = hw.read(r.MFLCN) & r.MFLCN_RFCE
    tx = hw.read(r.FCCFG) & r.FCCFG_TFCE_802_3X
    speed = {10000: "10 Gbps", 1000: "1 Gbps", 100: "100 Mbps"}.get(adapter.link_speed, "unknown speed")
    adapter.e_info(
        "NIC Link is Up %s, Flow Control: %s"
        % (speed, "RX/TX" if rx and tx else "RX" if rx else "TX" if tx else "None")
    )
    netif_carrier_on(netdev)
    for i in range(adapter.num_tx_queues):
        netif_tx_wake_queue(netdev.tx_queues[i])


def ixgbe_watchdog_link_is_down(adapter: IxgbeAdapter) -> None:
    adapter.link_up = False
    adapter.link_speed = 0
    if not adapter.netdev.carrier_ok:
        return
    adapter.e_info("NIC Link is Down")
    netif_carrier_off(adapter.netdev)


def ixgbe_watchdog_flush_tx(adapter: IxgbeAdapter) -> None:
    """Link gone with frames in the ring: reset, so that they go."""
    if adapter.netdev.carrier_ok:
        return
    if any(x.next_to_use != x.next_to_clean for x in adapter.tx_ring):
        adapter.e_warn("initiating reset to clear Tx work after link loss")
        adapter.state |= STATE_RESET_REQUESTED


def ixgbe_fdir_reinit_subtask(adapter: IxgbeAdapter) -> None:
    if not adapter.flags2 & FLAG2_FDIR_REQUIRES_REINIT:
        return
    adapter.flags2 &= ~FLAG2_FDIR_REQUIRES_REINIT
    if adapter.state & STATE_DOWN or not adapter.flags & FLAG_FDIR_HASH_CAPABLE:
        return
    adapter.fdir_overflow += 1
    try:
        ixgbe_reinit_fdir_tables_82599(adapter.hw)
    except OSError:
        adapter.e_err("failed to finish FDIR re-initialization, ignored adding FDIR ATR filters")
        return
    for ring in adapter.tx_ring:
        ring.fdir_init_done = True
    adapter.hw.write(r.EIMS, r.EICR_FLOW_DIR)


def ixgbe_check_hang_subtask(adapter: IxgbeAdapter) -> None:
    """Arm hang detection, and a software interrupt on every vector so that no ring is forgotten."""
    if adapter.state & (STATE_DOWN | STATE_REMOVING | STATE_RESETTING):
        return
    if adapter.netdev.carrier_ok:
        for ring in adapter.tx_ring:
            ring.check_hang = True
    eics = 0
    if not adapter.flags & FLAG_MSIX_ENABLED:
        adapter.hw.write(r.EICS, r.EICR_TCP_TIMER | r.EICR_OTHER)
    else:
        for q_vector in adapter.q_vector:
            if q_vector.rx.rings or q_vector.tx.rings:
                eics |= 1 << q_vector.v_idx
    ixgbe_irq_rearm_queues(adapter, eics)


# --- transmit ---------------------------------------------------------------------------------------------------


def __ixgbe_maybe_stop_tx(tx_ring: IxgbeRing, size: int) -> int:
    q = tx_ring.netdev.tx_queues[tx_ring.queue_index]
    netif_tx_stop_queue(q)
    if tx_ring.unused() < size:
        return -EBUSY
    netif_tx_start_queue(q)
    tx_ring.restart_queue += 1
    return 0


def ixgbe_maybe_stop_tx(tx_ring: IxgbeRing, size: int) -> int:
    """0 when `size` descriptors are free; else the queue is stopped and -EBUSY."""
    if tx_ring.unused() >= size:
        return 0
    return __ixgbe_maybe_stop_tx(tx_ring, size)


def ixgbe_tx_ctxtdesc(tx_ring: IxgbeRing, lens: int, tucmd: int, mss_l4len: int) -> None:
    """Put an offload context into the next transmit descriptor."""
    i = tx_ring.next_to_use
    tx_ring.next_to_use = i + 1 if i + 1 < tx_ring.count else 0
    _CTXD.pack_into(tx_ring.view, i << 4, lens, 0, tucmd | r.TXD_CMD_DEXT | r.ADVTXD_DTYP_CTXT, mss_l4len)


def ixgbe_atr(ring: IxgbeRing, skb: SkBuff) -> None:
    """Application targeted routing: a sample of what is sent by TCP brings the answers in on the same queue."""
    ring.atr_count += 1
    at = skb.network_header
    head = skb.head
    if skb.protocol != ETH_P_IP or skb.tail < at + 40 or head[at + 9] != 6:
        return
    th = at + (head[at] & 15) * 4
    if skb.tail < th + 20 or head[th + 13] & 0x01:
        return  # FIN: the flow is about to end
    if not head[th + 13] & 0x02 and ring.atr_count < ring.atr_sample_rate:
        return
    ring.atr_count = 0
    source, dest = struct.unpack_from(">HH", head, th)
    saddr, daddr = struct.unpack_from(">II", head, at + 12)
    vlan = skb.vlan_tci if skb.vlan_present else 0
    # as the receiver will see it: ports turned round, the ethertype in the word of the source port
    common = (dest ^ (ETH_P_8021Q if skb.vlan_present else ETH_P_IP)) << 16 ^ source ^ saddr ^ daddr
    ixgbe_fdir_add_signature_filter_82599(ring.adapter.hw, ATR_FLOW_TYPE_TCPV4, vlan, common, ring.queue_index)


def ixgbe_xmit_frame(skb: SkBuff, netdev: IxgbeNetDevice, txq: NetdevQueue) -> int:
    """ndo_start_xmit: short frames are padded to what the chip takes."""
    adapter = netdev.priv()
    if adapter.state & STATE_DOWN:
        kfree_skb_reason(skb, SITE_TX_DOWN)
        return NETDEV_TX_OK
    return ixgbe_xmit_frame_ring(skb, adapter, adapter.tx_ring[txq.index])


def ixgbe_xmit_frame_ring(skb: SkBuff, adapter: IxgbeAdapter, tx_ring: IxgbeRing) -> int:
    """Offload context, mapping, descriptors, tail."""
    data = skb.tobytes()
    if len(data) < 17:
        data += bytes(17 - len(data))
    count = (len(data) + IXGBE_MAX_DATA_PER_TXD - 1) // IXGBE_MAX_DATA_PER_TXD
    if ixgbe_maybe_stop_tx(tx_ring, count + 3):
        tx_ring.tx_busy += 1
        return NETDEV_TX_BUSY
    start = tx_ring.next_to_use
    first = tx_ring.tx[start]
    first.bytecount = skb.len
    first.gso_segs = 1
    netdev = adapter.netdev
    cmd = r.ADVTXD_DTYP_DATA | r.TXD_CMD_DEXT | r.TXD_CMD_IFCS
    olinfo = 0
    vlan = 0
    if skb.vlan_present:
        vlan = skb.vlan_tci << r.ADVTXD_VLAN_SHIFT
        cmd |= r.TXD_CMD_VLE
    hdr_len = 0
    if skb.ip_summed == CHECKSUM_PARTIAL and skb.gso_size:
        data, hdr_len = netdev.tso(tx_ring, first, skb, data, vlan)
        cmd |= r.ADVTXD_DCMD_TSE
        olinfo |= r.TXD_POPTS_TXSM
        if skb.protocol == ETH_P_IP:
            olinfo |= r.TXD_POPTS_IXSM
    elif netdev.tx_csum(tx_ring, skb, data, vlan):
        olinfo |= r.TXD_POPTS_TXSM
    if tx_ring.fdir_init_done and tx_ring.atr_sample_rate:
        ixgbe_atr(tx_ring, skb)
    # ixgbe_tx_map
    mem = adapter.pdev.kernel.memory
    olinfo |= (len(data) - hdr_len) << r.ADVTXD_PAYLEN_SHIFT
    i = tx_ring.next_to_use
    used: list[int] = []
    offset = 0
    try:
        while offset < len(data):
            size = min(len(data) - offset, IXGBE_MAX_DATA_PER_TXD)
            info = tx_ring.tx[i]
            b = mem.alloc(2048 if size <= 2048 else (size + PAGE_SIZE - 1) // PAGE_SIZE * PAGE_SIZE)
            info.buf = b
            used.append(i)
            b.view[:size] = data[offset : offset + size]
            info.dma = dma_map_page_attrs(mem, b, 0, size, DMA_TO_DEVICE)
            info.length = size
            offset += size
            low = cmd | size
            if offset == len(data):
                low |= r.TXD_CMD_EOP | r.TXD_CMD_RS
            _TXD.pack_into(tx_ring.view, i << 4, info.dma, low, olinfo if len(used) == 1 else 0)
            i += 1
            if i == tx_ring.count:
                i = 0
    except (OSError, DmaFault):
        adapter.pdev.err("TX DMA map failed")
        for k in used:
            ixgbe_unmap_tx(tx_ring, tx_ring.tx[k])
        kfree_skb_reason(skb, SITE_TX_DMA)
        tx_ring.next_to_use = start
        return NETDEV_TX_OK
    first.skb = skb
    first.time_stamp = adapter.pdev.kernel.jiffies()
    skb_clone_tx_timestamp(skb)
    if skb.txstamp is not None:  # skb_tx_timestamp
        skb_tstamp_tx(skb)
    first.next_to_watch = used[-1]
    tx_ring.next_to_use = i
    ixgbe_maybe_stop_tx(tx_ring, DESC_NEEDED)
    adapter.pdev.model.mmio_write(0, tx_ring.tail, 4, i)
    return NETDEV_TX_OK


def ixgbe_tx_timeout(netdev: IxgbeNetDevice, txqueue: int) -> None:
    ixgbe_tx_timeout_reset(netdev.priv())


# --- features ---------------------------------------------------------------------------------------------------


def ixgbe_fix_features(netdev: IxgbeNetDevice, features: int) -> int:
    """Coalescing in hardware needs checksums and a chip that can."""
    if not features & NETIF_F_RXCSUM:
        features &= ~NETIF_F_LRO
    if not netdev.priv().flags2 & FLAG2_RSC_CAPABLE:
        features &= ~NETIF_F_LRO
    return features


def ixgbe_set_features(netdev: IxgbeNetDevice, features: int) -> None:
    adapter = netdev.priv()
    changed = netdev.features ^ features
    need_reset = False
    if not features & NETIF_F_LRO:
        need_reset = bool(adapter.flags2 & FLAG2_RSC_ENABLED)
        adapter.flags2 &= ~FLAG2_RSC_ENABLED
    elif adapter.flags2 & FLAG2_RSC_CAPABLE and not adapter.flags2 & FLAG2_RSC_ENABLED:
        if adapter.rx_itr_setting == 1 or adapter.rx_itr_setting > IXGBE_MIN_RSC_ITR:
            adapter.flags2 |= FLAG2_RSC_ENABLED
            need_reset = True
        elif (changed ^ features) & NETIF_F_LRO:
            adapter.e_info("rx-usecs set too low, disabling RSC")
    if features & (NETIF_F_NTUPLE | NETIF_F_HW_TC):
        if not adapter.flags & FLAG_FDIR_PERFECT_CAPABLE:
            need_reset = True
        adapter.flags &= ~FLAG_FDIR_HASH_CAPABLE
        adapter.flags |= FLAG_FDIR_PERFECT_CAPABLE
    else:
        if adapter.flags & FLAG_FDIR_PERFECT_CAPABLE:
            need_reset = True
        adapter.flags &= ~FLAG_FDIR_PERFECT_CAPABLE
        if adapter.rss.limit > 1 and adapter.atr_sample_rate:
            adapter.flags |= FLAG_FDIR_HASH_CAPABLE
    if changed & NETIF_F_RXALL:
        need_reset = True
    netdev.features = features
    if need_reset:
        ixgbe_do_reset(netdev)
    elif changed & (NETIF_F_HW_VLAN_CTAG_RX | NETIF_F_HW_VLAN_CTAG_FILTER):
        ixgbe_set_rx_mode(netdev)


# --- ioctl --------------------------------------------------------------------------------------------------

SIOCGMIIPHY: Final = 0x8947
SIOCGMIIREG: Final = 0x8948
SIOCSMIIREG: Final = 0x8949
SIOCSHWTSTAMP: Final = 0x89B0
SIOCGHWTSTAMP: Final = 0x89B1
MDIO_PHY_ID_C45: Final = 0x8000


def ixgbe_ioctl(netdev: IxgbeNetDevice, cmd: int, ifr: bytearray) -> None:
    """The PHY's address and its clause 45 registers on `struct mii_ioctl_data` (four 16-bit words at offset 16);
    `struct hwtstamp_config` (three 32-bit words there).  Raises OSError: EOPNOTSUPP, EINVAL, ENOTSUP (stamps).
    """
    hw = netdev.priv().hw
    if cmd not in (SIOCGMIIPHY, SIOCGMIIREG, SIOCSMIIREG, SIOCSHWTSTAMP, SIOCGHWTSTAMP):
        raise linux_error(EOPNOTSUPP, netdev.name)
    if len(ifr) < 28:
        raise linux_error(EINVAL, netdev.name)
    if cmd == SIOCGHWTSTAMP:
        struct.pack_into("<III", ifr, 16, 0, 0, 0)
        return
    if cmd == SIOCSHWTSTAMP:
        if struct.unpack_from("<III", ifr, 16) != (0, 0, 0):
            raise OSError(ENOTSUP, "ixgbe: hardware time stamps of frames are not modelled")
        return
    if not hw.copper():
        raise linux_error(EOPNOTSUPP, netdev.name)
    if cmd == SIOCGMIIPHY:
        struct.pack_into("<H", ifr, 16, hw.phy_addr)
        return
    phy, reg, value, _out = struct.unpack_from("<HHHH", ifr, 16)
    if not phy & MDIO_PHY_ID_C45 or phy >> 5 & 0x1F != hw.phy_addr:
        raise linux_error(EINVAL, netdev.name)
    if cmd == SIOCGMIIREG:
        struct.pack_into("<H", ifr, 22, ixgbe_read_phy_reg_generic(hw, reg, phy & 0x1F))
    else:
        ixgbe_write_phy_reg_generic(hw, reg, phy & 0x1F, value)


# --- power and recovery -----------------------------------------------------------------------------------------


def __ixgbe_shutdown(pdev: PciDev) -> bool:
    """Quiesce and give interrupts back; returns whether a packet may wake the machine."""
    netdev = _netdev_of(pdev)
    adapter = netdev.priv()
    hw = adapter.hw
    netdev.present = False
    if netdev.running():
        ixgbe_close_suspend(adapter)
    ixgbe_clear_interrupt_scheme(adapter)
    if adapter.wol:
        hw.write(r.WUFC, adapter.wol)
        hw.write(r.CTRL, hw.read(r.CTRL) | r.CTRL_GIO_DIS)
    else:
        hw.write(r.WUC, 0)
        hw.write(r.WUFC, 0)
        ixgbe_set_copper_phy_power(hw, False)
    pci_wake_from_d3(pdev, bool(adapter.wol))
    ixgbe_release_hw_control(adapter)
    if not adapter.state & STATE_DISABLED:
        adapter.state |= STATE_DISABLED
        pci_disable_device(pdev)
    return bool(adapter.wol)


def ixgbe_suspend(pdev: PciDev) -> None:
    __ixgbe_shutdown(pdev)


def ixgbe_resume(pdev: PciDev) -> None:
    netdev = _netdev_of(pdev)
    adapter = netdev.priv()
    try:
        pci_enable_device_mem(pdev)
    except OSError:
        pdev.err("Cannot enable PCI device from suspend")
        raise
    adapter.state &= ~STATE_DISABLED
    pci_set_master(pdev)
    pci_wake_from_d3(pdev, False)
    ixgbe_reset(adapter)
    adapter.hw.write(r.WUS, M32)
    ixgbe_init_interrupt_scheme(adapter)
    if netdev.running():
        ixgbe_open(netdev)
    netdev.present = True


def ixgbe_shutdown(pdev: PciDev) -> None:
    __ixgbe_shutdown(pdev)


class IxgbeErrHandler(PciErrorHandlers):
    """ixgbe_err_handler."""

    __slots__ = ()

    def error_detected(self, pdev: PciDev, state: int) -> int:
        return ixgbe_io_error_detected(pdev, state)

    def slot_reset(self, pdev: PciDev) -> int:
        return ixgbe_io_slot_reset(pdev)

    def resume(self, pdev: PciDev) -> None:
        ixgbe_io_resume(pdev)


def ixgbe_io_error_detected(pdev: PciDev, state: int) -> int:
    netdev = _netdev_of(pdev)
    adapter = netdev.priv()
    if not adapter.state & STATE_SERVICE_INITED or not netdev.present:
        return PCI_ERS_RESULT_DISCONNECT
    netdev.present = False
    if netdev.running():
        ixgbe_close_suspend(adapter)
    if state == PCI_CHANNEL_IO_PERM_FAILURE:
        return PCI_ERS_RESULT_DISCONNECT
    if not adapter.state & STATE_DISABLED:
        adapter.state |= STATE_DISABLED
        pci_disable_device(pdev)
    return PCI_ERS_RESULT_NEED_RESET


def ixgbe_io_slot_reset(pdev: PciDev) -> int:
    adapter = _netdev_of(pdev).priv()
    try:
        pci_enable_device_mem(pdev)
    except OSError:
        adapter.e_err("Cannot re-enable PCI device after reset.")
        return PCI_ERS_RESULT_DISCONNECT
    adapter.state &= ~STATE_DISABLED
    pci_set_master(pdev)
    pdev.state_saved = True
    pci_restore_state(pdev)
    pci_save_state(pdev)
    pci_wake_from_d3(pdev, False)
    ixgbe_reset(adapter)
    adapter.hw.write(r.WUS, M32)
    return PCI_ERS_RESULT_RECOVERED


def ixgbe_io_resume(pdev: PciDev) -> None:
    netdev = _netdev_of(pdev)
    if netdev.running():
        ixgbe_open(netdev)
    netdev.present = True


def _netdev_of(pdev: PciDev) -> IxgbeNetDevice:
    dev = pdev.driver_data
    assert isinstance(dev, IxgbeNetDevice)
    return dev


# --- probe and remove -------------------------------------------------------------------------------------------


def ixgbe_sw_init(adapter: IxgbeAdapter) -> None:
    """Limits, defaults, hash key, EEPROM size."""
    online = adapter.online_cpus()
    adapter.rss.limit = min(IXGBE_MAX_RSS_INDICES, online)
    adapter.fdir.limit = min(IXGBE_MAX_FDIR_INDICES, online)
    adapter.flags2 |= FLAG2_RSC_CAPABLE
    if adapter.old_release:
        adapter.flags2 |= FLAG2_RSC_ENABLED
    adapter.flags |= FLAG_DCA_CAPABLE
    if adapter.pdev.kernel.release.rss_key_random:
        adapter.rss_key = netdev_rss_key_fill(adapter.net, 40)
    else:
        adapter.rss_key = b"".join(w.to_bytes(4, "little") for w in STATIC_RSS_KEY)
    adapter.hw.fc.disable_fc_autoneg = not adapter.hw.copper()
    ixgbe_pbthresh_setup(adapter)
    ixgbe_init_eeprom_params(adapter.hw)
    adapter.state |= STATE_DOWN


def ixgbe_probe(pdev: PciDev, ent: PciDeviceId, module: IxgbeModuleBase) -> None:
    """Bind to a port.  Raises OSError; what was done by then is undone in reverse order."""
    if ent.driver_data not in (MAC_82599EB, MAC_X540):
        raise linux_error(ENOTSUP, "ixgbe: %04x:%04x" % (pdev.vendor, pdev.device))
    undo: list[Callable[[], None]] = []
    pci_enable_device_mem(pdev)
    undo.append(lambda: pci_disable_device(pdev))
    try:
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
        netdev = IxgbeNetDevice(module.net_, pdev.name)
        hw = IxgbeHw(pdev, ent.driver_data)
        adapter = IxgbeAdapter(module, pdev, netdev, hw)
        netdev.adapter = adapter
        netdev.parent = pdev
        netdev.ethtool_ops = module.make_ethtool_ops(netdev)
        netdev.watchdog_timeo = 5
        hw.read(r.EEC)
        ixgbe_sw_init(adapter)
        if hw.mac_type == MAC_X540:
            ixgbe_init_swfw_sync_X540(hw)
        hw.write(r.WUS, M32)
        try:
            ixgbe_reset_hw(hw)
        except OSError as e:
            pdev.err("HW Init failed: %d" % -(e.errno or EIO))
            raise
        netdev.set_initial_features(adapter)
        good = False
        try:
            good = ixgbe_validate_eeprom_checksum(hw)
        except OSError:
            pass
        if not good:
            pdev.err("The EEPROM Checksum Is Not Valid")
            raise linux_error(EIO, "EEPROM checksum")
        netdev.dev_addr = netdev.perm_addr = hw.perm_addr
        if not is_valid_ether_addr(netdev.dev_addr):
            pdev.err("invalid MAC address")
            raise linux_error(EIO, "MAC address")
        hw.mac_addr = hw.perm_addr
        ixgbe_mac_set_default_filter(adapter)
        adapter.service_timer = TimerList(pdev.kernel, lambda: ixgbe_service_timer(adapter))
        adapter.service_task = Work(lambda: ixgbe_service_task(adapter))
        adapter.state |= STATE_SERVICE_INITED
        undo.append(lambda: ixgbe_clear_interrupt_scheme(adapter))
        ixgbe_init_interrupt_scheme(adapter)
        adapter.eeprom_cap = ixgbe_read_eeprom(hw, r.NVM_DEVICE_CAPS)
        adapter.wol = WUFC_MAG if adapter.eeprom_cap & 0xC in (0x4, 0x8) else 0
        pdev.wakeup_enabled = bool(adapter.wol)
        adapter.eeprom_id = "0x%08x" % ixgbe_get_etk_id(hw)
        try:
            pba = ixgbe_read_pba_string_generic(hw)
        except OSError:
            pba = "Unknown"
        pdev.info("MAC: %d, PHY: %d, PBA No: %s" % (hw.mac_type, hw.phy_type, pba))
        pdev.info(format_mac(netdev.dev_addr))
        ixgbe_start_hw(hw)
        pci_set_drvdata(pdev, netdev)
        undo.append(lambda: pci_set_drvdata(pdev, None))
        netdev.name = "eth%d"
        register_netdev(netdev)
        netif_carrier_off(netdev)
        if module.dca_provider:
            adapter.flags |= FLAG_DCA_ENABLED
            ixgbe_setup_dca(adapter)
        pdev.info("Intel(R) 10 Gigabit Network Connection")
    except OSError:
        for fn in reversed(undo):
            fn()
        raise


def ixgbe_remove(pdev: PciDev) -> None:
    netdev = _netdev_of(pdev)
    adapter = netdev.priv()
    adapter.state |= STATE_REMOVING
    if adapter.service_task is not None:
        pdev.kernel.workqueue.cancel_work(adapter.service_task)
    if adapter.flags & FLAG_DCA_ENABLED:
        adapter.flags &= ~FLAG_DCA_ENABLED
        adapter.hw.write(r.DCA_CTRL, 0x01)
    unregister_netdev(netdev)
    if adapter.service_timer is not None:
        adapter.service_timer.del_timer()
    ixgbe_clear_interrupt_scheme(adapter)
    ixgbe_release_hw_control(adapter)
    pci_release_mem_regions(pdev)
    pdev.info("complete")
    pci_disable_pcie_error_reporting(pdev)
    if not adapter.state & STATE_DISABLED:
        pci_disable_device(pdev)


class IxgbeModuleBase(Module):
    """What probe needs of the module (module.py)."""

    __slots__ = ("net_", "dca_provider")

    def __init__(self, params: dict[str, str] | None = None) -> None:
        super().__init__(DRIVER_NAME, params)
        self.net_: Net | None = None
        self.dca_provider = False

    def make_ethtool_ops(self, netdev: IxgbeNetDevice) -> EthtoolOps:
        raise NotImplementedError


class IxgbeNapi(NapiStruct):
    """The NAPI of one q_vector."""

    __slots__ = ("q_vector",)

    def __init__(self, net: Net, dev: NetDevice) -> None:
        super().__init__(net, dev)
        self.q_vector: IxgbeQVector | None = None

    def poll(self, budget: int) -> int:
        return ixgbe_poll(self, budget)


class IxgbeNetDevice(NetDevice):
    """The net device of a port; every operation is the function of main.py that Linux puts there."""

    __slots__ = ("adapter",)

    def __init__(self, net: Net, name: str) -> None:
        super().__init__(net, name, rxqs=MAX_TX_QUEUES, txqs=MAX_TX_QUEUES)
        self.adapter: IxgbeAdapter | None = None

    def priv(self) -> IxgbeAdapter:
        """netdev_priv."""
        a = self.adapter
        assert a is not None
        return a

    def new_napi(self) -> IxgbeNapi:
        return IxgbeNapi(self.net, self)

    def ndo_open(self) -> None:
        ixgbe_open(self)

    def ndo_stop(self) -> None:
        ixgbe_close(self)

    def ndo_start_xmit(self, skb: SkBuff, txq: NetdevQueue) -> int:
        return ixgbe_xmit_frame(skb, self, txq)

    def ndo_get_stats64(self, s: RtnlLinkStats64) -> None:
        ixgbe_get_stats64(self, s)

    def ndo_set_rx_mode(self) -> None:
        ixgbe_set_rx_mode(self)

    def ndo_set_mac_address(self, addr: bytes) -> None:
        ixgbe_set_mac(self, addr)

    def ndo_change_mtu(self, new_mtu: int) -> None:
        ixgbe_change_mtu(self, new_mtu)

    def ndo_do_ioctl(self, cmd: int, ifr: bytearray) -> None:
        ixgbe_ioctl(self, cmd, ifr)

    def ndo_tx_timeout(self, txqueue: int) -> None:
        ixgbe_tx_timeout(self, txqueue)

    def ndo_vlan_rx_add_vid(self, proto: int, vid: int) -> None:
        ixgbe_vlan_rx_add_vid(self, vid)

    def ndo_vlan_rx_kill_vid(self, proto: int, vid: int) -> None:
        ixgbe_vlan_rx_kill_vid(self, vid)

    def ndo_fix_features(self, features: int) -> int:
        return ixgbe_fix_features(self, features)

    def ndo_set_features(self, features: int) -> None:
        ixgbe_set_features(self, features)

    def rx_in_flight(self) -> int:
        """Wire frames that were written to the rings and not harvested, found by their buffers' tags."""
        a = self.adapter
        if a is None:
            return 0
        mem = a.pdev.kernel.memory
        n = 0
        for ring in a.rx_ring:
            for dma in ring.dma:
                if dma:
                    n += mem.frames_at(dma)
            for i in sorted(ring.pending):
                n += ring.pending[i].skb.tokens
        return n

    def tx_in_flight(self) -> int:
        """The machine's own frames that the device has and did not report as sent."""
        a = self.adapter
        if a is None:
            return 0
        return sum(1 for ring in a.tx_ring for b in ring.tx if b.skb is not None and b.skb.own)

    def rss_fields(self, adapter: IxgbeAdapter) -> int:
        """What MRQC hashes: addresses, TCP ports, and UDP ports when asked for."""
        v = r.MRQC_RSS_FIELD_IPV4 | r.MRQC_RSS_FIELD_IPV4_TCP | r.MRQC_RSS_FIELD_IPV6 | r.MRQC_RSS_FIELD_IPV6_TCP
        if adapter.flags2 & FLAG2_RSS_FIELD_IPV4_UDP:
            v |= r.MRQC_RSS_FIELD_IPV4_UDP
        if adapter.flags2 & FLAG2_RSS_FIELD_IPV6_UDP:
            v |= r.MRQC_RSS_FIELD_IPV6_UDP
        return v

    def set_initial_features(self, adapter: IxgbeAdapter) -> None:
        """What probe puts into features and hw_features."""
        f = NETIF_F_SG | NETIF_F_TSO | NETIF_F_TSO6 | NETIF_F_RXHASH | NETIF_F_RXCSUM | NETIF_F_HW_CSUM
        if not adapter.old_release:
            f |= NETIF_F_UDP_L4
        self.features |= f
        self.hw_features |= (
            f
            | NETIF_F_HW_VLAN_CTAG_FILTER
            | NETIF_F_HW_VLAN_CTAG_RX
            | NETIF_F_HW_VLAN_CTAG_TX
            | NETIF_F_RXALL
            | NETIF_F_NTUPLE
            | NETIF_F_LRO
        )
        if not adapter.old_release:
            self.hw_features |= NETIF_F_HW_TC
        self.features |= NETIF_F_HIGHDMA
        self.vlan_features |= self.features
        self.features |= NETIF_F_HW_VLAN_CTAG_FILTER | NETIF_F_HW_VLAN_CTAG_RX | NETIF_F_HW_VLAN_CTAG_TX
        if adapter.flags2 & FLAG2_RSC_ENABLED:
            self.features |= NETIF_F_LRO
        self.min_mtu = 68
        self.max_mtu = IXGBE_MAX_JUMBO_FRAME_SIZE - (ETH_HLEN + ETH_FCS_LEN)

    # --- what Linux's compiler inlines into its only callers --------------------------------------------------
    def tx_csum(self, tx_ring: IxgbeRing, skb: SkBuff, data: bytes, vlan: int) -> bool:
        """ixgbe_tx_csum: a context for the checksum, or for the VLAN tag alone; True when a checksum is due."""
        l3 = skb.network_header - skb.data
        partial = skb.ip_summed == CHECKSUM_PARTIAL
        if not partial and not skb.vlan_present:
            return False
        lens = vlan | max(l3, 14) << r.ADVTXD_MACLEN_SHIFT
        tucmd = 0
        if partial:
            lens |= skb.csum_start - skb.network_header
            tucmd = r.ADVTXD_TUCMD_L4T_TCP if skb.csum_offset == 16 else r.ADVTXD_TUCMD_L4T_UDP
        ixgbe_tx_ctxtdesc(tx_ring, lens, tucmd, 0)
        return partial

    def tso(self, tx_ring: IxgbeRing, first: TxBuffer, skb: SkBuff, data: bytes, vlan: int) -> tuple[bytes, int]:
        """ixgbe_tso: prepare the headers (lengths and checksums that the chip completes); (bytes, header length)."""
        l3 = skb.network_header - skb.data
        l4 = skb.csum_start - skb.data
        out = bytearray(data)
        udp = bool(skb.gso_type & SKB_GSO_UDP_L4)
        tucmd = r.ADVTXD_TUCMD_L4T_UDP if udp else r.ADVTXD_TUCMD_L4T_TCP
        proto = b"\0\x11" if udp else b"\0\x06"
        if out[l3] >> 4 == 4:
            out[l3 + 2 : l3 + 4] = b"\0\0"
            out[l3 + 10 : l3 + 12] = b"\0\0"
            pseudo = bytes(out[l3 + 12 : l3 + 20]) + proto
            tucmd |= r.ADVTXD_TUCMD_IPV4
        else:
            out[l3 + 4 : l3 + 6] = b"\0\0"
            pseudo = bytes(out[l3 + 8 : l3 + 40]) + proto
        total = sum(struct.unpack(">%dH" % (len(pseudo) // 2), pseudo))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        struct.pack_into(">H", out, l4 + (6 if udp else 16), total)
        hdr_len = l4 + (8 if udp else (out[l4 + 12] >> 4) * 4)
        first.gso_segs = skb.gso_segs or 1
        first.bytecount += (first.gso_segs - 1) * hdr_len
        ixgbe_tx_ctxtdesc(
            tx_ring,
            l4 - l3 | l3 << r.ADVTXD_MACLEN_SHIFT | vlan,
            tucmd,
            (hdr_len - l4) << r.ADVTXD_L4LEN_SHIFT | skb.gso_size << r.ADVTXD_MSS_SHIFT,
        )
        return bytes(out), hdr_len


__all__ = [n for n in dir() if not n.startswith("_")] + ["msleep"]
