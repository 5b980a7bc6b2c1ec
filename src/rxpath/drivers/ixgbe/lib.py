"""ixgbe: how many queues and vectors, which interrupts, and the q_vectors that tie them together (ixgbe_lib.c).

What belongs here: queue counts, MSI-X with its fallbacks, allocation of q_vectors and rings.  What does not:
attaching handlers and everything that a packet meets (main.py).
Facts: ixgbe_lib.c of 6.1; 3.13's weights and names from the reference sheet.
"""

from __future__ import annotations

from rxpath.drivers.ixgbe.hw import MAC_82599EB
from rxpath.drivers.ixgbe.ixgbe import (
    FLAG_FDIR_HASH_CAPABLE,
    FLAG_FDIR_PERFECT_CAPABLE,
    FLAG_MSI_ENABLED,
    FLAG_MSIX_ENABLED,
    ITR_ADAPTIVE_LATENCY,
    ITR_ADAPTIVE_MAX_USECS,
    IXGBE_12K_ITR,
    IXGBE_20K_ITR,
    MIN_MSIX_COUNT,
    NON_Q_VECTORS,
    STATE_DOWN,
    IxgbeAdapter,
    IxgbeQVector,
    IxgbeRing,
)
from rxpath.drivers.pci import (
    MsixEntry,
    pci_disable_msi,
    pci_disable_msix,
    pci_enable_msi,
    pci_enable_msix_range,
)
from rxpath.kernel.errno import EIO
from rxpath.net.core.netdevice import netif_napi_add, netif_napi_del

__all__ = ["ixgbe_clear_interrupt_scheme", "ixgbe_init_interrupt_scheme"]


def ixgbe_set_num_queues(adapter: IxgbeAdapter) -> None:
    """RSS queues, and with Flow Director's hash filters a queue a CPU up to 63."""
    f = adapter.rss
    rss_i = f.limit
    f.indices = rss_i
    f.mask = 0xF if adapter.hw.mac_type == MAC_82599EB or adapter.old_release else 0x3F
    adapter.flags &= ~FLAG_FDIR_HASH_CAPABLE
    if rss_i > 1 and adapter.atr_sample_rate:
        rss_i = adapter.fdir.indices = adapter.fdir.limit
        if not adapter.flags & FLAG_FDIR_PERFECT_CAPABLE:
            adapter.flags |= FLAG_FDIR_HASH_CAPABLE
    adapter.num_rx_queues = rss_i
    adapter.num_tx_queues = rss_i


def ixgbe_acquire_msix_vectors(adapter: IxgbeAdapter) -> bool:
    """One vector a queue pair, no more than CPUs, and one for the rest; at least two.  False: no MSI-X."""
    vectors = min(max(adapter.num_rx_queues, adapter.num_tx_queues), adapter.online_cpus()) + NON_Q_VECTORS
    vectors = min(vectors, adapter.hw.max_msix_vectors)
    entries = [MsixEntry(i) for i in range(vectors)]
    try:
        got = pci_enable_msix_range(adapter.pdev, entries, MIN_MSIX_COUNT, vectors)
    except OSError as e:
        if not adapter.old_release:
            adapter.pdev.warn("Failed to allocate MSI-X interrupts. Err: %d" % -(e.errno or EIO))
        adapter.flags &= ~FLAG_MSIX_ENABLED
        adapter.msix_entries = []
        return False
    adapter.flags |= FLAG_MSIX_ENABLED
    adapter.msix_entries = entries[:got]
    adapter.num_q_vectors = min(got - NON_Q_VECTORS, adapter.max_q_vectors)
    return True


def ixgbe_set_interrupt_capability(adapter: IxgbeAdapter) -> None:
    """MSI-X; else one queue with MSI; else the line."""
    if ixgbe_acquire_msix_vectors(adapter):
        return
    adapter.pdev.warn("Disabling SR-IOV support")
    adapter.pdev.warn("Disabling RSS support")
    adapter.rss.limit = 1
    ixgbe_set_num_queues(adapter)
    adapter.num_q_vectors = 1
    try:
        pci_enable_msi(adapter.pdev)
    except OSError as e:
        adapter.pdev.warn("Failed to allocate MSI interrupt, falling back to legacy. Error: %d" % -(e.errno or EIO))
        return
    adapter.flags |= FLAG_MSI_ENABLED


def ixgbe_reset_interrupt_capability(adapter: IxgbeAdapter) -> None:
    if adapter.flags & FLAG_MSIX_ENABLED:
        adapter.flags &= ~FLAG_MSIX_ENABLED
        pci_disable_msix(adapter.pdev)
        adapter.msix_entries = []
    elif adapter.flags & FLAG_MSI_ENABLED:
        adapter.flags &= ~FLAG_MSI_ENABLED
        pci_disable_msi(adapter.pdev)


