"""Cost profiles: nanoseconds a stage, each with low, central, high and source, in TOML beside this file.

`CostProfile` keeps the whole table; `Costs` is the flat set of integers that a machine charges (slots, read
by the hot path).
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

STAGES = (
    "dma_write",
    "hardirq",
    "softirq_dispatch",
    "poll_fixed",
    "driver_frame",
    "skb_alloc",
    "copybreak",
    "gro_normal",
    "gro_merge",
    "core",
    "ip_udp",
    "udp_no_socket",
    "enqueue",
    "wakeup",
    "tcp_segment",
    "netfilter_rule",
    "csum_kb",
    "rps_enqueue",
    "ipi_send",
    "ipi_receive",
    "recv",
    "copy_kb",
    "context_switch",
    "timer_irq",
    "xmit",
    "icmp_reply",
    "skb_free",
)


class ProfileError(ValueError):
    """A cost profile that cannot be read: one clear line."""


class Stage:
    """Nanoseconds of one stage with the range that the sources leave open."""

    __slots__ = ("name", "low", "central", "high", "source")

    def __init__(self, name: str, low: int, central: int, high: int, source: str) -> None:
        self.name = name
        self.low = low
        self.central = central
        self.high = high
        self.source = source


class Costs:
    """Integers in ns, one a stage; `enabled` False means that no CPU time is charged at all."""

    __slots__ = ("enabled", *STAGES)

    def __init__(self, values: dict[str, int] | None = None) -> None:
        self.enabled = values is not None
        v = values or {}
        self.dma_write: int = v.get("dma_write", 0)
        self.hardirq: int = v.get("hardirq", 0)
        self.softirq_dispatch: int = v.get("softirq_dispatch", 0)
        self.poll_fixed: int = v.get("poll_fixed", 0)
        self.driver_frame: int = v.get("driver_frame", 0)
        self.skb_alloc: int = v.get("skb_alloc", 0)
        self.copybreak: int = v.get("copybreak", 0)
        self.gro_normal: int = v.get("gro_normal", 0)
        self.gro_merge: int = v.get("gro_merge", 0)
        self.core: int = v.get("core", 0)
        self.ip_udp: int = v.get("ip_udp", 0)
        self.udp_no_socket: int = v.get("udp_no_socket", 0)
        self.enqueue: int = v.get("enqueue", 0)
        self.wakeup: int = v.get("wakeup", 0)
        self.tcp_segment: int = v.get("tcp_segment", 0)
        self.netfilter_rule: int = v.get("netfilter_rule", 0)
        self.csum_kb: int = v.get("csum_kb", 0)
        self.rps_enqueue: int = v.get("rps_enqueue", 0)
        self.ipi_send: int = v.get("ipi_send", 0)
        self.ipi_receive: int = v.get("ipi_receive", 0)
        self.recv: int = v.get("recv", 0)
        self.copy_kb: int = v.get("copy_kb", 0)
        self.context_switch: int = v.get("context_switch", 0)
        self.timer_irq: int = v.get("timer_irq", 0)
        self.xmit: int = v.get("xmit", 0)
        self.icmp_reply: int = v.get("icmp_reply", 0)
        self.skb_free: int = v.get("skb_free", 0)


class CostProfile:
    """A named table of stages."""

    __slots__ = ("name", "description", "stages")

    def __init__(self, name: str, description: str, stages: dict[str, Stage]) -> None:
        self.name = name
        self.description = description
        self.stages = stages

    def costs(self, level: str = "central") -> Costs:
        """The integers to charge: `level` is low, central or high."""
        pick = {"low": 0, "central": 1, "high": 2}[level]
        return Costs({s.name: (s.low, s.central, s.high)[pick] for s in self.stages.values()})


def load_profile(name: str = "default") -> CostProfile:
    """Read a profile by name (shipped beside this file) or by path.  Raises ProfileError."""
    path = Path(name)
    try:
        if path.suffix == ".toml":
            text = path.read_text()
        else:
            text = (resources.files("rxpath.sim.costs") / (name + ".toml")).read_text()
        data = tomllib.loads(text)
    except FileNotFoundError:
        raise ProfileError(f"cost profile '{name}': no such profile or file") from None
    except UnicodeDecodeError:
        raise ProfileError(f"cost profile '{name}': no UTF-8 text") from None
    except OSError as e:
        raise ProfileError(f"cost profile '{name}': {e.strerror or e}") from None
    except (ValueError, RecursionError) as e:
        raise ProfileError(f"cost profile '{name}': not TOML: {str(e).splitlines()[0]}") from None
    return profile_of(data, name)


def profile_of(data: dict[str, Any], name: str) -> CostProfile:
    """The profile that a file's `data` describes.  Raises ProfileError."""
    stages: dict[str, Stage] = {}
    table = data.get("stage", {})
    if not isinstance(table, dict):
        raise ProfileError(f"cost profile '{name}': 'stage' is no table of stages")
    for key, row in table.items():
        if key not in STAGES:
            raise ProfileError(f"cost profile '{name}': unknown stage '{key}'")
        try:
            st = Stage(key, int(row["low"]), int(row["central"]), int(row["high"]), str(row["source"]))
        except (KeyError, TypeError, ValueError, OverflowError):
            raise ProfileError(f"cost profile '{name}': stage '{key}' needs low, central, high and source") from None
        if not 0 <= st.low <= st.central <= st.high:
            raise ProfileError(f"cost profile '{name}': stage '{key}': low <= central <= high does not hold")
        stages[key] = st
    missing = [s for s in STAGES if s not in stages]
    if missing:
        raise ProfileError(f"cost profile '{name}': no value for {', '.join(missing)}")
    return CostProfile(str(data.get("name", name)), str(data.get("description", "")), stages)
