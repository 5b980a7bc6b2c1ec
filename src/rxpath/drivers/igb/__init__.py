"""igb: Intel 82576 and I350, gigabit with many queues."""

from rxpath.drivers.igb.module import IgbModule

__all__ = ["IgbModule"]
