"""Dynamic queue limits: how many bytes a transmit queue may have at the device (byte queue limits, BQL).

The limit grows when the device ran dry although more was waiting, and shrinks by the least slack seen in a second.
Facts: lib/dynamic_queue_limits.c (3.13 to 6.12).
"""

from __future__ import annotations

from typing import Final

DQL_MAX_LIMIT: Final = (1 << 32) // 2 - (1 << 32) // 16  # recorded: 1879048192


class Dql:
    """`struct dql`: counts of bytes queued and completed, and the limit that follows from their course."""

    __slots__ = (
        "adj_limit",
        "last_obj_cnt",
        "limit",
        "lowest_slack",
        "max_limit",
        "min_limit",
        "num_completed",
        "num_queued",
        "prev_last_obj_cnt",
        "prev_num_queued",
        "prev_ovlimit",
        "slack_start",
    )

    def __init__(self) -> None:
        self.min_limit = 0
        self.max_limit = DQL_MAX_LIMIT
        self.reset()

    def reset(self) -> None:
        """Nothing is at the device."""
        self.limit = 0
        self.adj_limit = 0
        self.num_queued = 0
        self.num_completed = 0
        self.last_obj_cnt = 0
        self.prev_num_queued = 0
        self.prev_last_obj_cnt = 0
        self.prev_ovlimit = 0
        self.lowest_slack = 1 << 32
        self.slack_start = 0

    def queued(self, count: int) -> None:
        self.last_obj_cnt = count
        self.num_queued += count

    def avail(self) -> int:
        """Bytes that may still be queued; negative when too many are."""
        return self.adj_limit - self.num_queued

    def completed(self, count: int, jiffies: int, hold: int) -> None:
        """`count` bytes are done; `hold` jiffies is how long a slack is watched."""
        queued = self.num_queued
        done = self.num_completed + count
        limit = self.limit
        over = max(0, queued - self.num_completed - limit)
        in_progress = queued - done
        prev_in_progress = self.prev_num_queued - self.num_completed
        all_prev = done >= self.prev_num_queued
        if (over and not prev_in_progress) or (self.prev_ovlimit and all_prev):
            limit += max(0, done - self.prev_num_queued) + self.prev_ovlimit
            self.slack_start = jiffies
            self.lowest_slack = 1 << 32
        elif in_progress and prev_in_progress and not all_prev:
            slack = max(0, limit + self.prev_ovlimit - 2 * count)
            last = max(0, self.prev_last_obj_cnt - self.prev_ovlimit) if self.prev_ovlimit else 0
            self.lowest_slack = min(self.lowest_slack, max(slack, last))
            if jiffies > self.slack_start + hold:
                limit = max(0, limit - self.lowest_slack)
                self.slack_start = jiffies
                self.lowest_slack = 1 << 32
        limit = min(max(limit, self.min_limit), self.max_limit)
        if limit != self.limit:
            self.limit = limit
            over = 0
        self.adj_limit = limit + done
        self.prev_ovlimit = over
        self.prev_last_obj_cnt = self.last_obj_cnt
        self.num_completed = done
        self.prev_num_queued = queued
