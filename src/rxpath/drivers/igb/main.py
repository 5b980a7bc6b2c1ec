"""igb: probe, vectors, open, interrupts, poll, receive, transmit, moderation, watchdog, statistics, stop, power,
recovery.

What lives here: everything that a packet meets, in the order in which igb_main.c has it.  What does not: chip
sequences that know no packet (hw.py), ethtool (ethtool.py).

Functions carry Linux's names, so that a function trace compares with one of Linux; what Linux's compiler inlines
stands in line.  Facts: igb/igb_main.c of 6.1; 3.13's differences from the reference sheet.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from rxpath.drivers.igb.hw import (
    IgbHw,
    igb_check_downshift,
    igb_check_for_copper_link,
    igb_check_reset_block,
    igb_config_collision_dist,
    igb_disable_pcie_master,
    igb_force_mac_fc,
    igb_get_fw_version,
    igb_get_invariants_82575,
    igb_get_phy_info,
    igb_get_speed_and_duplex_copper,
    igb_init_hw_82575,
    igb_power_down_phy_copper_82575,
    igb_power_up_phy_copper,
    igb_read_mac_addr,
    igb_read_nvm_eerd,
    igb_read_part_string,
    igb_read_phy_reg,
    igb_reset_hw,
    igb_reset_phy,
    igb_set_eee_i350,
    igb_setup_link,
    igb_update_mc_addr_list,
    igb_validate_nvm_checksum,
    igb_write_vfta,
    supported_mac,
)
from rxpath.drivers.igb.igb import (
    BULK_LATENCY,
    DCA_PROVIDER_ADD,
    DESC_NEEDED,
    ETH_FCS_LEN,
    ETH_FRAME_LEN,
    ETH_ZLEN,
    FC_DEFAULT,
    FC_RX_PAUSE,
    FULL_DUPLEX,
    HALF_DUPLEX,
    IGB_4K_ITR,
    IGB_20K_ITR,
    IGB_70K_ITR,
    IGB_FLAG_DCA_ENABLED,
    IGB_FLAG_EEE,
    IGB_FLAG_HAS_MSI,
    IGB_FLAG_HAS_MSIX,
    IGB_FLAG_QUEUE_PAIRS,
    IGB_FLAG_RSS_FIELD_IPV4_UDP,
    IGB_FLAG_RSS_FIELD_IPV6_UDP,
    IGB_FLAG_RX_LEGACY,
    IGB_FLAG_VLAN_PROMISC,
    IGB_FLAG_WOL_SUPPORTED,
    IGB_MAX_DATA_PER_TXD,
    IGB_MAX_FRAME_BUILD_SKB,
    IGB_MAX_RX_QUEUES,
    IGB_MAX_TX_QUEUES,
    IGB_RETA_SIZE,
    IGB_RX_BUFFER_WRITE,
    IGB_RX_HDR_LEN,
    IGB_RXBUFFER_2048,
    IGB_RXBUFFER_3072,
    IGB_SKB_PAD,
    IGB_START_ITR,
    LOW_LATENCY,
    LOWEST_LATENCY,
    MAC_82576,
    MAC_I350,
    MAC_STATE_DEFAULT,
    MAC_STATE_IN_USE,
    MAX_JUMBO_FRAME_SIZE,
    MAX_Q_VECTORS,
    MAX_STD_JUMBO_FRAME_SIZE,
    SPEED_10,
    SPEED_1000,
    STATE_DOWN,
    STATE_RESETTING,
    STATE_TESTING,
    TX_WAKE_THRESHOLD,
    VF_IDS,
    WUFC_LNKC,
    WUFC_MAG,
    WUFC_MC,
    IgbAdapter,
    IgbQVector,
    IgbRing,
    MacEntry,
    NfcFilter,
    RxPage,
    TxBuffer,
    mac_of,
)
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
    PCI_CHANNEL_IO_NORMAL,
    PCI_CHANNEL_IO_PERM_FAILURE,
    PCI_ERS_RESULT_CAN_RECOVER,
    PCI_ERS_RESULT_DISCONNECT,
    PCI_ERS_RESULT_NEED_RESET,
    PCI_ERS_RESULT_RECOVERED,
    MsixEntry,
    PciDev,
    PciDeviceId,
    PciErrorHandlers,
    dma_set_mask_and_coherent,
    pci_disable_device,
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
from rxpath.hw.memory import DMA_FROM_DEVICE, DMA_TO_DEVICE, PAGE_SIZE, Memory
from rxpath.hw.regs import igb as r
from rxpath.kernel.dma import (
    dma_alloc_coherent,
    dma_free_coherent,
    dma_map_page_attrs,
    dma_sync_single_for_cpu,
    dma_unmap_page_attrs,
)
from rxpath.kernel.errno import (
    EADDRNOTAVAIL,
    EBUSY,
    EEXIST,
    EINVAL,
    EIO,
    ENODEV,
    ENOMEM,
    ENOTSUP,
    EOPNOTSUPP,
    linux_error,
)
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
    NAPI_STATE_NPSVC,
    NAPI_STATE_SCHED,
    NETIF_F,
    NETIF_F_HW_CSUM,
    NETIF_F_HW_VLAN_CTAG_FILTER,
    NETIF_F_HW_VLAN_CTAG_RX,
    NETIF_F_HW_VLAN_CTAG_TX,
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
    netif_napi_add,
    netif_napi_del,
    netif_set_real_num_rx_queues,
    netif_set_real_num_tx_queues,
    register_netdev,
    unregister_netdev,
)
from rxpath.net.core.receive import eth_type_trans
from rxpath.net.core.skbuff import (
    CHECKSUM_PARTIAL,
    CHECKSUM_UNNECESSARY,
    SKB_GSO_UDP_L4,
    SkBuff,
    __napi_alloc_skb,
    build_skb_truesize,
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
from rxpath.wire.ethernet import ETH_P_8021Q

DRIVER_NAME: Final = "igb"
M32: Final = 0xFFFFFFFF
ERANGE: Final = 34

SITE_RING_DOWN: Final = Site("ring", "ring discarded on down", "none")
SITE_RX_ERROR: Final = Site("driver", "descriptor reports a frame error", "none")
SITE_TX_EMPTY: Final = Site("xmit", "empty frame", "none")
SITE_TX_RING_DOWN: Final = Site("xmit", "transmit ring discarded on down", "none")
SITE_TX_DMA: Final = Site("xmit", "no DMA mapping", "none")

# Advanced descriptor, write-back: packet info, header info, RSS hash, status and errors, length, VLAN.
_RXD: Final = struct.Struct("<HHIIHH")
_RX_READ: Final = struct.Struct("<QQ")
_LENGTH: Final = struct.Struct("<H")
_TXD: Final = struct.Struct("<QII")
_CTXD: Final = struct.Struct("<IIII")
_HWTSTAMP: Final = struct.Struct("<iii")

STAT_EOP: Final = r.RXD_STAT_EOP
STAT_VP: Final = r.RXD_STAT_VP
STAT_IXSM: Final = r.RXD_STAT_IXSM
STAT_TSIP: Final = r.RXDADV_STAT_TSIP
FRAME_ERR: Final = r.RXDEXT_ERR_FRAME_ERR_MASK
CSUM_ERR: Final = r.RXDEXT_STATERR_TCPE | r.RXDEXT_STATERR_IPE
CSUM_DONE: Final = r.RXD_STAT_TCPCS | r.RXD_STAT_UDPCS
EIMS: Final = r.EIMS
ICR: Final = r.ICR
IMS_LINK: Final = r.ICR_LSC | r.ICR_DOUTSYNC | r.ICR_DRSTA
IMS_ALL: Final = r.IMS_ENABLE_MASK | r.ICR_DRSTA

TX_FLAGS_VLAN: Final = 0x01
TX_FLAGS_TSO: Final = 0x02
TX_FLAGS_IPV4: Final = 0x10
TX_FLAGS_CSUM: Final = 0x20

NETIF_F_TSO6: Final = NETIF_F["tso6"]
NETIF_F_HIGHDMA: Final = NETIF_F["highdma"]
NETIF_F_GSO_UDP_L4: Final = NETIF_F["tx-udp-segmentation"]
NETIF_F_HW_TC: Final = NETIF_F["hw-tc-offload"]

SIOCGMIIPHY: Final = 0x8947
SIOCGMIIREG: Final = 0x8948
SIOCSMIIREG: Final = 0x8949
SIOCSHWTSTAMP: Final = 0x89B0
SIOCGHWTSTAMP: Final = 0x89B1
HWTSTAMP_FILTER_NONE: Final = 0
HWTSTAMP_FILTER_ALL: Final = 1
HWTSTAMP_FILTER_PTP_V1_L4_SYNC: Final = 4
HWTSTAMP_FILTER_PTP_V1_L4_DELAY_REQ: Final = 5
HWTSTAMP_FILTER_PTP_V2_EVENT: Final = 12

EEPROM_APME: Final = 0x0400
NVM_INIT_CONTROL3_PORT_A: Final = 0x24
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
"""What 3.13 writes to RSSRK, before keys were drawn at boot."""


# --- vectors: registers -------------------------------------------------------------------------------------


def igb_cache_ring_register(adapter: IgbAdapter) -> None:
    """Which hardware queue each ring is; without virtual functions simply its own number."""
    for ring in adapter.rings_rx():
        ring.reg_idx = ring.queue_index
    for ring in adapter.rings_tx():
        ring.reg_idx = ring.queue_index


def igb_write_ivar(hw: IgbHw, msix_vector: int, index: int, offset: int) -> None:
    """Cause to vector: byte `offset / 8` of row `index`."""
    off = r.IVAR0 + 4 * index
    hw.wr32(off, hw.rd32(off) & ~(0xFF << offset) | (msix_vector | r.IVAR_VALID) << offset)


def igb_assign_vector(q_vector: IgbQVector, msix_vector: int) -> None:
    """Route a vector's rings to it.  The 82576 counts by columns, the I350 by rows."""
    adapter = q_vector.adapter
    hw = adapter.the_hw()
    rx, tx = q_vector.rx.ring, q_vector.tx.ring
    if hw.mac_type == MAC_82576:
        if rx is not None:
            igb_write_ivar(hw, msix_vector, rx.reg_idx & 7, (rx.reg_idx & 8) << 1)
        if tx is not None:
            igb_write_ivar(hw, msix_vector, tx.reg_idx & 7, ((tx.reg_idx & 8) << 1) + 8)
    else:
        if rx is not None:
            igb_write_ivar(hw, msix_vector, rx.reg_idx >> 1, (rx.reg_idx & 1) << 4)
        if tx is not None:
            igb_write_ivar(hw, msix_vector, tx.reg_idx >> 1, ((tx.reg_idx & 1) << 4) + 8)
    q_vector.eims_value = 1 << msix_vector
    adapter.eims_enable_mask |= q_vector.eims_value
    q_vector.set_itr = True


def igb_configure_msix(adapter: IgbAdapter) -> None:
    """MSI-X mode first, or the rest does not stick; vector 0 for other causes, then one for each q_vector."""
    hw = adapter.the_hw()
    adapter.eims_enable_mask = 0
    hw.wr32(r.GPIE, r.GPIE_MSIX_MODE | r.GPIE_PBA | r.GPIE_EIAME | r.GPIE_NSICR)
    adapter.eims_other = 1
    hw.wr32(r.IVAR_MISC, r.IVAR_VALID << 8)
    adapter.eims_enable_mask |= adapter.eims_other
    for i, q_vector in enumerate(adapter.vectors()):
        igb_assign_vector(q_vector, i + 1)
    hw.wrfl()


def igb_request_msix(adapter: IgbAdapter) -> None:
    """A handler for the other causes and one for each q_vector.  Raises OSError with what it had given back."""
    name = adapter.netdev.name
    irqs = adapter.pdev.kernel.irq
    entries = adapter.msix_entries
    irqs.request_irq(entries[0].vector, igb_msix_other, 0, name, adapter)
    done: list[tuple[int, object]] = [(entries[0].vector, adapter)]
    for i, q_vector in enumerate(adapter.vectors()[:MAX_Q_VECTORS]):
        vector = i + 1
        q_vector.itr_register = r.EITR(vector)
        rx, tx = q_vector.rx.ring, q_vector.tx.ring
        if rx is not None and tx is not None:
            q_vector.name = "%s-TxRx-%d" % (name, rx.queue_index)
        elif tx is not None:
            q_vector.name = "%s-tx-%d" % (name, tx.queue_index)
        elif rx is not None:
            q_vector.name = "%s-rx-%d" % (name, rx.queue_index)
        else:
            q_vector.name = "%s-unused" % name
        try:
            irqs.request_irq(entries[vector].vector, igb_msix_ring, 0, q_vector.name, q_vector)
        except OSError:
            for irq, who in done:
                irqs.free_irq(irq, who)
            raise
        done.append((entries[vector].vector, q_vector))
    igb_configure_msix(adapter)


# --- vectors: allocation ------------------------------------------------------------------------------------


def igb_free_q_vector(adapter: IgbAdapter, v_idx: int) -> None:
    adapter.q_vector[v_idx] = None


def igb_reset_q_vector(adapter: IgbAdapter, v_idx: int) -> None:
    """Take a vector's rings and NAPI away (it may not exist yet)."""
    q_vector = adapter.q_vector[v_idx]
    if q_vector is None:
        return
    if q_vector.tx.ring is not None:
        adapter.tx_ring[q_vector.tx.ring.queue_index] = None
    if q_vector.rx.ring is not None:
        adapter.rx_ring[q_vector.rx.ring.queue_index] = None
    netif_napi_del(q_vector.napi)


def igb_reset_interrupt_capability(adapter: IgbAdapter) -> None:
    """Give MSI-X or MSI back, and with it every vector."""
    if adapter.flags & IGB_FLAG_HAS_MSIX:
        pci_disable_msix(adapter.pdev)
    elif adapter.flags & IGB_FLAG_HAS_MSI:
        pci_disable_msi(adapter.pdev)
        adapter.flags &= ~IGB_FLAG_HAS_MSI
    for v_idx in range(adapter.num_q_vectors - 1, -1, -1):
        igb_reset_q_vector(adapter, v_idx)


def igb_free_q_vectors(adapter: IgbAdapter) -> None:
    n = adapter.num_q_vectors
    adapter.num_tx_queues = 0
    adapter.num_rx_queues = 0
    adapter.num_q_vectors = 0
    for v_idx in range(n - 1, -1, -1):
        igb_reset_q_vector(adapter, v_idx)
        igb_free_q_vector(adapter, v_idx)


def igb_clear_interrupt_scheme(adapter: IgbAdapter) -> None:
    igb_free_q_vectors(adapter)
    igb_reset_interrupt_capability(adapter)


