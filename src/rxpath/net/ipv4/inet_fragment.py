"""Fragment queues of any protocol: their limits and their memory (struct fqdir, struct inet_frag_queue)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rxpath.net.ipv4.ip_fragment import Ipq
    from rxpath.net.ipv4.netns import Ipv4

IPQ_SIZE: Final = 200  # what a queue's own structure is charged as


class FqDir:
    """`mem`: bytes of truesize in all queues, their structures included; `timeout` in jiffies; `rid` counts
    fragments a source.
    """

    __slots__ = ("ipv4", "high_thresh", "low_thresh", "timeout", "mem", "queues", "rid")

    def __init__(self, ipv4: Ipv4) -> None:
        self.ipv4 = ipv4
        self.high_thresh = 4 * 1024 * 1024
        self.low_thresh = 3 * 1024 * 1024
        self.timeout = 30 * ipv4.kernel.hz
        self.mem = 0
        self.queues: dict[tuple[int, int, int, int, int], Ipq] = {}
        self.rid: dict[int, int] = {}
