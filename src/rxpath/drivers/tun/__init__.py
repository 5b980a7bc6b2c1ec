"""tun: a device whose wire is a program; TAP mode, with and without NAPI."""

from rxpath.drivers.tun.tun import TunDevice, tun_create

__all__ = ["TunDevice", "tun_create"]
