"""ixgbe: Intel 10 Gigabit Ethernet (X540, 82599 as backplane device)."""

from rxpath.drivers.ixgbe.module import IxgbeModule

__all__ = ["IxgbeModule"]
