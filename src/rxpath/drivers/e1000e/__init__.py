"""e1000e: Intel PRO/1000 PCI Express (82574 and its nearest relatives)."""

from rxpath.drivers.e1000e.module import E1000eModule

__all__ = ["E1000eModule"]