def ixgbe_alloc_q_vector(
    adapter: IxgbeAdapter,
    v_count: int,
    v_idx: int,
    txr_count: int,
    txr_idx: int,
    rxr_count: int,
    rxr_idx: int,
) -> None:
    """A vector with every `v_count`-th ring from the given ones on."""
    dev = adapter.netdev
    napi = dev.new_napi()
    netif_napi_add(dev, napi)
    q_vector = IxgbeQVector(adapter, napi, v_idx)
    napi.q_vector = q_vector
    adapter.q_vector.append(q_vector)
    if adapter.rss.indices > 1 and adapter.atr_sample_rate:
        cpus = [c.id for c in adapter.pdev.kernel.cpus if c.online]
        q_vector.affinity_mask = 1 << cpus[v_idx % len(cpus)]
    q_vector.tx.work_limit = adapter.tx_work_limit
    if not adapter.old_release:
        q_vector.tx.itr = q_vector.rx.itr = ITR_ADAPTIVE_MAX_USECS | ITR_ADAPTIVE_LATENCY
    if txr_count and not rxr_count:
        q_vector.itr = IXGBE_12K_ITR if adapter.tx_itr_setting == 1 else adapter.tx_itr_setting
    else:
        q_vector.itr = IXGBE_20K_ITR if adapter.rx_itr_setting == 1 else adapter.rx_itr_setting
    for _ in range(txr_count):
        ring = IxgbeRing(adapter, adapter.tx_ring_count, txr_idx)
        ring.q_vector = q_vector
        q_vector.tx.rings.append(ring)
        adapter.tx_ring[txr_idx] = ring
        txr_idx += v_count
    for _ in range(rxr_count):
        ring = IxgbeRing(adapter, adapter.rx_ring_count, rxr_idx)
        ring.q_vector = q_vector
        ring.csum_udp_zero_err = adapter.hw.mac_type == MAC_82599EB
        q_vector.rx.rings.append(ring)
        adapter.rx_ring[rxr_idx] = ring
        rxr_idx += v_count


def ixgbe_alloc_q_vectors(adapter: IxgbeAdapter) -> None:
    """Rings over vectors, evenly; with vectors to spare receive and transmit rings get their own."""
    q_vectors = adapter.num_q_vectors if adapter.flags & FLAG_MSIX_ENABLED else 1
    rxr, txr = adapter.num_rx_queues, adapter.num_tx_queues
    blank = IxgbeRing(adapter, 0, 0)
    adapter.rx_ring = [blank] * rxr
    adapter.tx_ring = [blank] * txr
    adapter.q_vector = []
    rxr_idx = txr_idx = v_idx = 0
    if q_vectors >= rxr + txr:
        while rxr:
            ixgbe_alloc_q_vector(adapter, q_vectors, v_idx, 0, 0, 1, rxr_idx)
            rxr -= 1
            rxr_idx += 1
            v_idx += 1
    while v_idx < q_vectors:
        left = q_vectors - v_idx
        rqpv = (rxr + left - 1) // left
        tqpv = (txr + left - 1) // left
        ixgbe_alloc_q_vector(adapter, q_vectors, v_idx, tqpv, txr_idx, rqpv, rxr_idx)
        rxr -= rqpv
        txr -= tqpv
        rxr_idx += 1
        txr_idx += 1
        v_idx += 1


def ixgbe_free_q_vector(adapter: IxgbeAdapter, q_vector: IxgbeQVector) -> None:
    netif_napi_del(q_vector.napi)


def ixgbe_free_q_vectors(adapter: IxgbeAdapter) -> None:
    for q_vector in reversed(adapter.q_vector):
        ixgbe_free_q_vector(adapter, q_vector)
    adapter.q_vector = []
    adapter.rx_ring = []
    adapter.tx_ring = []
    adapter.num_q_vectors = 0
    adapter.num_rx_queues = 0
    adapter.num_tx_queues = 0


def ixgbe_cache_ring_register(adapter: IxgbeAdapter) -> None:
    """Queue numbers are register indices without DCB and virtual functions."""
    for i, ring in enumerate(adapter.rx_ring):
        ring.reg_idx = i
    for i, ring in enumerate(adapter.tx_ring):
        ring.reg_idx = i


def ixgbe_init_interrupt_scheme(adapter: IxgbeAdapter) -> None:
    """Queue counts, interrupt kind, vectors."""
    ixgbe_set_num_queues(adapter)
    ixgbe_set_interrupt_capability(adapter)
    ixgbe_alloc_q_vectors(adapter)
    ixgbe_cache_ring_register(adapter)
    text = "Multiqueue %s: Rx Queue count = %d, Tx Queue count = %d" % (
        "Enabled" if adapter.num_rx_queues > 1 else "Disabled",
        adapter.num_rx_queues,
        adapter.num_tx_queues,
    )
    adapter.pdev.info(text if adapter.old_release else text + " XDP Queue count = 0")
    adapter.state |= STATE_DOWN


def ixgbe_clear_interrupt_scheme(adapter: IxgbeAdapter) -> None:
    ixgbe_free_q_vectors(adapter)
    ixgbe_reset_interrupt_capability(adapter)
