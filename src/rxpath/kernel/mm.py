"""Sizes of socket buffers' memory: what an allocation of n bytes is charged as.

No contents here, only truesize arithmetic: kmalloc classes, page fragments, the 1 KiB and page caches of
`__netdev_alloc_skb` and `__napi_alloc_skb` by release (net/core/skbuff.c 3.13, 5.15, 6.1, 6.12;
golden/sockbuf of 6.1).
"""

from __future__ import annotations

from typing import Final

PAGE_SIZE: Final = 4096
SMP_CACHE_BYTES: Final = 64
SKB_STRUCT: Final = 256  # SKB_DATA_ALIGN(sizeof(struct sk_buff))
SKB_SHARED_INFO: Final = 320  # SKB_DATA_ALIGN(sizeof(struct skb_shared_info)), 17 fragments
NET_SKB_PAD: Final = 64
NET_IP_ALIGN: Final = 0  # x86
SKB_OVERHEAD: Final = SKB_STRUCT + SKB_SHARED_INFO
KMALLOC_CLASSES: Final = (8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192)
SKB_SMALL_HEAD: Final = 576  # 6.3+: a cache of small heads, shared info included (recorded on 6.18: truesize 832)


def skb_data_align(n: int) -> int:
    return (n + SMP_CACHE_BYTES - 1) & ~(SMP_CACHE_BYTES - 1)


def skb_truesize(n: int) -> int:
    """SKB_TRUESIZE(n)."""
    return n + SKB_OVERHEAD


def skb_with_overhead(n: int) -> int:
    """SKB_WITH_OVERHEAD(n)."""
    return n - SKB_SHARED_INFO


def kmalloc_size(n: int) -> int:
    """The slab class that serves `n` bytes; above 8 KiB whole powers of two of pages."""
    for c in KMALLOC_CLASSES:
        if n <= c:
            return c
    size = 16384
    while size < n:
        size *= 2
    return size


def alloc_skb_truesize(size: int) -> int:
    """`__alloc_skb(size)`: head from the slab (or pages), shared info at its end."""
    return kmalloc_size(skb_data_align(size) + SKB_SHARED_INFO) + SKB_STRUCT


def alloc_skb_truesize_small_head(size: int) -> int:
    """6.3 and later: heads of up to SKB_SMALL_HEAD_SIZE come from a cache of their own (net/core/skbuff.c
    kmalloc_reserve).
    """
    n = skb_data_align(size) + SKB_SHARED_INFO
    if n <= SKB_SMALL_HEAD:
        return SKB_SMALL_HEAD + SKB_STRUCT
    return kmalloc_size(n) + SKB_STRUCT


def page_frag_truesize(size: int) -> int:
    """A head cut from a page fragment: data rounded to a cache line, plus shared info."""
    return skb_data_align(size) + SKB_SHARED_INFO + SKB_STRUCT


class NetdevAlloc:
    """`__netdev_alloc_skb`: truesize of an skb for `length` data bytes.  `sleepable`: GFP_KERNEL, not
    GFP_ATOMIC.  `napi_frag`: whether small NAPI skbs have a page fragment as head (GRO may take it over).
    """

    __slots__ = ("napi_frag", "napi_known")

    def __init__(self, napi_frag: bool) -> None:
        self.napi_frag = napi_frag
        self.napi_known: dict[int, int] = {}  # what `napi` said, by length

    def netdev(self, length: int, sleepable: bool) -> int:
        raise NotImplementedError

    def napi(self, length: int) -> int:
        """`__napi_alloc_skb` (`netdev_alloc_skb_ip_align` in 3.13)."""
        raise NotImplementedError


class NetdevAlloc313(NetdevAlloc):
    """3.13: page fragments for whatever fits one and may not sleep."""

    __slots__ = ()

    def netdev(self, length: int, sleepable: bool) -> int:
        frag = skb_data_align(length + NET_SKB_PAD) + SKB_SHARED_INFO
        if frag <= PAGE_SIZE and not sleepable:
            return frag + SKB_STRUCT
        return alloc_skb_truesize(length + NET_SKB_PAD)

    def napi(self, length: int) -> int:
        return self.netdev(length, False)


class NetdevAlloc515(NetdevAlloc):
    """5.15: up to 704 usable bytes (SKB_WITH_OVERHEAD(1024)) from the slab, then page fragments."""

    __slots__ = ()

    def netdev(self, length: int, sleepable: bool) -> int:
        n = length + NET_SKB_PAD
        if n <= skb_with_overhead(1024) or n > skb_with_overhead(PAGE_SIZE) or sleepable:
            return alloc_skb_truesize(n)
        return page_frag_truesize(n)

    def napi(self, length: int) -> int:
        n = length + NET_SKB_PAD + NET_IP_ALIGN
        if n <= skb_with_overhead(1024) or n > skb_with_overhead(PAGE_SIZE):
            return alloc_skb_truesize(n)
        return page_frag_truesize(n)


class NetdevAlloc61(NetdevAlloc515):
    """6.1: as 5.15, but NAPI's small skbs come from a cache of 1 KiB fragments."""

    __slots__ = ()

    def napi(self, length: int) -> int:
        n = length + NET_SKB_PAD + NET_IP_ALIGN
        if n <= skb_with_overhead(1024):
            return 1024 + SKB_STRUCT
        if n > skb_with_overhead(PAGE_SIZE):
            return alloc_skb_truesize(n)
        return page_frag_truesize(n)


class NetdevAlloc618(NetdevAlloc61):
    """6.18 (from 6.12): slab heads of small size have a cache of their own."""

    __slots__ = ()

    def netdev(self, length: int, sleepable: bool) -> int:
        n = length + NET_SKB_PAD
        if n <= skb_with_overhead(1024) or n > skb_with_overhead(PAGE_SIZE) or sleepable:
            return alloc_skb_truesize_small_head(n)
        return page_frag_truesize(n)