def igb_set_interrupt_capability(adapter: IgbAdapter, msix: bool) -> None:
    """MSI-X with a vector for each queue (or pair) and one for the rest, exactly; else MSI and one queue; else
    the line.
    """
    if msix:
        adapter.flags |= IGB_FLAG_HAS_MSIX
        adapter.num_rx_queues = adapter.rss_queues
        adapter.num_tx_queues = adapter.rss_queues
        numvecs = adapter.num_rx_queues
        if not adapter.flags & IGB_FLAG_QUEUE_PAIRS:
            numvecs += adapter.num_tx_queues
        adapter.num_q_vectors = numvecs
        numvecs += 1
        adapter.msix_entries = [MsixEntry(i) for i in range(numvecs)]
        try:
            pci_enable_msix_range(adapter.pdev, adapter.msix_entries, numvecs, numvecs)
            return
        except OSError:
            igb_reset_interrupt_capability(adapter)
    adapter.flags &= ~IGB_FLAG_HAS_MSIX
    adapter.rss_queues = 1
    adapter.flags |= IGB_FLAG_QUEUE_PAIRS
    adapter.num_rx_queues = 1
    adapter.num_tx_queues = 1
    adapter.num_q_vectors = 1
    try:
        pci_enable_msi(adapter.pdev)
        adapter.flags |= IGB_FLAG_HAS_MSI
    except OSError:
        pass


def igb_alloc_q_vector(
    adapter: IgbAdapter, v_idx: int, txr_count: int, txr_idx: int, rxr_count: int, rxr_idx: int
) -> None:
    """One vector with at most one ring of each kind; registers its NAPI.  Raises OSError(ENOMEM)."""
    if txr_count > 1 or rxr_count > 1:
        raise linux_error(ENOMEM, adapter.pdev.name)
    netdev = adapter.netdev
    napi = IgbNapi(adapter.net, netdev)
    q_vector = IgbQVector(adapter, napi)
    napi.q_vector = q_vector
    netif_napi_add(netdev, napi)
    adapter.q_vector[v_idx] = q_vector
    q_vector.tx.work_limit = adapter.tx_work_limit
    q_vector.itr_register = r.EITR(0)
    q_vector.itr_val = IGB_START_ITR
    setting = adapter.rx_itr_setting if rxr_count else adapter.tx_itr_setting
    if not setting or setting > 3:
        q_vector.itr_val = setting
    if txr_count:
        ring = IgbRing(adapter, adapter.tx_ring_count, txr_idx)
        ring.q_vector = q_vector
        q_vector.tx.ring = ring
        q_vector.tx.count += 1
        adapter.tx_ring[txr_idx] = ring
    if rxr_count:
        ring = IgbRing(adapter, adapter.rx_ring_count, rxr_idx)
        ring.q_vector = q_vector
        q_vector.rx.ring = ring
        q_vector.rx.count += 1
        adapter.rx_ring[rxr_idx] = ring


def igb_alloc_q_vectors(adapter: IgbAdapter) -> None:
    """All of them: receive alone, then transmit alone, when there are enough; else in pairs."""
    q_vectors = adapter.num_q_vectors
    rxr_remaining = adapter.num_rx_queues
    txr_remaining = adapter.num_tx_queues
    rxr_idx = txr_idx = v_idx = 0
    try:
        if q_vectors >= rxr_remaining + txr_remaining:
            while rxr_remaining:
                igb_alloc_q_vector(adapter, v_idx, 0, 0, 1, rxr_idx)
                rxr_remaining -= 1
                rxr_idx += 1
                v_idx += 1
        while v_idx < q_vectors:
            left = q_vectors - v_idx
            rqpv = -(-rxr_remaining // left)
            tqpv = -(-txr_remaining // left)
            igb_alloc_q_vector(adapter, v_idx, tqpv, txr_idx, rqpv, rxr_idx)
            rxr_remaining -= rqpv
            txr_remaining -= tqpv
            rxr_idx += 1
            txr_idx += 1
            v_idx += 1
    except OSError:
        adapter.num_tx_queues = 0
        adapter.num_rx_queues = 0
        adapter.num_q_vectors = 0
        while v_idx:
            v_idx -= 1
            igb_reset_q_vector(adapter, v_idx)
            igb_free_q_vector(adapter, v_idx)
        raise


def igb_init_interrupt_scheme(adapter: IgbAdapter, msix: bool) -> None:
    """Interrupt kind, vectors, rings.  Raises OSError(ENOMEM)."""
    igb_set_interrupt_capability(adapter, msix)
    try:
        igb_alloc_q_vectors(adapter)
    except OSError:
        adapter.pdev.err("Unable to allocate memory for vectors")
        igb_reset_interrupt_capability(adapter)
        raise
    igb_cache_ring_register(adapter)


def igb_request_irq(adapter: IgbAdapter) -> None:
    """Attach the handlers.  A refused MSI-X request tears rings and vectors down and builds them again for MSI
    with one queue; a refused MSI falls back to the shared line; a refused line is an error.  Raises OSError.
    """
    netdev = adapter.netdev
    pdev = adapter.pdev
    irqs = pdev.kernel.irq
    if adapter.flags & IGB_FLAG_HAS_MSIX:
        try:
            igb_request_msix(adapter)
            return
        except OSError:
            igb_free_all_tx_resources(adapter)
            igb_free_all_rx_resources(adapter)
            igb_clear_interrupt_scheme(adapter)
        igb_init_interrupt_scheme(adapter, False)
        igb_setup_all_tx_resources(adapter)
        igb_setup_all_rx_resources(adapter)
        igb_configure(adapter)
    q_vector = adapter.vectors()[0]
    igb_assign_vector(q_vector, 0)
    if adapter.flags & IGB_FLAG_HAS_MSI:
        try:
            irqs.request_irq(pdev.irq, igb_intr_msi, 0, netdev.name, adapter)
            return
        except OSError:
            # Linux resets the vectors too, and would meet the missing rings later: here they stay
            pci_disable_msi(pdev)
            adapter.flags &= ~IGB_FLAG_HAS_MSI
    try:
        irqs.request_irq(pdev.irq, igb_intr, IRQF_SHARED, netdev.name, adapter)
    except OSError as e:
        pdev.err("Error %d getting interrupt" % -(e.errno or EIO))
        raise


def igb_free_irq(adapter: IgbAdapter) -> None:
    irqs = adapter.pdev.kernel.irq
    if adapter.flags & IGB_FLAG_HAS_MSIX:
        irqs.free_irq(adapter.msix_entries[0].vector, adapter)
        for i, q_vector in enumerate(adapter.vectors()):
            irqs.free_irq(adapter.msix_entries[i + 1].vector, q_vector)
    else:
        irqs.free_irq(adapter.pdev.irq, adapter)


def igb_irq_disable(adapter: IgbAdapter) -> None:
    """Mask everything (handlers never run beside this code: there is nothing to synchronise with)."""
    hw = adapter.the_hw()
    if adapter.flags & IGB_FLAG_HAS_MSIX:
        hw.wr32(r.EIAM, hw.rd32(r.EIAM) & ~adapter.eims_enable_mask)
        hw.wr32(r.EIMC, adapter.eims_enable_mask)
        hw.wr32(r.EIAC, hw.rd32(r.EIAC) & ~adapter.eims_enable_mask)
    hw.wr32(r.IAM, 0)
    hw.wr32(r.IMC, M32)
    hw.wrfl()


def igb_irq_enable(adapter: IgbAdapter) -> None:
    hw = adapter.the_hw()
    if adapter.flags & IGB_FLAG_HAS_MSIX:
        mask = adapter.eims_enable_mask
        hw.wr32(r.EIAC, hw.rd32(r.EIAC) | mask)
        hw.wr32(r.EIAM, hw.rd32(r.EIAM) | mask)
        hw.wr32(EIMS, mask)
        hw.wr32(r.IMS, IMS_LINK)
    else:
        hw.wr32(r.IMS, IMS_ALL)
        hw.wr32(r.IAM, IMS_ALL)


def igb_release_hw_control(adapter: IgbAdapter) -> None:
    hw = adapter.the_hw()
    hw.wr32(r.CTRL_EXT, hw.rd32(r.CTRL_EXT) & ~r.CTRL_EXT_DRV_LOAD)


def igb_get_hw_control(adapter: IgbAdapter) -> None:
    """Tell firmware that a driver is there."""
    hw = adapter.the_hw()
    hw.wr32(r.CTRL_EXT, hw.rd32(r.CTRL_EXT) | r.CTRL_EXT_DRV_LOAD)


# --- configuration ------------------------------------------------------------------------------------------


def igb_configure(adapter: IgbAdapter) -> None:
    """Load the chip after a reset: filters, VLANs, RSS, queues; then fill the receive rings."""
    igb_get_hw_control(adapter)
    igb_set_rx_mode(adapter.netdev)
    igb_restore_vlan(adapter)
    igb_setup_tctl(adapter)
    igb_setup_mrqc(adapter)
    igb_setup_rctl(adapter)
    igb_nfc_filter_restore(adapter)
    igb_configure_tx(adapter)
    igb_configure_rx(adapter)
    igb_rx_fifo_flush_82575(adapter.the_hw())
    for ring in adapter.rings_rx():
        igb_alloc_rx_buffers(ring, ring.unused())


def igb_rx_fifo_flush_82575(hw: IgbHw) -> None:
    hw.wr32(r.RFCTL, hw.rd32(r.RFCTL) | r.RFCTL_IPV6_EX_DIS)


def igb_power_up_link(adapter: IgbAdapter) -> None:
    """Each step is tried; a PHY that does not answer shows as a link that never comes."""
    for step in (igb_reset_phy, igb_power_up_phy_copper, igb_setup_link):
        try:
            step(adapter.the_hw())
        except OSError:
            pass


def igb_power_down_link(adapter: IgbAdapter) -> None:
    try:
        igb_power_down_phy_copper_82575(adapter.the_hw())
    except OSError:
        pass


def igb_up(adapter: IgbAdapter) -> None:
    """After a reset of a running device: load everything again and enable interrupts."""
    hw = adapter.the_hw()
    igb_configure(adapter)
    adapter.state &= ~STATE_DOWN
    for q_vector in adapter.vectors():
        napi_enable(q_vector.napi)
    if adapter.flags & IGB_FLAG_HAS_MSIX:
        igb_configure_msix(adapter)
    else:
        igb_assign_vector(adapter.vectors()[0], 0)
    hw.rd32(r.TSICR)
    hw.rd32(ICR)
    igb_irq_enable(adapter)
    for q in adapter.netdev.tx_queues:
        netif_tx_start_queue(q)
    hw.get_link_status = True
    _schedule(adapter, adapter.watchdog_task)


def napi_synchronize(napi: NapiStruct) -> None:
    """Wait until nobody polls."""
    k = napi.net.kernel
    for _ in range(1000):
        if not napi.state & NAPI_STATE_SCHED or napi.state & NAPI_STATE_NPSVC:
            return
        if k.engine.current is not None and (k.cur().in_interrupt() or k.cur().curr is k.cur().idle):
            return
        msleep(k, 1)


def igb_down(adapter: IgbAdapter) -> None:
    """Stop the chip, wait for everybody, keep the last statistics, reset, take the buffers back."""
    netdev = adapter.netdev
    hw = adapter.the_hw()
    adapter.state |= STATE_DOWN
    hw.wr32(r.RCTL, hw.rd32(r.RCTL) & ~r.RCTL_EN)
    igb_nfc_filter_exit(adapter)
    netif_carrier_off(netdev)
    for q in netdev.tx_queues:
        netif_tx_stop_queue(q)
    hw.wr32(r.TCTL, hw.rd32(r.TCTL) & ~r.TCTL_EN)
    hw.wrfl()
    usleep_range(hw.kernel, 10000, 11000)
    igb_irq_disable(adapter)
    for q_vector in adapter.vectors():
        napi_synchronize(q_vector.napi)
        napi_disable(q_vector.napi)
    for t in (adapter.watchdog_timer, adapter.phy_info_timer):
        if t is not None:
            t.del_timer()
    igb_update_stats(adapter)
    adapter.link_speed = 0
    adapter.link_duplex = 0
    if adapter.pdev.error_state == PCI_CHANNEL_IO_NORMAL:
        igb_reset(adapter)
    adapter.flags &= ~IGB_FLAG_VLAN_PROMISC
    igb_clean_all_tx_rings(adapter)
    igb_clean_all_rx_rings(adapter)
    igb_setup_dca(adapter)


def _begin_reset(adapter: IgbAdapter) -> None:
    """Take the RESETTING bit, waiting for whoever holds it."""
    for _ in range(10000):
        if not adapter.state & STATE_RESETTING:
            break
        usleep_range(adapter.pdev.kernel, 1000, 2000)
    adapter.state |= STATE_RESETTING


def igb_reinit_locked(adapter: IgbAdapter) -> None:
    _begin_reset(adapter)
    try:
        igb_down(adapter)
        igb_up(adapter)
    finally:
        adapter.state &= ~STATE_RESETTING


def igb_reset(adapter: IgbAdapter) -> None:
    """Bring the chip into a known state: flow control watermarks, global reset, filters, link set-up."""
    hw = adapter.the_hw()
    fc = hw.fc
    rxpbs = hw.rd32(r.RXPBS)
    if hw.mac_type == MAC_82576:
        pba = rxpbs & r.RXPBS_SIZE_MASK_82576
    else:
        pba = r.RXPBS_TABLE_82580[rxpbs] if rxpbs < len(r.RXPBS_TABLE_82580) else 0
    hwm = (pba << 10) - (adapter.max_frame_size + MAX_JUMBO_FRAME_SIZE)
    fc.high_water = hwm & 0xFFFFFFF0
    fc.low_water = fc.high_water - 16
    fc.pause_time = 0xFFFF
    fc.send_xon = True
    fc.current_mode = fc.requested_mode
    igb_reset_hw(hw)
    hw.wr32(r.WUC, 0)
    try:
        igb_init_hw_82575(hw)
    except OSError:
        adapter.pdev.err("Hardware Error")
    igb_flush_mac_table(adapter)
    igb_set_default_mac_filter(adapter)
    if not hw.autoneg:
        igb_force_mac_fc(hw)
    if hw.mac_type == MAC_I350:
        igb_set_eee_i350(hw)
    if not adapter.netdev.running():
        igb_power_down_link(adapter)
    hw.wr32(r.VET, ETH_P_8021Q)
    igb_ptp_reset(adapter)
    igb_get_phy_info(hw)


def igb_setup_tctl(adapter: IgbAdapter) -> None:
    hw = adapter.the_hw()
    hw.wr32(r.TXDCTL(0), 0)
    tctl = hw.rd32(r.TCTL) & ~r.TCTL_CT | r.TCTL_PSP | r.TCTL_RTLC | 15 << r.TCTL_CT_SHIFT
    igb_config_collision_dist(hw)
    hw.wr32(r.TCTL, tctl | r.TCTL_EN)


def igb_configure_tx_ring(adapter: IgbAdapter, ring: IgbRing) -> None:
    hw = adapter.the_hw()
    q = ring.reg_idx
    hw.wr32(r.TDLEN(q), ring.count * 16)
    hw.wr32(r.TDBAL(q), ring.dma & M32)
    hw.wr32(r.TDBAH(q), ring.dma >> 32)
    ring.tail = r.TDT(q)
    hw.wr32(r.TDH(q), 0)
    hw.wr32(ring.tail, 0)
    one = hw.mac_type == MAC_82576 and adapter.flags & IGB_FLAG_HAS_MSIX
    for b in ring.tx:
        b.next_to_watch = -1
    hw.wr32(r.TXDCTL(q), 8 | 1 << 8 | (1 if one else 16) << 16 | r.TXDCTL_QUEUE_ENABLE)


def igb_configure_tx(adapter: IgbAdapter) -> None:
    hw = adapter.the_hw()
    for ring in adapter.rings_tx():
        hw.wr32(r.TXDCTL(ring.reg_idx), 0)
    hw.wrfl()
    usleep_range(hw.kernel, 10000, 20000)
    for ring in adapter.rings_tx():
        igb_configure_tx_ring(adapter, ring)


def igb_write_rss_indir_tbl(adapter: IgbAdapter) -> None:
    hw = adapter.the_hw()
    t = adapter.rss_indir_tbl
    for i in range(0, IGB_RETA_SIZE, 4):
        hw.wr32(r.RETA + i, t[i] | t[i + 1] << 8 | t[i + 2] << 16 | t[i + 3] << 24)


def igb_setup_mrqc(adapter: IgbAdapter) -> None:
    """RSS: key, indirection table, which headers are hashed.  UDP ports only when asked for."""
    hw = adapter.the_hw()
    if hw.kernel.release.rss_key_random:
        key = netdev_rss_key_fill(adapter.net, 40)
        for i in range(10):
            hw.wr32(r.RSSRK + 4 * i, int.from_bytes(key[4 * i : 4 * i + 4], "little"))
    else:
        for i in range(10):
            hw.wr32(r.RSSRK + 4 * i, STATIC_RSS_KEY[i])
    n = adapter.rss_queues
    if adapter.rss_indir_tbl_init != n:
        adapter.rss_indir_tbl = [j * n // IGB_RETA_SIZE for j in range(IGB_RETA_SIZE)]
        adapter.rss_indir_tbl_init = n
    igb_write_rss_indir_tbl(adapter)
    hw.wr32(r.RXCSUM, hw.rd32(r.RXCSUM) | r.RXCSUM_PCSD | r.RXCSUM_CRCOFL)
    mrqc = (
        r.MRQC_RSS_FIELD_IPV4
        | r.MRQC_RSS_FIELD_IPV4_TCP
        | r.MRQC_RSS_FIELD_IPV6
        | r.MRQC_RSS_FIELD_IPV6_TCP
        | r.MRQC_RSS_FIELD_IPV6_TCP_EX
    )
    if adapter.flags & IGB_FLAG_RSS_FIELD_IPV4_UDP:
        mrqc |= r.MRQC_RSS_FIELD_IPV4_UDP
    if adapter.flags & IGB_FLAG_RSS_FIELD_IPV6_UDP:
        mrqc |= r.MRQC_RSS_FIELD_IPV6_UDP
    if hw.mac_type == MAC_82576:  # igb_vmm_control
        hw.wr32(r.DTXCTL, hw.rd32(r.DTXCTL) | 0x8)
        hw.wr32(r.RPLOLR, hw.rd32(r.RPLOLR) | 0x40000000)
    hw.wr32(r.MRQC, mrqc | r.MRQC_ENABLE_RSS_MQ)


def igb_setup_rctl(adapter: IgbAdapter) -> None:
    hw = adapter.the_hw()
    rctl = hw.rd32(r.RCTL) & ~(3 << r.RCTL_MO_SHIFT | r.RCTL_LBM_MASK)
    rctl |= r.RCTL_EN | r.RCTL_BAM | r.RCTL_SECRC
    rctl &= ~(r.RCTL_SBP | r.RCTL_SZ_MASK)
    rctl |= r.RCTL_LPE
    hw.wr32(r.RXDCTL(0), 0)
    if adapter.netdev.features & NETIF_F_RXALL:
        rctl |= r.RCTL_SBP | r.RCTL_BAM | r.RCTL_PMCF
        rctl &= ~(r.RCTL_DPF | r.RCTL_CFIEN)
    hw.wr32(r.RCTL, rctl)


def igb_set_vmolr(adapter: IgbAdapter, vfn: int) -> None:
    hw = adapter.the_hw()
    v = (hw.rd32(r.VMOLR(vfn)) | r.VMOLR_AUPE) & ~(r.VMOLR_BAM | r.VMOLR_RSSE)
    if adapter.rss_queues > 1 and vfn == 0:
        v |= r.VMOLR_RSSE
    if vfn == 0:
        v |= r.VMOLR_BAM
    hw.wr32(r.VMOLR(vfn), v)


def igb_setup_srrctl(adapter: IgbAdapter, ring: IgbRing) -> None:
    """Buffer size, one buffer a descriptor; drop enable with several queues and no pause frames to obey."""
    hw = adapter.the_hw()
    srrctl = IGB_RX_HDR_LEN << r.SRRCTL_BSIZEHDRSIZE_SHIFT | ring.bufsz >> r.SRRCTL_BSIZEPKT_SHIFT
    srrctl |= r.SRRCTL_DESCTYPE_ADV_ONEBUF
    if hw.mac_type != MAC_82576:
        srrctl |= r.SRRCTL_TIMESTAMP
    if not hw.fc.current_mode & FC_RX_PAUSE and adapter.num_rx_queues > 1:
        srrctl |= r.SRRCTL_DROP_EN
    hw.wr32(r.SRRCTL(ring.reg_idx), srrctl)


def igb_configure_rx_ring(adapter: IgbAdapter, ring: IgbRing) -> None:
    hw = adapter.the_hw()
    q = ring.reg_idx
    hw.wr32(r.RXDCTL(q), 0)
    hw.wr32(r.RDBAL(q), ring.dma & M32)
    hw.wr32(r.RDBAH(q), ring.dma >> 32)
    hw.wr32(r.RDLEN(q), ring.count * 16)
    ring.tail = r.RDT(q)
    hw.wr32(r.RDH(q), 0)
    hw.wr32(ring.tail, 0)
    igb_setup_srrctl(adapter, ring)
    igb_set_vmolr(adapter, q & 7)
    one = hw.mac_type == MAC_82576 and adapter.flags & IGB_FLAG_HAS_MSIX
    _LENGTH.pack_into(ring.view, 12, 0)
    hw.wr32(r.RXDCTL(q), 8 | 8 << 8 | (1 if one else 4) << 16 | r.RXDCTL_QUEUE_ENABLE)


def igb_set_rx_buffer_len(adapter: IgbAdapter, ring: IgbRing) -> None:
    """Which half pages, and whether an skb is built around one.  3.13 always copies or adds a fragment."""
    ring.build_skb = not adapter.old_release and not adapter.flags & IGB_FLAG_RX_LEGACY
    ring.large_buffer = ring.build_skb and (
        adapter.max_frame_size > IGB_MAX_FRAME_BUILD_SKB or bool(adapter.the_hw().rd32(r.RCTL) & r.RCTL_SBP)
    )
    ring.bufsz = IGB_RXBUFFER_3072 if ring.large_buffer else IGB_RXBUFFER_2048
    ring.half_size = PAGE_SIZE if ring.large_buffer else PAGE_SIZE // 2
    ring.offset = IGB_SKB_PAD if ring.build_skb else 0


def igb_configure_rx(adapter: IgbAdapter) -> None:
    igb_set_default_mac_filter(adapter)
    for ring in adapter.rings_rx():
        igb_set_rx_buffer_len(adapter, ring)
        igb_configure_rx_ring(adapter, ring)


# --- probe --------------------------------------------------------------------------------------------------


def igb_probe(pdev: PciDev, ent: PciDeviceId, module: IgbModuleLike) -> None:
    """Bind to a port.  Raises OSError; what was done by then is undone in reverse order.

    EINVAL for a virtual function, ENOTSUP by name for a MAC whose sequences are not modelled.
    """
    if pdev.device in VF_IDS:
        pdev.err("%s (%x:%x) should not be a VF!" % (pdev.name, pdev.vendor, pdev.device))
        raise linux_error(EINVAL, pdev.name)
    mac = mac_of(ent.device if ent.device != 0xFFFFFFFF else pdev.device) or mac_of(pdev.device)
    if not supported_mac(mac):
        raise linux_error(ENOTSUP, "igb: %s (%04x:%04x)" % (mac or "unknown MAC", pdev.vendor, pdev.device))
    undo: list[Callable[[], None]] = []
    try:
        _probe(pdev, mac, module, undo)
    except OSError:
        for fn in reversed(undo):
            fn()
        raise


def _probe(pdev: PciDev, mac: str, module: IgbModuleLike, undo: list[Callable[[], None]]) -> None:
    kernel = pdev.kernel
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
    netdev = IgbNetDevice(module.net_, pdev.name)
    adapter = IgbAdapter(module, pdev, netdev)
    netdev.parent = pdev
    netdev.adapter = adapter
    pci_set_drvdata(pdev, netdev)
    undo.append(lambda: pci_set_drvdata(pdev, None))
    hw = IgbHw(pdev, mac)
    hw.report = adapter.netdev_err
    adapter.hw = hw
    netdev.ethtool_ops = module.make_ethtool_ops(netdev)
    netdev.watchdog_timeo = 5
    igb_get_invariants_82575(hw)
    undo.append(lambda: igb_clear_interrupt_scheme(adapter))
    igb_sw_init(adapter)
    hw.bus_speed, hw.bus_width = pcie_get_speed_and_width(pdev)
    if igb_check_reset_block(hw):
        pdev.info("PHY reset is blocked due to SOL/IDER session.")

    new = not adapter.old_release
    netdev.features |= NETIF_F_SG | NETIF_F_TSO | NETIF_F_TSO6 | NETIF_F_RXHASH | NETIF_F_RXCSUM | NETIF_F_HW_CSUM
    if new:
        netdev.features |= NETIF_F_GSO_UDP_L4
        if mac == MAC_I350:
            netdev.features |= NETIF_F_HW_TC
    vlan = NETIF_F_HW_VLAN_CTAG_RX | NETIF_F_HW_VLAN_CTAG_TX
    netdev.hw_features |= netdev.features | vlan | NETIF_F_RXALL
    if new and mac == MAC_I350:
        netdev.hw_features |= NETIF_F_NTUPLE
    netdev.features |= NETIF_F_HIGHDMA
    netdev.vlan_features |= netdev.features
    netdev.features |= NETIF_F_HW_VLAN_CTAG_FILTER | vlan
    netdev.min_mtu = 68
    netdev.max_mtu = MAX_STD_JUMBO_FRAME_SIZE if new else MAX_STD_JUMBO_FRAME_SIZE + 4

    igb_reset_hw(hw)
    undo.append(lambda: None if igb_check_reset_block(hw) else igb_reset_phy(hw))
    if not igb_validate_nvm_checksum(hw):
        pdev.err("The NVM Checksum Is Not Valid")
        raise linux_error(EIO, "NVM checksum")
    igb_read_mac_addr(hw)
    netdev.dev_addr = netdev.perm_addr = hw.mac_addr
    if not is_valid_ether_addr(netdev.dev_addr):
        pdev.err("Invalid MAC Address")
        raise linux_error(EIO, "MAC address")
    igb_set_default_mac_filter(adapter)
    adapter.fw_version = igb_get_fw_version(hw)
    adapter.watchdog_timer = TimerList(kernel, lambda: igb_watchdog(adapter))
    adapter.phy_info_timer = TimerList(kernel, lambda: igb_update_phy_info(adapter))
    adapter.reset_task = Work(lambda: igb_reset_task(adapter))
    adapter.watchdog_task = Work(lambda: igb_watchdog_task(adapter))
    hw.autoneg = True
    hw.autoneg_advertised = 0x2F
    hw.fc.requested_mode = FC_DEFAULT
    hw.fc.current_mode = FC_DEFAULT
    adapter.flags |= IGB_FLAG_WOL_SUPPORTED
    if mac != MAC_82576 and igb_read_nvm_eerd(hw, NVM_INIT_CONTROL3_PORT_A) & EEPROM_APME:
        adapter.flags |= IGB_FLAG_WOL_SUPPORTED
    if not pdev.wakeup_capable:
        adapter.flags &= ~IGB_FLAG_WOL_SUPPORTED
    if adapter.flags & IGB_FLAG_WOL_SUPPORTED:
        adapter.wol |= WUFC_MAG
    pdev.wakeup_enabled = bool(adapter.flags & IGB_FLAG_WOL_SUPPORTED)
    igb_reset(adapter)
    igb_get_hw_control(adapter)
    undo.append(lambda: igb_release_hw_control(adapter))
    netdev.name = "eth%d"
    register_netdev(netdev)
    netif_carrier_off(netdev)
    if module.dca_provider:
        adapter.flags |= IGB_FLAG_DCA_ENABLED
        pdev.info("DCA enabled")
        igb_setup_dca(adapter)
    pdev.info("added PHC on %s" % netdev.name)
    pdev.info("Intel(R) Gigabit Ethernet Network Connection")
    speed = "2.5Gb/s" if hw.bus_speed.startswith("2.5") else "5.0Gb/s" if hw.bus_speed.startswith("5") else "unknown"
    width = "Width x%d" % hw.bus_width if hw.bus_width in (1, 2, 4) else "unknown"
    pdev.info("%s: (PCIe:%s:%s) %s" % (netdev.name, speed, width, format_mac(netdev.dev_addr)))
    part = "Unknown"
    if mac == MAC_82576 and hw.rd32(r.EECD) & r.EECD_PRES:
        try:
            part = igb_read_part_string(hw)
        except OSError:
            pass
    pdev.info("%s: PBA No: %s" % (netdev.name, part))
    kind = "MSI-X" if adapter.flags & IGB_FLAG_HAS_MSIX else "MSI" if adapter.flags & IGB_FLAG_HAS_MSI else "legacy"
    pdev.info(
        "Using %s interrupts. %d rx queue(s), %d tx queue(s)" % (kind, adapter.num_rx_queues, adapter.num_tx_queues)
    )
    if mac == MAC_I350:
        igb_set_eee_i350(hw)
        adapter.flags |= IGB_FLAG_EEE


def igb_remove(pdev: PciDev) -> None:
    netdev = _netdev_of(pdev)
    adapter = netdev.priv()
    pdev.info("removed PHC on %s" % netdev.name)
    adapter.state |= STATE_DOWN
    for t in (adapter.watchdog_timer, adapter.phy_info_timer):
        if t is not None:
            t.del_timer()
    for w in (adapter.reset_task, adapter.watchdog_task):
        if w is not None:
            pdev.kernel.workqueue.cancel_work(w)
    if adapter.flags & IGB_FLAG_DCA_ENABLED:
        pdev.info("DCA disabled")
        adapter.flags &= ~IGB_FLAG_DCA_ENABLED
        adapter.the_hw().wr32(r.DCA_CTRL, r.DCA_CTRL_DCA_MODE_DISABLE)
    igb_release_hw_control(adapter)
    unregister_netdev(netdev)
    igb_clear_interrupt_scheme(adapter)
    pci_release_mem_regions(pdev)
    pci_disable_pcie_error_reporting(pdev)
    pci_disable_device(pdev)


def igb_get_max_rss_queues(adapter: IgbAdapter) -> int:
    """8 in an 82576 and an I350 without virtual functions."""
    return IGB_MAX_RX_QUEUES


def igb_init_queue_configuration(adapter: IgbAdapter) -> None:
    max_rss_queues = igb_get_max_rss_queues(adapter)
    online = sum(1 for c in adapter.pdev.kernel.cpus if c.online)
    adapter.rss_queues = min(max_rss_queues, online)
    igb_set_flag_queue_pairs(adapter, max_rss_queues)


def igb_set_flag_queue_pairs(adapter: IgbAdapter, max_rss_queues: int) -> None:
    """More than half of the queues: one vector serves a receive and a transmit queue."""
    if adapter.rss_queues > max_rss_queues // 2:
        adapter.flags |= IGB_FLAG_QUEUE_PAIRS
    else:
        adapter.flags &= ~IGB_FLAG_QUEUE_PAIRS


def igb_sw_init(adapter: IgbAdapter) -> None:
    """Sizes, queue policy, interrupt scheme, everything masked, state DOWN.  Raises OSError(ENOMEM)."""
    netdev = adapter.netdev
    hw = adapter.the_hw()
    adapter.max_frame_size = netdev.mtu + adapter.hdr_pad
    adapter.min_frame_size = ETH_ZLEN + ETH_FCS_LEN
    if adapter.module.max_vfs:
        raise linux_error(ENOTSUP, "igb: SR-IOV virtual functions (max_vfs)")
    adapter.flags |= IGB_FLAG_HAS_MSIX
    adapter.mac_table = [MacEntry() for _ in range(hw.rar_entry_count)]
    igb_init_queue_configuration(adapter)
    try:
        igb_init_interrupt_scheme(adapter, True)
    except OSError:
        adapter.pdev.err("Unable to allocate memory for queues")
        raise
    igb_irq_disable(adapter)
    adapter.state |= STATE_DOWN


# --- open and close -----------------------------------------------------------------------------------------


def __igb_open(netdev: IgbNetDevice, resuming: bool) -> None:
    """Raises OSError with everything undone."""
    adapter = netdev.priv()
    hw = adapter.the_hw()
    if adapter.state & STATE_TESTING:
        raise linux_error(EBUSY, netdev.name)
    netif_carrier_off(netdev)
    undo: list[Callable[[], None]] = [lambda: igb_reset(adapter)]
    try:
        igb_setup_all_tx_resources(adapter)
        undo.append(lambda: igb_free_all_tx_resources(adapter))
        igb_setup_all_rx_resources(adapter)
        undo.append(lambda: igb_free_all_rx_resources(adapter))
        igb_power_up_link(adapter)
        undo.append(lambda: igb_power_down_link(adapter))
        undo.append(lambda: igb_release_hw_control(adapter))
        igb_configure(adapter)
        igb_request_irq(adapter)
        undo.append(lambda: igb_free_irq(adapter))
        netif_set_real_num_tx_queues(netdev, adapter.num_tx_queues)
        netif_set_real_num_rx_queues(netdev, adapter.num_rx_queues)
    except OSError:
        for fn in reversed(undo):
            fn()
        raise
    adapter.state &= ~STATE_DOWN
    for q_vector in adapter.vectors():
        napi_enable(q_vector.napi)
    hw.rd32(r.TSICR)
    hw.rd32(ICR)
    igb_irq_enable(adapter)
    for q in netdev.tx_queues:
        netif_tx_start_queue(q)
    hw.get_link_status = True
    _schedule(adapter, adapter.watchdog_task)


def igb_open(netdev: IgbNetDevice) -> None:
    """ndo_open."""
    __igb_open(netdev, False)


def __igb_close(netdev: IgbNetDevice, suspending: bool) -> None:
    adapter = netdev.priv()
    igb_down(adapter)
    igb_free_irq(adapter)
    igb_free_all_tx_resources(adapter)
    igb_free_all_rx_resources(adapter)


def igb_close(netdev: IgbNetDevice) -> None:
    """ndo_stop; nothing when the device is detached (it was closed then)."""
    if netdev.present:
        __igb_close(netdev, False)


def _schedule(adapter: IgbAdapter, work: Work | None) -> None:
    if work is not None:
        adapter.pdev.kernel.workqueue.schedule_work(work)


# --- rings --------------------------------------------------------------------------------------------------


def _ring_dma(ring: IgbRing) -> None:
    ring.size = (ring.count * 16 + 4095) // 4096 * 4096
    desc = dma_alloc_coherent(ring.adapter.pdev.kernel.memory, ring.size)
    ring.desc = desc
    ring.view = desc.view
    ring.dma = desc.addr
    ring.next_to_use = 0
    ring.next_to_clean = 0
    ring.next_to_alloc = 0


def igb_setup_tx_resources(tx_ring: IgbRing) -> None:
    """Raises OSError(ENOMEM)."""
    try:
        _ring_dma(tx_ring)
    except OSError:
        tx_ring.adapter.pdev.err("Unable to allocate memory for the Tx descriptor ring")
        raise
    tx_ring.tx = [TxBuffer() for _ in range(tx_ring.count)]


def igb_setup_all_tx_resources(adapter: IgbAdapter) -> None:
    for i, ring in enumerate(adapter.rings_tx()):
        try:
            igb_setup_tx_resources(ring)
        except OSError:
            adapter.pdev.err("Allocation for Tx Queue %d failed" % i)
            for done in adapter.rings_tx()[:i]:
                igb_free_tx_resources(done)
            raise


def igb_setup_rx_resources(rx_ring: IgbRing) -> None:
    """Raises OSError(ENOMEM)."""
    try:
        _ring_dma(rx_ring)
    except OSError:
        rx_ring.adapter.pdev.err("Unable to allocate memory for the Rx descriptor ring")
        raise
    rx_ring.pages = [None] * rx_ring.count
    rx_ring.skb = None


def igb_setup_all_rx_resources(adapter: IgbAdapter) -> None:
    for i, ring in enumerate(adapter.rings_rx()):
        try:
            igb_setup_rx_resources(ring)
        except OSError:
            adapter.pdev.err("Allocation for Rx Queue %d failed" % i)
            for done in adapter.rings_rx()[:i]:
                igb_free_rx_resources(done)
            raise


def _free_ring_dma(ring: IgbRing) -> None:
    if ring.desc is not None:
        dma_free_coherent(ring.adapter.pdev.kernel.memory, ring.desc)
        ring.desc = None
        ring.view = memoryview(b"")


def igb_free_tx_resources(tx_ring: IgbRing) -> None:
    igb_clean_tx_ring(tx_ring)
    tx_ring.tx = []
    _free_ring_dma(tx_ring)


def igb_free_all_tx_resources(adapter: IgbAdapter) -> None:
    for ring in adapter.rings_tx():
        igb_free_tx_resources(ring)


def _put_txbuf(mem: Memory, b: TxBuffer) -> None:
    """Unmap and free the memory of one descriptor's buffer."""
    if b.dma:
        dma_unmap_page_attrs(mem, b.dma, b.length, DMA_TO_DEVICE)
        b.dma = 0
    if b.buf is not None:
        mem.release(b.buf)
        b.buf = None


def igb_clean_tx_ring(tx_ring: IgbRing) -> None:
    """Free every buffer; frames that the device had reported as sent were sent, the others are dropped."""
    mem = tx_ring.adapter.pdev.kernel.memory
    view = tx_ring.view
    for b in tx_ring.tx:
        skb = b.skb
        if skb is not None:
            b.skb = None
            if b.next_to_watch >= 0 and view[(b.next_to_watch << 4) + 12] & 1:
                __dev_kfree_skb_any(skb)
            else:
                kfree_skb_reason(skb, SITE_TX_RING_DOWN)
        _put_txbuf(mem, b)
        b.next_to_watch = -1
    netdev_tx_reset_queue(tx_ring.netdev.tx_queues[tx_ring.queue_index])
    tx_ring.next_to_use = 0
    tx_ring.next_to_clean = 0


def igb_clean_all_tx_rings(adapter: IgbAdapter) -> None:
    for ring in adapter.rings_tx():
        igb_clean_tx_ring(ring)


def igb_free_rx_resources(rx_ring: IgbRing) -> None:
    igb_clean_rx_ring(rx_ring)
    rx_ring.pages = []
    _free_ring_dma(rx_ring)


def igb_free_all_rx_resources(adapter: IgbAdapter) -> None:
    for ring in adapter.rings_rx():
        igb_free_rx_resources(ring)


def igb_clean_rx_ring(rx_ring: IgbRing) -> None:
    """Take every page back.  Frames that nobody harvested end here."""
    k = rx_ring.adapter.pdev.kernel
    mem = k.memory
    skb = rx_ring.skb
    if skb is not None:
        kfree_skb_reason(skb, SITE_RING_DOWN)
        rx_ring.skb = None
        rx_ring.skb_parts = []
    for i, page in enumerate(rx_ring.pages):
        if page is None:
            continue
        tag = mem.take_tag(page.addr())
        if tag is not None:
            k.ledger.book_drop(SITE_RING_DOWN, len(tag) if isinstance(tag, tuple) else 1)
        size = len(page.view0)
        mem.unmap(page.addr0, size)
        mem.unmap(page.addr1, size)
        mem.release(page.buf)
        rx_ring.pages[i] = None
    rx_ring.next_to_alloc = 0
    rx_ring.next_to_clean = 0
    rx_ring.next_to_use = 0
    rx_ring.view[:] = bytes(len(rx_ring.view))


def igb_clean_all_rx_rings(adapter: IgbAdapter) -> None:
    for ring in adapter.rings_rx():
        igb_clean_rx_ring(ring)


# --- addresses and VLANs ------------------------------------------------------------------------------------


def igb_set_mac(netdev: IgbNetDevice, addr: bytes) -> None:
    """Raises OSError(EADDRNOTAVAIL) for a group or zero address."""
    adapter = netdev.priv()
    if not is_valid_ether_addr(addr):
        raise linux_error(EADDRNOTAVAIL, netdev.name)
    netdev.dev_addr = bytes(addr)
    adapter.the_hw().mac_addr = netdev.dev_addr
    igb_set_default_mac_filter(adapter)


def igb_rar_set_index(adapter: IgbAdapter, index: int) -> None:
    hw = adapter.the_hw()
    e = adapter.mac_table[index]
    low = int.from_bytes(e.addr[:4], "little")
    high = int.from_bytes(e.addr[4:], "little")
    if e.state & MAC_STATE_IN_USE and is_valid_ether_addr(e.addr):
        high |= r.RAH_AV | r.RAH_POOL_1
    hw.wr32(r.RAL(index), low)
    hw.wrfl()
    hw.wr32(r.RAH(index), high)
    hw.wrfl()


def igb_flush_mac_table(adapter: IgbAdapter) -> None:
    for i, e in enumerate(adapter.mac_table):
        e.state &= ~MAC_STATE_IN_USE
        e.addr = b"\0" * 6
        e.queue = 0
        igb_rar_set_index(adapter, i)


def igb_set_default_mac_filter(adapter: IgbAdapter) -> None:
    e = adapter.mac_table[0]
    e.addr = adapter.the_hw().mac_addr
    e.queue = 0
    e.state = MAC_STATE_DEFAULT | MAC_STATE_IN_USE
    igb_rar_set_index(adapter, 0)


def _uc_sync(netdev: IgbNetDevice) -> bool:
    """Put the device's further unicast addresses into the table; False when they do not fit."""
    adapter = netdev.priv()
    want = [a for a in netdev.uc if netdev.uc[a] > 0]
    for i in range(1, len(adapter.mac_table)):
        e = adapter.mac_table[i]
        if e.state & MAC_STATE_IN_USE and e.addr not in want:
            e.state = 0
            e.addr = b"\0" * 6
            igb_rar_set_index(adapter, i)
    for addr in want:
        if any(e.state & MAC_STATE_IN_USE and e.addr == addr for e in adapter.mac_table):
            continue
        for i in range(1, len(adapter.mac_table)):
            e = adapter.mac_table[i]
            if not e.state & MAC_STATE_IN_USE:
                e.addr = addr
                e.state = MAC_STATE_IN_USE
                igb_rar_set_index(adapter, i)
                break
        else:
            return False
    return True


def igb_write_mc_addr_list(netdev: IgbNetDevice) -> int:
    addrs = [a for a in netdev.mc if netdev.mc[a] > 0]
    igb_update_mc_addr_list(netdev.priv().the_hw(), addrs)
    return len(addrs)


def igb_vlan_promisc_enable(adapter: IgbAdapter) -> bool:
    """True: simply leave the filter off.  With rules by VLAN priority the table is filled with ones instead."""
    if not (adapter.the_hw().mac_type == MAC_I350 and adapter.netdev.features & NETIF_F_NTUPLE):
        return True
    if not adapter.flags & IGB_FLAG_VLAN_PROMISC:
        for i in range(r.VFTA_ENTRIES - 1, -1, -1):
            _write_vfta(adapter, i, M32)
        adapter.flags |= IGB_FLAG_VLAN_PROMISC
    return False


def igb_vlan_promisc_disable(adapter: IgbAdapter) -> None:
    if not adapter.flags & IGB_FLAG_VLAN_PROMISC:
        return
    adapter.flags &= ~IGB_FLAG_VLAN_PROMISC
    for i in range(r.VFTA_ENTRIES):
        _write_vfta(adapter, i, adapter.active_vlans >> 32 * i & M32)


def _write_vfta(adapter: IgbAdapter, offset: int, value: int) -> None:
    igb_write_vfta(adapter.the_hw(), offset, value)
    adapter.shadow_vfta[offset] = value


def igb_set_rx_mode(netdev: IgbNetDevice) -> None:
    """Promiscuity, multicast table, further unicast addresses, VLAN filter, longest frame."""
    adapter = netdev.priv()
    hw = adapter.the_hw()
    rctl = 0
    vmolr = 0
    if netdev.flags & IFF_PROMISC:
        rctl |= r.RCTL_UPE | r.RCTL_MPE
        vmolr |= r.VMOLR_MPME
        if hw.mac_type == MAC_82576:
            vmolr |= r.VMOLR_ROPE
    elif netdev.flags & IFF_ALLMULTI:
        rctl |= r.RCTL_MPE
        vmolr |= r.VMOLR_MPME
    elif igb_write_mc_addr_list(netdev):
        vmolr |= r.VMOLR_ROMPE
    if not _uc_sync(netdev):
        rctl |= r.RCTL_UPE
        vmolr |= r.VMOLR_ROPE
    rctl |= r.RCTL_VFE
    if netdev.flags & IFF_PROMISC or netdev.features & NETIF_F_RXALL:
        if igb_vlan_promisc_enable(adapter):
            rctl &= ~r.RCTL_VFE
    else:
        igb_vlan_promisc_disable(adapter)
    hw.wr32(r.RCTL, rctl | hw.rd32(r.RCTL) & ~(r.RCTL_UPE | r.RCTL_MPE | r.RCTL_VFE))
    build = adapter.max_frame_size <= IGB_MAX_FRAME_BUILD_SKB and not adapter.old_release
    rlpml = IGB_MAX_FRAME_BUILD_SKB if build else MAX_JUMBO_FRAME_SIZE
    if adapter.old_release:
        rlpml = adapter.max_frame_size
    hw.wr32(r.RLPML, rlpml)
    keep = ~(r.VMOLR_ROPE | r.VMOLR_MPME | r.VMOLR_ROMPE | r.VMOLR_RLPML_MASK)
    hw.wr32(r.VMOLR(0), vmolr | hw.rd32(r.VMOLR(0)) & keep | rlpml | r.VMOLR_LPE)


def igb_vlan_mode(netdev: IgbNetDevice, features: int) -> None:
    """Strip tags, or leave them: CTRL.VME, and the queue pool's own bit."""
    adapter = netdev.priv()
    hw = adapter.the_hw()
    enable = bool(features & NETIF_F_HW_VLAN_CTAG_RX)
    if enable:
        hw.wr32(r.CTRL, hw.rd32(r.CTRL) | r.CTRL_VME)
        hw.wr32(r.RCTL, hw.rd32(r.RCTL) & ~r.RCTL_CFIEN)
    else:
        hw.wr32(r.CTRL, hw.rd32(r.CTRL) & ~r.CTRL_VME)
    off = r.DVMOLR(0) if hw.mac_type == MAC_I350 else r.VMOLR(0)
    v = hw.rd32(off)
    hw.wr32(off, v | r.VMOLR_STRVLAN if enable else v & ~r.VMOLR_STRVLAN)


def igb_vlan_rx_add_vid(netdev: IgbNetDevice, vid: int) -> None:
    adapter = netdev.priv()
    if not vid or not adapter.flags & IGB_FLAG_VLAN_PROMISC:
        i = vid >> 5 & 0x7F
        _write_vfta(adapter, i, adapter.shadow_vfta[i] | 1 << (vid & 31))
    adapter.active_vlans |= 1 << vid


def igb_vlan_rx_kill_vid(netdev: IgbNetDevice, vid: int) -> None:
    adapter = netdev.priv()
    if vid and not adapter.flags & IGB_FLAG_VLAN_PROMISC:
        i = vid >> 5 & 0x7F
        _write_vfta(adapter, i, adapter.shadow_vfta[i] & ~(1 << (vid & 31)))
    adapter.active_vlans &= ~(1 << vid)


def igb_restore_vlan(adapter: IgbAdapter) -> None:
    """After a reset, which cleared the chip's table."""
    adapter.shadow_vfta = [0] * 128
    igb_vlan_mode(adapter.netdev, adapter.netdev.features)
    igb_vlan_rx_add_vid(adapter.netdev, 0)
    vlans = adapter.active_vlans
    vid = 1
    while vlans >> vid:
        if vlans >> vid & 1:
            igb_vlan_rx_add_vid(adapter.netdev, vid)
        vid += 1


# --- rules by EtherType and VLAN priority -------------------------------------------------------------------


def igb_rxnfc_write_etype_filter(adapter: IgbAdapter, rule: NfcFilter) -> None:
    hw = adapter.the_hw()
    if all(adapter.etype_bitmap):
        adapter.pdev.err("ethtool -N: etype filters are all used.")
        raise linux_error(EINVAL, adapter.netdev.name)
    i = adapter.etype_bitmap.index(False)
    adapter.etype_bitmap[i] = True
    v = hw.rd32(r.ETQF(i)) & ~(r.ETQF_ETYPE_MASK | r.ETQF_QUEUE_MASK)
    v |= r.ETQF_FILTER_ENABLE | rule.etype | rule.action << r.ETQF_QUEUE_SHIFT & r.ETQF_QUEUE_MASK
    hw.wr32(r.ETQF(i), v | r.ETQF_QUEUE_ENABLE)
    rule.etype_reg_index = i


def igb_rxnfc_write_vlan_prio_filter(adapter: IgbAdapter, rule: NfcFilter) -> None:
    hw = adapter.the_hw()
    v = hw.rd32(r.VLAPQF)
    prio = rule.vlan_tci >> 13 & 7
    field = v >> 4 * prio & 0xF
    if field & 8 and field & r.VLAPQF_QUEUE_MASK != rule.action:
        adapter.pdev.err("ethtool rxnfc set vlan prio filter failed.")
        raise linux_error(EEXIST, adapter.netdev.name)
    hw.wr32(r.VLAPQF, v | (8 | rule.action & r.VLAPQF_QUEUE_MASK) << 4 * prio)


def igb_add_filter(adapter: IgbAdapter, rule: NfcFilter) -> None:
    """Raises OSError: EINVAL (all filters used), EEXIST (that priority goes elsewhere)."""
    if rule.etype >= 0:
        igb_rxnfc_write_etype_filter(adapter, rule)
    if rule.vlan_tci >= 0:
        igb_rxnfc_write_vlan_prio_filter(adapter, rule)


def igb_erase_filter(adapter: IgbAdapter, rule: NfcFilter) -> None:
    hw = adapter.the_hw()
    i = rule.etype_reg_index
    if rule.etype >= 0 and i >= 0:
        keep = ~(r.ETQF_QUEUE_ENABLE | r.ETQF_QUEUE_MASK | r.ETQF_FILTER_ENABLE)
        hw.wr32(r.ETQF(i), hw.rd32(r.ETQF(i)) & keep)
        adapter.etype_bitmap[i] = False
        rule.etype_reg_index = -1
    if rule.vlan_tci >= 0:
        prio = rule.vlan_tci >> 13 & 7
        hw.wr32(r.VLAPQF, hw.rd32(r.VLAPQF) & ~(0xB << 4 * prio))


def igb_nfc_filter_exit(adapter: IgbAdapter) -> None:
    for rule in adapter.nfc_filters:
        igb_erase_filter(adapter, rule)


def igb_nfc_filter_restore(adapter: IgbAdapter) -> None:
    for rule in adapter.nfc_filters:
        igb_add_filter(adapter, rule)


# --- watchdog -----------------------------------------------------------------------------------------------


def igb_update_phy_info(adapter: IgbAdapter) -> None:
    igb_get_phy_info(adapter.the_hw())


def igb_has_link(adapter: IgbAdapter) -> bool:
    hw = adapter.the_hw()
    if not hw.get_link_status:
        return True
    igb_check_for_copper_link(hw)
    return not hw.get_link_status


def igb_watchdog(adapter: IgbAdapter) -> None:
    _schedule(adapter, adapter.watchdog_task)


def igb_watchdog_task(adapter: IgbAdapter) -> None:
    """Link changes, statistics, transmit hang detection armed, every ring's interrupt by software; every 2 s."""
    netdev = adapter.netdev
    hw = adapter.the_hw()
    kernel = adapter.pdev.kernel
    if igb_has_link(adapter):
        if not netdev.carrier_ok:
            _link_is_up(adapter)
    elif netdev.carrier_ok:
        adapter.link_speed = 0
        adapter.link_duplex = 0
        adapter.link_line("NIC Link is Down")
        netif_carrier_off(netdev)
        if not adapter.state & STATE_DOWN and adapter.phy_info_timer is not None:
            adapter.phy_info_timer.mod_timer(round_jiffies(kernel, kernel.jiffies() + 2 * kernel.hz))
    igb_update_stats(adapter)
    for ring in adapter.rings_tx():
        if not netdev.carrier_ok and ring.unused() + 1 < ring.count:
            # frames wait and nobody will send them: only a reset frees them
            adapter.tx_timeout_count += 1
            _schedule(adapter, adapter.reset_task)
            return
        ring.detect_hang = True
    if adapter.flags & IGB_FLAG_HAS_MSIX:
        eics = 0
        for q_vector in adapter.vectors():
            eics |= q_vector.eims_value
        hw.wr32(r.EICS, eics)
    else:
        hw.wr32(r.ICS, r.ICR_RXDMT0)
    if hw.mac_type == MAC_I350:
        hw.rd32(r.LVMMC)
    if not adapter.state & STATE_DOWN and adapter.watchdog_timer is not None:
        adapter.watchdog_timer.mod_timer(round_jiffies(kernel, kernel.jiffies() + 2 * kernel.hz))


def _link_is_up(adapter: IgbAdapter) -> None:
    netdev = adapter.netdev
    hw = adapter.the_hw()
    kernel = adapter.pdev.kernel
    adapter.link_speed, adapter.link_duplex = igb_get_speed_and_duplex_copper(hw)
    ctrl = hw.rd32(r.CTRL)
    rx, tx = ctrl & r.CTRL_RFCE, ctrl & r.CTRL_TFCE
    adapter.link_line(
        "NIC Link is Up %d Mbps %s Duplex, Flow Control: %s"
        % (
            adapter.link_speed,
            "Full" if adapter.link_duplex == FULL_DUPLEX else "Half",
            "RX/TX" if rx and tx else "RX" if rx else "TX" if tx else "None",
        )
    )
    if adapter.flags & IGB_FLAG_EEE and adapter.link_duplex == HALF_DUPLEX:
        adapter.pdev.info("EEE Disabled: unsupported at half duplex. Re-enable using ethtool when at full duplex.")
        hw.eee_disable = True
        adapter.flags &= ~IGB_FLAG_EEE
    igb_check_downshift(hw)
    if hw.speed_downgraded:
        adapter.netdev_warn("Link Speed was downgraded by SmartSpeed")
    adapter.tx_timeout_factor = 14 if adapter.link_speed == SPEED_10 else 1
    if adapter.link_speed == SPEED_1000:
        try:
            for _ in range(20):
                if igb_read_phy_reg(hw, 10) & 0x1000:
                    break
                msleep(kernel, 100)
            else:
                adapter.pdev.err("exceed max 2 second")
        except OSError:
            adapter.pdev.err("read 1000Base-T Status Reg")
    netif_carrier_on(netdev)
    if not adapter.state & STATE_DOWN and adapter.phy_info_timer is not None:
        adapter.phy_info_timer.mod_timer(round_jiffies(kernel, kernel.jiffies() + 2 * kernel.hz))


# --- moderation ---------------------------------------------------------------------------------------------


def igb_update_ring_itr(q_vector: IgbQVector) -> None:
    """With several vectors: the interval grows with the mean size of frames on the wire."""
    adapter = q_vector.adapter
    rx, tx = q_vector.rx, q_vector.tx
    new_val = q_vector.itr_val
    known = True
    if adapter.link_speed != SPEED_1000:
        new_val = IGB_4K_ITR
    else:
        avg = rx.total_bytes // rx.total_packets if rx.total_packets else 0
        if tx.total_packets:
            avg = max(avg, tx.total_bytes // tx.total_packets)
        if avg:
            avg = min(avg + 24, 3000)
            new_val = avg // 3 if 300 < avg < 1200 else avg // 2
            setting = adapter.rx_itr_setting if rx.ring is not None else adapter.tx_itr_setting
            if new_val < IGB_20K_ITR and setting == 3:
                new_val = IGB_20K_ITR
        else:
            known = False
    if known and new_val != q_vector.itr_val:
        q_vector.itr_val = new_val
        q_vector.set_itr = True
    rx.total_bytes = 0
    rx.total_packets = 0
    tx.total_bytes = 0
    tx.total_packets = 0


def igb_update_itr(itrval: int, packets: int, bytes_: int) -> int:
    """The latency class that the last interval's traffic asks for."""
    if packets == 0:
        return itrval
    if itrval == LOWEST_LATENCY:
        if bytes_ // packets > 8000:
            return BULK_LATENCY
        if packets < 5 and bytes_ > 512:
            return LOW_LATENCY
    elif itrval == LOW_LATENCY:
        if bytes_ > 10000:
            if bytes_ // packets > 8000 or packets < 10 or bytes_ // packets > 1200:
                return BULK_LATENCY
            if packets > 35:
                return LOWEST_LATENCY
        elif bytes_ // packets > 2000:
            return BULK_LATENCY
        elif packets <= 2 and bytes_ < 512:
            return LOWEST_LATENCY
    elif bytes_ > 25000:
        if packets > 35:
            return LOW_LATENCY
    elif bytes_ < 1500:
        return LOW_LATENCY
    return itrval


def igb_set_itr(q_vector: IgbQVector) -> None:
    """With one vector: three classes, as e1000e."""
    adapter = q_vector.adapter
    if adapter.link_speed != SPEED_1000:
        new_itr = IGB_4K_ITR
    else:
        for c in (q_vector.tx, q_vector.rx):
            c.itr = igb_update_itr(c.itr, c.total_packets, c.total_bytes)
            if c.total_packets:
                c.total_bytes = 0
                c.total_packets = 0
        current = max(q_vector.rx.itr, q_vector.tx.itr)
        setting = adapter.rx_itr_setting if q_vector.rx.ring is not None else adapter.tx_itr_setting
        if current == LOWEST_LATENCY and setting == 3:
            current = LOW_LATENCY
        new_itr = (IGB_70K_ITR, IGB_20K_ITR, IGB_4K_ITR)[current]
    if new_itr != q_vector.itr_val:
        old = q_vector.itr_val
        if new_itr > old:
            new_itr = max(new_itr * old // (new_itr + (old >> 2)), new_itr)
        q_vector.itr_val = new_itr
        q_vector.set_itr = True


# --- transmit -----------------------------------------------------------------------------------------------


def igb_tx_ctxtdesc(tx_ring: IgbRing, vlan_macip_lens: int, type_tucmd: int, mss_l4len_idx: int) -> None:
    i = tx_ring.next_to_use
    _CTXD.pack_into(
        tx_ring.view,
        i << 4,
        vlan_macip_lens,
        0,
        type_tucmd | r.TXD_CMD_DEXT | r.ADVTXD_DTYP_CTXT,
        mss_l4len_idx,
    )
    i += 1
    tx_ring.next_to_use = i if i < tx_ring.count else 0


def igb_tso(tx_ring: IgbRing, skb: SkBuff, data: bytes, tx_flags: int) -> tuple[bytes, int, int]:
    """Prepare a large send: (bytes with the headers as the chip wants them, flags, header length)."""
    l3 = skb.network_header - skb.data
    l4 = skb.csum_start - skb.data if skb.ip_summed == CHECKSUM_PARTIAL else skb.transport_header - skb.data
    out = bytearray(data)
    udp = bool(skb.gso_type & SKB_GSO_UDP_L4)
    tucmd = r.ADVTXD_TUCMD_L4T_UDP if udp else r.ADVTXD_TUCMD_L4T_TCP
    tx_flags |= TX_FLAGS_TSO | TX_FLAGS_CSUM
    proto = 17 if udp else 6
    if out[l3] >> 4 == 4:
        out[l3 + 2 : l3 + 4] = b"\0\0"
        out[l3 + 10 : l3 + 12] = b"\0\0"
        pseudo = bytes(out[l3 + 12 : l3 + 20]) + bytes((0, proto))
        tucmd |= r.ADVTXD_TUCMD_IPV4
        tx_flags |= TX_FLAGS_IPV4
    else:
        out[l3 + 4 : l3 + 6] = b"\0\0"
        pseudo = bytes(out[l3 + 8 : l3 + 40]) + bytes((0, proto))
    total = sum(struct.unpack(">%dH" % (len(pseudo) // 2), pseudo))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    struct.pack_into(">H", out, l4 + (6 if udp else 16), total)
    hdr_len = l4 + (8 if udp else (out[l4 + 12] >> 4) * 4)
    mss_l4len = (hdr_len - l4) << r.ADVTXD_L4LEN_SHIFT | skb.gso_size << r.ADVTXD_MSS_SHIFT
    lens = l4 - l3 | l3 << r.ADVTXD_MACLEN_SHIFT | tx_flags & 0xFFFF0000
    igb_tx_ctxtdesc(tx_ring, lens, tucmd, mss_l4len)
    return bytes(out), tx_flags, hdr_len


def igb_tx_csum(tx_ring: IgbRing, skb: SkBuff, tx_flags: int) -> int:
    """A checksum to insert, or only a VLAN tag: what needs a context descriptor.  Returns the flags."""
    lens = 0
    tucmd = 0
    if skb.ip_summed == CHECKSUM_PARTIAL and skb.csum_offset in (16, 6):
        if skb.csum_offset == 16:
            tucmd = r.ADVTXD_TUCMD_L4T_TCP
        tx_flags |= TX_FLAGS_CSUM
        lens = skb.csum_start - skb.network_header
    elif not tx_flags & TX_FLAGS_VLAN:
        return tx_flags
    lens |= (skb.network_header - skb.data) << r.ADVTXD_MACLEN_SHIFT
    igb_tx_ctxtdesc(tx_ring, lens | tx_flags & 0xFFFF0000, tucmd, 0)
    return tx_flags


def __igb_maybe_stop_tx(tx_ring: IgbRing, size: int) -> int:
    q = tx_ring.netdev.tx_queues[tx_ring.queue_index]
    netif_tx_stop_queue(q)
    if tx_ring.unused() < size:
        return -EBUSY
    netif_tx_wake_queue(q)
    tx_ring.restart_queue += 1
    return 0


def igb_maybe_stop_tx(tx_ring: IgbRing, size: int) -> int:
    """0 when `size` descriptors are free; else the queue is stopped and -EBUSY."""
    if tx_ring.unused() >= size:
        return 0
    return __igb_maybe_stop_tx(tx_ring, size)


def igb_xmit_frame_ring(skb: SkBuff, tx_ring: IgbRing) -> int:
    """Offload context, mapping, descriptors, tail."""
    adapter = tx_ring.adapter
    data = skb.tobytes()
    if len(data) < 17:
        data += bytes(17 - len(data))
    if igb_maybe_stop_tx(tx_ring, -(-len(data) // IGB_MAX_DATA_PER_TXD) + 3):
        return NETDEV_TX_BUSY
    tx_flags = 0
    if skb.vlan_present:
        tx_flags = TX_FLAGS_VLAN | skb.vlan_tci << 16
    first = tx_ring.next_to_use
    hdr_len = 0
    segs = 1
    bytecount = skb.len
    if skb.gso_size and skb.ip_summed == CHECKSUM_PARTIAL:
        data, tx_flags, hdr_len = igb_tso(tx_ring, skb, data, tx_flags)
        segs = skb.gso_segs or 1
        bytecount += (segs - 1) * hdr_len
    else:
        tx_flags = igb_tx_csum(tx_ring, skb, tx_flags)
    # igb_tx_map
    mem = adapter.pdev.kernel.memory
    cmd = r.ADVTXD_DTYP_DATA | r.TXD_CMD_DEXT | r.TXD_CMD_IFCS
    if tx_flags & TX_FLAGS_VLAN:
        cmd |= r.TXD_CMD_VLE
    if tx_flags & TX_FLAGS_TSO:
        cmd |= r.ADVTXD_DCMD_TSE
    olinfo = (len(data) - hdr_len) << r.ADVTXD_PAYLEN_SHIFT & M32
    if tx_flags & TX_FLAGS_CSUM:
        olinfo |= r.TXD_POPTS_TXSM
    if tx_flags & TX_FLAGS_IPV4:
        olinfo |= r.TXD_POPTS_IXSM
    i = tx_ring.next_to_use
    used: list[int] = []
    pos = 0
    try:
        while pos < len(data):
            if used:
                i += 1
                if i == tx_ring.count:
                    i = 0
            size = min(len(data) - pos, IGB_MAX_DATA_PER_TXD)
            b = tx_ring.tx[i]
            buf = mem.alloc(2048 if size <= 2048 else (size + PAGE_SIZE - 1) // PAGE_SIZE * PAGE_SIZE)
            b.buf = buf
            used.append(i)
            buf.view[:size] = data[pos : pos + size]
            b.length = size
            b.dma = dma_map_page_attrs(mem, buf, 0, size, DMA_TO_DEVICE)
            pos += size
            last = cmd | size
            if pos == len(data):
                last |= r.TXD_CMD_EOP | r.TXD_CMD_RS
            _TXD.pack_into(tx_ring.view, i << 4, b.dma, last, olinfo if len(used) == 1 else 0)
    except (OSError, DmaFault):
        adapter.pdev.err("TX DMA map failed")
        for k in used:
            _put_txbuf(mem, tx_ring.tx[k])
        kfree_skb_reason(skb, SITE_TX_DMA)
        tx_ring.next_to_use = first
        return NETDEV_TX_OK
    head = tx_ring.tx[first]
    head.skb = skb
    head.segs = segs
    head.bytecount = bytecount
    netdev_tx_sent_queue(tx_ring.netdev.tx_queues[tx_ring.queue_index], bytecount)
    head.time_stamp = adapter.pdev.kernel.jiffies()
    head.next_to_watch = i
    skb_clone_tx_timestamp(skb)
    if skb.txstamp is not None:  # skb_tx_timestamp
        skb_tstamp_tx(skb)
    i += 1
    if i == tx_ring.count:
        i = 0
    tx_ring.next_to_use = i
    igb_maybe_stop_tx(tx_ring, DESC_NEEDED)
    adapter.pdev.model.mmio_write(0, tx_ring.tail, 4, i)
    return NETDEV_TX_OK


def igb_xmit_frame(skb: SkBuff, netdev: IgbNetDevice, queue: int) -> int:
    """ndo_start_xmit."""
    adapter = netdev.priv()
    if skb.len <= 0:
        kfree_skb_reason(skb, SITE_TX_EMPTY)
        return NETDEV_TX_OK
    ring = adapter.tx_ring[queue % adapter.num_tx_queues]
    assert ring is not None
    return igb_xmit_frame_ring(skb, ring)


def igb_tx_timeout(netdev: IgbNetDevice, txqueue: int) -> None:
    adapter = netdev.priv()
    hw = adapter.the_hw()
    adapter.tx_timeout_count += 1
    if hw.mac_type != MAC_82576:
        hw.global_device_reset = True
    _schedule(adapter, adapter.reset_task)
    hw.wr32(r.EICS, adapter.eims_enable_mask & ~adapter.eims_other)


def igb_reset_task(adapter: IgbAdapter) -> None:
    if adapter.state & (STATE_DOWN | STATE_RESETTING):
        return
    adapter.netdev_err("Reset adapter")
    igb_reinit_locked(adapter)


# --- statistics ---------------------------------------------------------------------------------------------


def igb_get_stats64(netdev: IgbNetDevice, s: RtnlLinkStats64) -> None:
    adapter = netdev.priv()
    igb_update_stats(adapter)
    n = adapter.stats64
    s.rx_packets = n.rx_packets
    s.rx_bytes = n.rx_bytes
    s.tx_packets = n.tx_packets
    s.tx_bytes = n.tx_bytes
    s.multicast = n.multicast
    s.collisions = n.collisions
    s.rx_errors = n.rx_errors
    s.rx_length_errors = n.rx_length_errors
    s.rx_crc_errors = n.rx_crc_errors
    s.rx_frame_errors = n.rx_frame_errors
    s.rx_fifo_errors = n.rx_fifo_errors
    s.rx_missed_errors = n.rx_missed_errors
    s.tx_errors = n.tx_errors
    s.tx_aborted_errors = n.tx_aborted_errors
    s.tx_window_errors = n.tx_window_errors
    s.tx_carrier_errors = n.tx_carrier_errors


def igb_update_stats(adapter: IgbAdapter) -> None:
    """Add up the counters that a read clears; not while the link speed is unknown."""
    if adapter.link_speed == 0 or adapter.pdev.error_state != PCI_CHANNEL_IO_NORMAL:
        return
    hw = adapter.the_hw()
    rd = hw.stat
    s = adapter.stats
    n = adapter.stats64
    bytes_ = packets = 0
    for ring in adapter.rings_rx():
        rqdpc = hw.rd32(r.RQDPC(ring.queue_index))
        if rqdpc:
            ring.drops += rqdpc
            n.rx_fifo_errors += rqdpc
        bytes_ += ring.rx_bytes
        packets += ring.rx_packets
    n.rx_bytes = bytes_
    n.rx_packets = packets
    bytes_ = packets = 0
    for ring in adapter.rings_tx():
        bytes_ += ring.tx_bytes
        packets += ring.tx_packets
    n.tx_bytes = bytes_
    n.tx_packets = packets
    s.crcerrs += rd("CRCERRS")
    s.gprc += rd("GPRC")
    s.gorc += rd("GORCL")
    rd("GORCH")
    s.bprc += rd("BPRC")
    s.mprc += rd("MPRC")
    s.roc += rd("ROC")
    for name in ("PRC64", "PRC127", "PRC255", "PRC511", "PRC1023", "PRC1522"):
        rd(name)
    s.symerrs += rd("SYMERRS")
    s.sec += rd("SEC")
    mpc = rd("MPC")
    s.mpc += mpc
    n.rx_fifo_errors += mpc
    s.scc += rd("SCC")
    s.ecol += rd("ECOL")
    s.mcc += rd("MCC")
    s.latecol += rd("LATECOL")
    s.dc += rd("DC")
    s.rlec += rd("RLEC")
    s.xonrxc += rd("XONRXC")
    s.xontxc += rd("XONTXC")
    s.xoffrxc += rd("XOFFRXC")
    s.xofftxc += rd("XOFFTXC")
    s.fcruc += rd("FCRUC")
    s.gptc += rd("GPTC")
    s.gotc += rd("GOTCL")
    rd("GOTCH")
    s.rnbc += rd("RNBC")
    s.ruc += rd("RUC")
    s.rfc += rd("RFC")
    s.rjc += rd("RJC")
    rd("TORH")
    rd("TOTH")
    s.tpr += rd("TPR")
    for name in ("PTC64", "PTC127", "PTC255", "PTC511", "PTC1023", "PTC1522"):
        rd(name)
    s.mptc += rd("MPTC")
    s.bptc += rd("BPTC")
    s.tpt += rd("TPT")
    s.colc += rd("COLC")
    s.algnerrc += rd("ALGNERRC")
    s.rxerrc += rd("RXERRC")
    s.tncrs += rd("TNCRS")
    s.tsctc += rd("TSCTC")
    s.tsctfc += rd("CBRMPC")
    s.iac += rd("IAC")
    n.multicast = s.mprc
    n.collisions = s.colc
    n.rx_errors = s.rxerrc + s.crcerrs + s.algnerrc + s.ruc + s.roc + s.cexterr
    n.rx_length_errors = s.ruc + s.roc
    n.rx_crc_errors = s.crcerrs
    n.rx_frame_errors = s.algnerrc
    n.rx_missed_errors = s.mpc
    n.tx_errors = s.ecol + s.latecol
    n.tx_aborted_errors = s.ecol
    n.tx_window_errors = s.latecol
    n.tx_carrier_errors = s.tncrs
    s.mgptc += rd("MGTPTC")
    s.mgprc += rd("MGTPRC")
    s.mgpdc += rd("MGTPDC")


# --- interrupt handlers -------------------------------------------------------------------------------------


def _other_causes(adapter: IgbAdapter, icr: int, link: int) -> None:
    if icr & r.ICR_DRSTA:
        _schedule(adapter, adapter.reset_task)
    if icr & r.ICR_DOUTSYNC:
        adapter.stats.doosync += 1
    if icr & link:
        adapter.the_hw().get_link_status = True
        if not adapter.state & STATE_DOWN and adapter.watchdog_timer is not None:
            adapter.watchdog_timer.mod_timer(adapter.pdev.kernel.jiffies() + 1)
    if icr & r.ICR_TS:
        adapter.the_hw().rd32(r.TSICR)


def igb_msix_other(irq: int, data: object) -> int:
    assert isinstance(data, IgbAdapter)
    model = data.pdev.model
    icr = model.mmio_read(0, ICR, 4)
    _other_causes(data, icr, r.ICR_LSC)
    model.mmio_write(0, EIMS, 4, data.eims_other)
    return IRQ_HANDLED


def igb_write_itr(q_vector: IgbQVector) -> None:
    """The interval that the last poll chose; the running count goes on."""
    if not q_vector.set_itr:
        return
    itr_val = q_vector.itr_val & 0x7FFC
    if not itr_val:
        itr_val = 0x4
    q_vector.adapter.pdev.model.mmio_write(0, q_vector.itr_register, 4, itr_val | r.EITR_CNT_IGNR)
    q_vector.set_itr = False


def igb_msix_ring(irq: int, data: object) -> int:
    assert isinstance(data, IgbQVector)
    if data.set_itr:
        igb_write_itr(data)
    napi_schedule(data.napi)
    return IRQ_HANDLED


def igb_intr_msi(irq: int, data: object) -> int:
    """MSI: reading ICR masks everything by IAM."""
    assert isinstance(data, IgbAdapter)
    q_vector = data.q_vector[0]
    assert q_vector is not None
    icr = data.pdev.model.mmio_read(0, ICR, 4)
    igb_write_itr(q_vector)
    _other_causes(data, icr, r.ICR_RXSEQ | r.ICR_LSC)
    napi_schedule(q_vector.napi)
    return IRQ_HANDLED


def igb_intr(irq: int, data: object) -> int:
    """INTx, maybe shared: IRQ_NONE unless ICR says that this device asserted the line."""
    assert isinstance(data, IgbAdapter)
    q_vector = data.q_vector[0]
    assert q_vector is not None
    icr = data.pdev.model.mmio_read(0, ICR, 4)
    if not icr & r.ICR_INT_ASSERTED:
        return IRQ_NONE
    igb_write_itr(q_vector)
    _other_causes(data, icr, r.ICR_RXSEQ | r.ICR_LSC)
    napi_schedule(q_vector.napi)
    return IRQ_HANDLED


# --- direct cache access: told to the chip, without effect here ---------------------------------------------


def igb_update_dca(q_vector: IgbQVector) -> None:
    """Name this CPU as the one whose cache the rings' descriptors should go to."""
    adapter = q_vector.adapter
    cur = adapter.pdev.kernel.engine.current
    cpu = cur.id if cur is not None else 0
    if q_vector.cpu == cpu:
        return
    hw = adapter.the_hw()
    tx, rx = q_vector.tx.ring, q_vector.rx.ring
    if tx is not None:
        hw.wr32(
            r.DCA_TXCTRL(tx.reg_idx),
            cpu << r.DCA_CPUID_SHIFT | r.DCA_TXCTRL_DESC_RRO_EN | r.DCA_TXCTRL_DATA_RRO_EN | r.DCA_TXCTRL_DESC_DCA_EN,
        )
    if rx is not None:
        hw.wr32(
            r.DCA_RXCTRL(rx.reg_idx),
            cpu << r.DCA_CPUID_SHIFT | r.DCA_RXCTRL_DESC_RRO_EN | r.DCA_RXCTRL_DESC_DCA_EN,
        )
    q_vector.cpu = cpu


def igb_setup_dca(adapter: IgbAdapter) -> None:
    if not adapter.flags & IGB_FLAG_DCA_ENABLED:
        return
    adapter.the_hw().wr32(r.DCA_CTRL, r.DCA_CTRL_DCA_MODE_CB2)
    for q_vector in adapter.vectors():
        q_vector.cpu = -1
        igb_update_dca(q_vector)


def __igb_notify_dca(adapter: IgbAdapter, event: int) -> None:
    if event == DCA_PROVIDER_ADD:
        if not adapter.flags & IGB_FLAG_DCA_ENABLED:
            adapter.flags |= IGB_FLAG_DCA_ENABLED
            adapter.pdev.info("DCA enabled")
            igb_setup_dca(adapter)
    elif adapter.flags & IGB_FLAG_DCA_ENABLED:
        adapter.pdev.info("DCA disabled")
        adapter.flags &= ~IGB_FLAG_DCA_ENABLED
        adapter.the_hw().wr32(r.DCA_CTRL, r.DCA_CTRL_DCA_MODE_DISABLE)


def igb_notify_dca(adapters: list[IgbAdapter], event: int) -> None:
    """A DCA provider came or went (DCA_PROVIDER_ADD, DCA_PROVIDER_REMOVE): tell every port."""
    for adapter in adapters:
        __igb_notify_dca(adapter, event)


# --- poll ---------------------------------------------------------------------------------------------------


def igb_ring_irq_enable(q_vector: IgbQVector) -> None:
    adapter = q_vector.adapter
    setting = adapter.rx_itr_setting if q_vector.rx.ring is not None else adapter.tx_itr_setting
    if setting & 3:
        if adapter.num_q_vectors == 1:
            igb_set_itr(q_vector)
        else:
            igb_update_ring_itr(q_vector)
    if not adapter.state & STATE_DOWN:
        if adapter.flags & IGB_FLAG_HAS_MSIX:
            adapter.pdev.model.mmio_write(0, EIMS, 4, q_vector.eims_value)
        else:
            igb_irq_enable(adapter)


def igb_poll(napi: IgbNapi, budget: int) -> int:
    q_vector = napi.q_vector
    assert q_vector is not None
    adapter = q_vector.adapter
    if adapter.flags & IGB_FLAG_DCA_ENABLED:
        igb_update_dca(q_vector)
    clean_complete = True
    work_done = 0
    if q_vector.tx.ring is not None:
        clean_complete = igb_clean_tx_irq(q_vector)
    if q_vector.rx.ring is not None:
        work_done = igb_clean_rx_irq(q_vector, budget)
        if work_done >= budget:
            clean_complete = False
    if not clean_complete:
        return budget
    if adapter.old_release:
        napi_complete(napi)
        igb_ring_irq_enable(q_vector)
        return 0
    if napi_complete_done(napi, work_done):
        igb_ring_irq_enable(q_vector)
    return work_done


def igb_clean_tx_irq(q_vector: IgbQVector) -> bool:
    """Free what the device has sent, up to the work limit; False when there may be more."""
    adapter = q_vector.adapter
    tx_ring = q_vector.tx.ring
    assert tx_ring is not None
    if adapter.state & STATE_DOWN:
        return True
    view = tx_ring.view
    tx = tx_ring.tx
    mem = adapter.pdev.kernel.memory
    count = tx_ring.count
    budget = q_vector.tx.work_limit
    total_bytes = total_packets = 0
    i = tx_ring.next_to_clean
    while True:
        first = tx[i]
        eop = first.next_to_watch
        if eop < 0 or not view[(eop << 4) + 12] & 1:
            break
        first.next_to_watch = -1
        total_bytes += first.bytecount
        total_packets += first.segs
        skb = first.skb
        if skb is not None:
            first.skb = None
            __dev_kfree_skb_any(skb)
        while True:
            b = tx[i]
            if b.buf is not None:
                _put_txbuf(mem, b)
            done = i == eop
            i += 1
            if i == count:
                i = 0
            if done:
                break
        budget -= 1
        if not budget:
            break
    netdev = adapter.netdev
    netdev_tx_completed_queue(netdev.tx_queues[tx_ring.queue_index], total_packets, total_bytes)
    tx_ring.next_to_clean = i
    tx_ring.tx_bytes += total_bytes
    tx_ring.tx_packets += total_packets
    q_vector.tx.total_bytes += total_bytes
    q_vector.tx.total_packets += total_packets
    if tx_ring.detect_hang:
        tx_ring.detect_hang = False
        b = tx[i]
        kernel = adapter.pdev.kernel
        if (
            b.next_to_watch >= 0
            and kernel.jiffies() > b.time_stamp + adapter.tx_timeout_factor * kernel.hz
            and not adapter.the_hw().rd32(r.STATUS) & r.STATUS_TXOFF
        ):
            _print_tx_hang(adapter, tx_ring, b)
            netif_tx_stop_queue(netdev.tx_queues[tx_ring.queue_index])
            return True
    if total_packets and netdev.carrier_ok and tx_ring.unused() >= TX_WAKE_THRESHOLD:
        q = netdev.tx_queues[tx_ring.queue_index]
        if q.stopped and not adapter.state & STATE_DOWN:
            netif_tx_wake_queue(q)
            tx_ring.restart_queue += 1
    return bool(budget)


def _print_tx_hang(adapter: IgbAdapter, tx_ring: IgbRing, b: TxBuffer) -> None:
    """The lines that tell of a transmit unit that stands still (Linux prints them in igb_clean_tx_irq)."""
    hw = adapter.the_hw()
    adapter.pdev.err(
        "Detected Tx Unit Hang\n  Tx Queue             <%d>\n  TDH                  <%x>\n"
        "  TDT                  <%x>\n  next_to_use          <%x>\n  next_to_clean        <%x>\n"
        "buffer_info[next_to_clean]\n  time_stamp           <%x>\n  next_to_watch        <%x>\n"
        "  jiffies              <%x>\n  desc.status          <%x>"
        % (
            tx_ring.queue_index,
            hw.rd32(r.TDH(tx_ring.reg_idx)),
            hw.rd32(tx_ring.tail),
            tx_ring.next_to_use,
            tx_ring.next_to_clean,
            b.time_stamp,
            b.next_to_watch,
            adapter.pdev.kernel.jiffies(),
            tx_ring.view[(b.next_to_watch << 4) + 12],
        )
    )


# --- receive ------------------------------------------------------------------------------------------------


def igb_rx_checksum(ring: IgbRing, staterr: int, skb: SkBuff) -> None:
    """What the chip found out about the checksums; a bad one is left to the stack."""
    if staterr & STAT_IXSM or not ring.netdev.features & NETIF_F_RXCSUM:
        return
    if staterr & CSUM_ERR:
        # frames of 60 bytes may be padded SCTP, which the chip judges wrongly: they are not counted
        if skb.len != 60:
            ring.csum_err += 1
        return
    if staterr & CSUM_DONE:
        skb.ip_summed = CHECKSUM_UNNECESSARY


def igb_clean_rx_irq(q_vector: IgbQVector, budget: int) -> int:
    """Harvest up to `budget` frames; returns how many.  A page goes back into the ring with its other half up."""
    adapter = q_vector.adapter
    rx_ring = q_vector.rx.ring
    assert rx_ring is not None
    netdev = adapter.netdev
    napi = q_vector.napi
    net = adapter.net
    kernel = net.kernel
    mem = kernel.memory
    tags = mem.tags
    view = rx_ring.view
    unpack_from = _RXD.unpack_from
    pages = rx_ring.pages
    count = rx_ring.count
    half = rx_ring.half_size
    build = rx_ring.build_skb
    truesize = build_skb_truesize(half)
    queue = rx_ring.queue_index
    features = netdev.features
    errors = 0 if features & NETIF_F_RXALL else FRAME_ERR
    rxhash = features & NETIF_F_RXHASH
    rxvlan = features & NETIF_F_HW_VLAN_CTAG_RX
    costs = kernel.costs
    cpu = kernel.cur() if costs.enabled else None
    frame_ns = costs.driver_frame + costs.skb_alloc
    total_bytes = total_packets = 0
    cleaned_count = rx_ring.unused()
    skb = rx_ring.skb
    i = rx_ring.next_to_clean
    nta = rx_ring.next_to_alloc
    while total_packets < budget:
        if cleaned_count >= IGB_RX_BUFFER_WRITE:
            rx_ring.next_to_clean = i
            rx_ring.next_to_alloc = nta
            igb_alloc_rx_buffers(rx_ring, cleaned_count)
            nta = rx_ring.next_to_alloc
            cleaned_count = 0
        _info, _hdr, rss, staterr, size, vlan = unpack_from(view, i << 4)
        if not size:
            break
        page = pages[i]
        assert page is not None
        if page.half:
            addr = page.addr1
            data = bytes(page.view1[:size])
        else:
            addr = page.addr0
            data = bytes(page.view0[:size])
        dma_sync_single_for_cpu(mem, addr, size, DMA_FROM_DEVICE)
        if staterr & STAT_TSIP:
            data = data[r.TS_HDR_LEN :]
            size -= r.TS_HDR_LEN
        if skb is None:
            if cpu is not None:
                cpu.charge(frame_ns)
            if build:
                skb = SkBuff(net, data, truesize)
                skb.head_frag = True
            else:
                skb = __napi_alloc_skb(net, IGB_RX_HDR_LEN)
                if size > IGB_RX_HDR_LEN or not staterr & STAT_EOP:
                    skb.truesize += half
                    skb.head_size += half  # a fragment's bytes do not fit the head
                    skb.nr_frags = 1
                elif cpu is not None:
                    cpu.charge(costs.copybreak)
                skb_put(skb, data)
            tag = tags.pop(addr, None)
            if tag is not None:
                skb.tag = tag
                skb.tokens = len(tag) if isinstance(tag, tuple) else 1
        else:
            rx_ring.skb_parts.append(data)
            skb.truesize += half
            skb.head_size += half
            skb.nr_frags += 1
        # igb_put_rx_buffer: the page is free again, its other half comes next
        page.half ^= 1
        pages[i] = None
        pages[nta] = page
        nta += 1
        if nta == count:
            nta = 0
        cleaned_count += 1
        i += 1
        if i == count:
            i = 0
        if not staterr & STAT_EOP:
            continue
        if rx_ring.skb_parts:
            skb_put(skb, b"".join(rx_ring.skb_parts))
            rx_ring.skb_parts = []
        if staterr & errors:
            kfree_skb_reason(skb, SITE_RX_ERROR)
            skb = None
            continue
        if skb.len < ETH_ZLEN:
            skb_put(skb, bytes(ETH_ZLEN - skb.len))
        total_bytes += skb.len
        # igb_process_skb_fields
        if rxhash:
            skb.hash = rss
        igb_rx_checksum(rx_ring, staterr, skb)
        if staterr & STAT_VP and rxvlan:
            skb.vlan_present = True
            skb.vlan_proto = ETH_P_8021Q
            skb.vlan_tci = vlan
        skb.queue_mapping = queue
        skb.rx_queue_recorded = True
        eth_type_trans(skb, netdev)
        napi_gro_receive(napi, skb)
        skb = None
        total_packets += 1
    rx_ring.skb = skb
    rx_ring.next_to_clean = i
    rx_ring.next_to_alloc = nta
    rx_ring.rx_packets += total_packets
    rx_ring.rx_bytes += total_bytes
    q_vector.rx.total_packets += total_packets
    q_vector.rx.total_bytes += total_bytes
    if cleaned_count:
        igb_alloc_rx_buffers(rx_ring, cleaned_count)
    return total_packets


def igb_alloc_mapped_page(rx_ring: IgbRing) -> RxPage | None:
    """A new page, both halves mapped; None (and counted) when there is no memory or no mapping."""
    mem = rx_ring.adapter.pdev.kernel.memory
    half = rx_ring.half_size
    try:
        buf = mem.alloc(2 * half)
    except OSError:
        rx_ring.alloc_failed += 1
        return None
    # with headroom a half has less room than the chip is told; RLPML keeps frames shorter than it
    room = min(rx_ring.bufsz, half - rx_ring.offset)
    page = RxPage(buf, rx_ring.offset, half, room)
    try:
        dma_map_page_attrs(mem, buf, rx_ring.offset, room, DMA_FROM_DEVICE)
        dma_map_page_attrs(mem, buf, half + rx_ring.offset, room, DMA_FROM_DEVICE)
    except DmaFault:
        mem.release(buf)
        rx_ring.alloc_failed += 1
        return None
    return page


def igb_alloc_rx_buffers(rx_ring: IgbRing, cleaned_count: int) -> None:
    """Give `cleaned_count` slots a page; one write of the tail."""
    if not cleaned_count:
        return
    pages = rx_ring.pages
    view = rx_ring.view
    pack_into = _RX_READ.pack_into
    count = rx_ring.count
    i = rx_ring.next_to_use
    while cleaned_count:
        page = pages[i]
        if page is None:
            page = pages[i] = igb_alloc_mapped_page(rx_ring)
            if page is None:
                break
        pack_into(view, i << 4, page.addr1 if page.half else page.addr0, 0)
        i += 1
        if i == count:
            i = 0
        cleaned_count -= 1
    _LENGTH.pack_into(view, (i << 4) + 12, 0)
    if rx_ring.next_to_use != i:
        rx_ring.next_to_use = i
        rx_ring.next_to_alloc = i
        rx_ring.adapter.pdev.model.mmio_write(0, rx_ring.tail, 4, i)


# --- changes while up ---------------------------------------------------------------------------------------


def igb_change_mtu(netdev: IgbNetDevice, new_mtu: int) -> None:
    adapter = netdev.priv()
    max_frame = max(new_mtu + adapter.hdr_pad, ETH_FRAME_LEN + ETH_FCS_LEN)
    _begin_reset(adapter)
    running = netdev.running()
    # the rings go with the buffer size that they were filled with
    if running:
        adapter.max_frame_size = max_frame
        igb_down(adapter)
    adapter.max_frame_size = max_frame
    if adapter.old_release:
        adapter.pdev.info("changing MTU from %d to %d" % (netdev.mtu, new_mtu))
    netdev.mtu = new_mtu
    if running:
        igb_up(adapter)
    else:
        igb_reset(adapter)
    adapter.state &= ~STATE_RESETTING


def igb_fix_features(netdev: IgbNetDevice, features: int) -> int:
    """Transmit tagging follows receive stripping: one switch in hardware."""
    if features & NETIF_F_HW_VLAN_CTAG_RX:
        return features | NETIF_F_HW_VLAN_CTAG_TX
    return features & ~NETIF_F_HW_VLAN_CTAG_TX


def igb_set_features(netdev: IgbNetDevice, features: int) -> None:
    adapter = netdev.priv()
    changed = features ^ netdev.features
    if changed & NETIF_F_HW_VLAN_CTAG_RX:
        igb_vlan_mode(netdev, features)
    if not changed & (NETIF_F_RXALL | NETIF_F_NTUPLE):
        return
    if not features & NETIF_F_NTUPLE:
        for rule in adapter.nfc_filters:
            igb_erase_filter(adapter, rule)
        adapter.nfc_filters = []
    netdev.features = features
    if netdev.running():
        igb_reinit_locked(adapter)
    else:
        igb_reset(adapter)


def igb_reinit_queues(adapter: IgbAdapter) -> None:
    """Another number of queues: close, new vectors and rings, open.  Raises OSError."""
    netdev = adapter.netdev
    running = netdev.running()
    if running:
        igb_close(netdev)
    old = adapter.num_q_vectors
    igb_reset_interrupt_capability(adapter)
    for i in range(old):
        adapter.q_vector[i] = None
    try:
        igb_init_interrupt_scheme(adapter, True)
    except OSError:
        adapter.pdev.err("Unable to allocate memory for queues")
        raise
    if running:
        igb_open(netdev)


# --- ioctl --------------------------------------------------------------------------------------------------


def igb_mii_ioctl(netdev: IgbNetDevice, ifr: bytearray, cmd: int) -> None:
    """SIOCGMIIPHY, SIOCGMIIREG on `struct mii_ioctl_data` (four 16-bit words at offset 16 of the request)."""
    hw = netdev.priv().the_hw()
    if cmd == SIOCSMIIREG:
        raise linux_error(EOPNOTSUPP, netdev.name)
    if len(ifr) < 24:
        raise linux_error(EINVAL, netdev.name)
    if cmd == SIOCGMIIPHY:
        struct.pack_into("<H", ifr, 16, hw.phy_addr)
        return
    reg = struct.unpack_from("<H", ifr, 18)[0] & 0x1F
    struct.pack_into("<H", ifr, 22, igb_read_phy_reg(hw, reg))


def igb_ptp_reset(adapter: IgbAdapter) -> None:
    """The PTP clock restarts; time stamping as it was set."""
    hw = adapter.the_hw()
    if hw.mac_type == MAC_82576:
        hw.wr32(r.TIMINCA, 1 << 24 | 16 << 19 & 0xFFFFFF)
    else:
        hw.wr32(r.TSAUXC, 0)
        hw.wr32(r.TSIM, 0x3)
        hw.wr32(r.IMS, r.ICR_TS)
    igb_ptp_set_timestamp_mode(adapter, adapter.tstamp_tx_type, adapter.tstamp_rx_filter)
    hw.wrfl()


def igb_ptp_set_timestamp_mode(adapter: IgbAdapter, tx_type: int, rx_filter: int) -> int:
    """Program TSYNCTXCTL and TSYNCRXCTL; returns the filter in force.  Raises OSError(ERANGE)."""
    hw = adapter.the_hw()
    if tx_type not in (0, 1):
        raise OSError(ERANGE, "Numerical result out of range")
    rx_ctl = r.TSYNCRXCTL_ENABLED
    if rx_filter == HWTSTAMP_FILTER_NONE:
        rx_ctl = 0
    elif hw.mac_type != MAC_82576 and 1 <= rx_filter <= 14:
        rx_ctl |= r.TSYNCRXCTL_TYPE_ALL
        rx_filter = HWTSTAMP_FILTER_ALL
    elif rx_filter in (HWTSTAMP_FILTER_PTP_V1_L4_SYNC, HWTSTAMP_FILTER_PTP_V1_L4_DELAY_REQ):
        rx_ctl |= 0x02
    elif 6 <= rx_filter <= 14:
        rx_ctl |= 0x0A
        rx_filter = HWTSTAMP_FILTER_PTP_V2_EVENT
    else:
        raise OSError(ERANGE, "Numerical result out of range")
    if hw.mac_type != MAC_82576 and rx_ctl:
        hw.wr32(r.RXPBS, hw.rd32(r.RXPBS) | r.RXPBS_CFG_TS_EN)
    tx = hw.rd32(r.TSYNCTXCTL) & ~r.TSYNCTXCTL_ENABLED
    hw.wr32(r.TSYNCTXCTL, tx | (r.TSYNCTXCTL_ENABLED if tx_type else 0))
    rx = hw.rd32(r.TSYNCRXCTL) & ~(r.TSYNCRXCTL_ENABLED | r.TSYNCRXCTL_TYPE_MASK)
    hw.wr32(r.TSYNCRXCTL, rx | rx_ctl)
    hw.wrfl()
    hw.rd32(r.TXSTMPL)
    hw.rd32(r.TXSTMPH)
    hw.rd32(r.RXSTMPL)
    hw.rd32(r.RXSTMPH)
    return rx_filter


def igb_ptp_set_ts_config(netdev: IgbNetDevice, ifr: bytearray) -> None:
    """SIOCSHWTSTAMP: `struct hwtstamp_config` (flags, tx_type, rx_filter; 32 bits each) at offset 16."""
    adapter = netdev.priv()
    if len(ifr) < 28:
        raise linux_error(EINVAL, netdev.name)
    flags, tx_type, rx_filter = _HWTSTAMP.unpack_from(ifr, 16)
    if flags:
        raise linux_error(EINVAL, netdev.name)
    rx_filter = igb_ptp_set_timestamp_mode(adapter, tx_type, rx_filter)
    adapter.tstamp_flags, adapter.tstamp_tx_type, adapter.tstamp_rx_filter = flags, tx_type, rx_filter
    _HWTSTAMP.pack_into(ifr, 16, flags, tx_type, rx_filter)


def igb_ptp_get_ts_config(netdev: IgbNetDevice, ifr: bytearray) -> None:
    """SIOCGHWTSTAMP."""
    adapter = netdev.priv()
    if len(ifr) < 28:
        raise linux_error(EINVAL, netdev.name)
    _HWTSTAMP.pack_into(ifr, 16, adapter.tstamp_flags, adapter.tstamp_tx_type, adapter.tstamp_rx_filter)


def igb_ioctl(netdev: IgbNetDevice, cmd: int, ifr: bytearray) -> None:
    """MII registers and time stamping; raises OSError(EOPNOTSUPP) for all else."""
    if cmd in (SIOCGMIIPHY, SIOCGMIIREG, SIOCSMIIREG):
        igb_mii_ioctl(netdev, ifr, cmd)
    elif cmd == SIOCGHWTSTAMP:
        igb_ptp_get_ts_config(netdev, ifr)
    elif cmd == SIOCSHWTSTAMP:
        igb_ptp_set_ts_config(netdev, ifr)
    else:
        raise linux_error(EOPNOTSUPP, netdev.name)


# --- power --------------------------------------------------------------------------------------------------


def __igb_shutdown(pdev: PciDev) -> bool:
    """Close, give the interrupts back, arm wake-up or put the PHY to sleep; returns whether it shall wake."""
    netdev = _netdev_of(pdev)
    adapter = netdev.priv()
    hw = adapter.the_hw()
    wufc = adapter.wol
    netdev.present = False
    if netdev.running():
        __igb_close(netdev, True)
    igb_clear_interrupt_scheme(adapter)
    if hw.rd32(r.STATUS) & r.STATUS_LU:
        wufc &= ~WUFC_LNKC
    if wufc:
        igb_setup_rctl(adapter)
        igb_set_rx_mode(netdev)
        if wufc & WUFC_MC:
            hw.wr32(r.RCTL, hw.rd32(r.RCTL) | r.RCTL_MPE)
        hw.wr32(r.CTRL, hw.rd32(r.CTRL) | r.CTRL_ADVD3WUC)
        igb_disable_pcie_master(hw)
        hw.wr32(r.WUC, 0x2)  # PME enable
        hw.wr32(r.WUFC, wufc)
        igb_power_up_link(adapter)
    else:
        hw.wr32(r.WUC, 0)
        hw.wr32(r.WUFC, 0)
        igb_power_down_link(adapter)
    igb_release_hw_control(adapter)
    pci_disable_device(pdev)
    return bool(wufc)


def igb_suspend(pdev: PciDev) -> None:
    pci_wake_from_d3(pdev, __igb_shutdown(pdev))


def igb_resume(pdev: PciDev) -> None:
    """Raises OSError: ENODEV (gone), what enabling or opening raises."""
    netdev = _netdev_of(pdev)
    adapter = netdev.priv()
    hw = adapter.the_hw()
    pci_save_state(pdev)
    if pdev.config_read(0, 2) == 0xFFFF:
        raise linux_error(ENODEV, pdev.name)
    try:
        pci_enable_device_mem(pdev)
    except OSError:
        pdev.err("igb: Cannot enable PCI device from suspend")
        raise
    pci_set_master(pdev)
    pci_wake_from_d3(pdev, False)
    try:
        igb_init_interrupt_scheme(adapter, True)
    except OSError:
        pdev.err("Unable to allocate memory for queues")
        raise
    igb_reset(adapter)
    igb_get_hw_control(adapter)
    hw.rd32(r.WUS)
    hw.wr32(r.WUS, M32)
    netdev.present = True
    if netdev.running():
        __igb_open(netdev, True)


def igb_shutdown(pdev: PciDev) -> None:
    pci_wake_from_d3(pdev, __igb_shutdown(pdev))


def igb_pci_sriov_configure(pdev: PciDev, num_vfs: int) -> int:
    """Virtual functions are not modelled: ENOTSUP for any; turning none off is fine."""
    if num_vfs:
        raise linux_error(ENOTSUP, "igb: SR-IOV virtual functions")
    return 0


# --- recovery -----------------------------------------------------------------------------------------------


class IgbErrHandler(PciErrorHandlers):
    """igb_err_handler."""

    __slots__ = ()

    def error_detected(self, pdev: PciDev, state: int) -> int:
        return igb_io_error_detected(pdev, state)

    def slot_reset(self, pdev: PciDev) -> int:
        return igb_io_slot_reset(pdev)

    def resume(self, pdev: PciDev) -> None:
        igb_io_resume(pdev)


def igb_io_error_detected(pdev: PciDev, state: int) -> int:
    netdev = _netdev_of(pdev)
    adapter = netdev.priv()
    if state == PCI_CHANNEL_IO_NORMAL:
        pdev.warn("Non-correctable non-fatal error reported.")
        return PCI_ERS_RESULT_CAN_RECOVER
    netdev.present = False
    if state == PCI_CHANNEL_IO_PERM_FAILURE:
        return PCI_ERS_RESULT_DISCONNECT
    if netdev.running():
        igb_down(adapter)
    pci_disable_device(pdev)
    return PCI_ERS_RESULT_NEED_RESET


def igb_io_slot_reset(pdev: PciDev) -> int:
    adapter = _netdev_of(pdev).priv()
    hw = adapter.the_hw()
    try:
        pci_enable_device_mem(pdev)
    except OSError:
        pdev.err("Cannot re-enable PCI device after reset.")
        return PCI_ERS_RESULT_DISCONNECT
    pci_set_master(pdev)
    # in this order a state saved by a resume (before its pci_set_master) takes bus mastering away again, as in Linux
    pci_restore_state(pdev)
    pci_save_state(pdev)
    pci_wake_from_d3(pdev, False)
    hw.removed = False
    igb_reset(adapter)
    hw.wr32(r.WUS, M32)
    return PCI_ERS_RESULT_RECOVERED


def igb_io_resume(pdev: PciDev) -> None:
    netdev = _netdev_of(pdev)
    adapter = netdev.priv()
    if netdev.running():
        if not adapter.state & STATE_DOWN:
            return
        igb_up(adapter)
    netdev.present = True
    igb_get_hw_control(adapter)


def _netdev_of(pdev: PciDev) -> IgbNetDevice:
    dev = pdev.driver_data
    assert isinstance(dev, IgbNetDevice)
    return dev


# --- what the core sees -------------------------------------------------------------------------------------


class IgbModuleLike(Module):
    """What probe needs of the module (module.py)."""

    __slots__ = ("net_", "max_vfs", "dca_provider")

    def __init__(self, params: dict[str, str] | None = None) -> None:
        super().__init__(DRIVER_NAME, params)
        self.net_: Net | None = None
        self.max_vfs = 0
        self.dca_provider = False

    def make_ethtool_ops(self, netdev: IgbNetDevice) -> EthtoolOps:
        raise NotImplementedError


class IgbNapi(NapiStruct):
    """The NAPI of one vector."""

    __slots__ = ("q_vector",)

    def __init__(self, net: Net, dev: NetDevice) -> None:
        super().__init__(net, dev)
        self.q_vector: IgbQVector | None = None

    def poll(self, budget: int) -> int:
        return igb_poll(self, budget)


class IgbNetDevice(NetDevice):
    """igb_netdev_ops: the net device of a port, 8 queues of each kind."""

    __slots__ = ("adapter",)

    def __init__(self, net: Net, name: str) -> None:
        super().__init__(net, name, rxqs=IGB_MAX_RX_QUEUES, txqs=IGB_MAX_TX_QUEUES)
        self.adapter: IgbAdapter | None = None

    def priv(self) -> IgbAdapter:
        """netdev_priv."""
        a = self.adapter
        assert a is not None
        return a

    def ndo_open(self) -> None:
        igb_open(self)

    def ndo_stop(self) -> None:
        igb_close(self)

    def ndo_start_xmit(self, skb: SkBuff, txq: NetdevQueue) -> int:
        return igb_xmit_frame(skb, self, txq.index)

    def ndo_get_stats64(self, s: RtnlLinkStats64) -> None:
        igb_get_stats64(self, s)

    def ndo_set_rx_mode(self) -> None:
        igb_set_rx_mode(self)

    def ndo_set_mac_address(self, addr: bytes) -> None:
        igb_set_mac(self, addr)

    def ndo_change_mtu(self, new_mtu: int) -> None:
        igb_change_mtu(self, new_mtu)

    def ndo_do_ioctl(self, cmd: int, ifr: bytearray) -> None:
        igb_ioctl(self, cmd, ifr)

    def ndo_tx_timeout(self, txqueue: int) -> None:
        igb_tx_timeout(self, txqueue)

    def ndo_vlan_rx_add_vid(self, proto: int, vid: int) -> None:
        igb_vlan_rx_add_vid(self, vid)

    def ndo_vlan_rx_kill_vid(self, proto: int, vid: int) -> None:
        igb_vlan_rx_kill_vid(self, vid)

    def ndo_fix_features(self, features: int) -> int:
        return igb_fix_features(self, features)

    def ndo_set_features(self, features: int) -> None:
        igb_set_features(self, features)

    def rx_in_flight(self) -> int:
        """Wire frames that were written to a ring and not harvested, found by their buffers' tags."""
        a = self.adapter
        if a is None:
            return 0
        mem = a.pdev.kernel.memory
        n = 0
        for ring in a.rings_rx():
            for page in ring.pages:
                if page is not None:
                    n += mem.frames_at(page.addr())
            if ring.skb is not None:
                n += ring.skb.tokens
        return n

    def tx_in_flight(self) -> int:
        """The machine's own frames that the device has and did not report as sent."""
        a = self.adapter
        if a is None:
            return 0
        return sum(1 for ring in a.rings_tx() for b in ring.tx if b.skb is not None and b.skb.own)
