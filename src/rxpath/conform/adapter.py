"""The adapter: runs one scenario on a machine of release 6.18 in virtual time and gives the observed document.

All steps run in one task of the machine, as the recorder (kernel.py) is one process; `sleep` is the only step that
takes time.  What the steps mean stands in scenario.py.
"""

from __future__ import annotations

import json
import struct
import sys
from typing import Any, Final

from rxpath.config import MachineConfig
from rxpath.conform.check import blame, loads, said
from rxpath.conform.environment import recorded_environment
from rxpath.conform.scenario import IOCTLS, Runner, ScenarioError
from rxpath.conform.tapfmt import ip_s, mac_s
from rxpath.drivers.tun.tun import TunDevice, tun_create, tun_do_read, tun_get_user
from rxpath.kernel.sched import TASK_INTERRUPTIBLE, Task
from rxpath.machine import Machine
from rxpath.net.core.neighbour import NUD_NAMES, NUD_NOARP, NUD_PERMANENT, NUD_VALID, neigh_add
from rxpath.net.core.netdevice import dev_close, dev_open, dev_set_allmulti, dev_set_mtu, dev_set_promiscuity
from rxpath.net.core.sock import AF_PACKET, sk_meminfo
from rxpath.net.ipv4.devinet import inet_del_ifa, inet_insert_ifa
from rxpath.net.ipv4.fib import fib_add_route
from rxpath.net.packet.af_packet import packet_init
from rxpath.sockets import Socket
from rxpath.wire.addr import ip4, ip4_net, mac

# What injecting took on the recorder's machine, in ns: making a frame ready (and for each byte of a payload
# pattern), from the write to looking for replies, reading a reply, between the writes of a burst; and between steps.
# Timers run out meanwhile.
PREPARE_NS: Final = 8_800
PATTERN_NS: Final = 176
WRITE_NS: Final = 6_000
REPLY_NS: Final = 35_000
BURST_NS: Final = 4_000
STEP_NS: Final = 12_000
IP_NS: Final = 4_000_000  # a command of ip: a jiffy passes
GRACE_NS: Final = 8_000_000  # close of a packet socket waits for a grace period (synchronize_net): 8 or 16 ms

POLL_MASK: Final = 0x2007 | 8 | 16
SETTLE_MS: Final = 10  # between setting up the device and making the first socket


class Scenario(Runner):
    """One scenario on one machine."""

    def __init__(self, scenario: dict[str, Any], release: str = "6.18", seed: int = 0) -> None:
        super().__init__(scenario)
        self.mark = (-1, -1)
        self.tap: TunDevice
        self.task: Task | None = None
        self.busy = False
        self.machine = Machine(MachineConfig(release=release, costs="none", seed=seed))

    # --- set-up ------------------------------------------------------------------------------------------------------
    def setup(self) -> None:
        m = self.machine
        env = self.env
        net = m.net
        self.task = m.kernel.sched.current()
        if net.packet is None:
            packet_init(net)
        recorded_environment(net)
        self.tap = tap = tun_create(
            net, env["dev"], nonblock=env["skb_alloc"] == "build_skb", napi=env["rx_mode"] == "napi"
        )
        lo = net.loopback
        if lo is not None:
            dev_close(lo)  # a new namespace has it down; sysctls come before its first `up`
        late = self.set_sysctls()
        tap.ndo_set_mac_address(mac(env["mac"]))
        dev_set_mtu(tap, env["mtu"])
        for a in env["addrs"]:
            addr, plen = ip4_net(a)
            inet_insert_ifa(tap, addr, plen, broadcast=-1)
        if lo is not None and env["lo_up"]:
            dev_open(lo)
        elif lo is not None:  # as before its first `up`: without an address
            for ifa in list(lo.ip_ptr.ifa_list):
                inet_del_ifa(lo.ip_ptr, ifa)
        dev_open(tap)
        if env["promisc"]:
            dev_set_promiscuity(tap, 1)
        if env["allmulti"]:
            dev_set_allmulti(tap, 1)
        for ip, hw in env["neigh"]:
            neigh_add(net.ipv4.arp_tbl, ip4(ip), tap, mac(hw), NUD_PERMANENT)
        for prefix, gw in env["routes"]:
            p, n = (0, 0) if prefix == "default" else ip4_net(prefix)
            fib_add_route(net.ipv4, p, n, dev=tap, gw=ip4(gw) if gw else 0)
        for k, v in late.items():
            self.sysctl(k, v)
        if env["gro_flush_timeout"]:
            tap.gro_flush_timeout = env["gro_flush_timeout"]
        m.kernel.trace.kfree_skb.attach(self._on_kfree)
        self.pause(SETTLE_MS)

    def sysctl(self, key: str, value: Any) -> None:
        if key.startswith("net.ipv6."):
            return
        table = self.machine.kernel.sysctl
        if key not in table.entries and key.startswith("net.ipv4.tcp_"):
            return
        table.set(key, str(value))

    def _on_kfree(self, tp: Any, cpu: int, t: int, values: tuple[Any, ...]) -> None:
        if self.machine.kernel.cpus[0].curr is not self.task and not self.busy:
            return
        if values[3] in ("SOCKET_CLOSE", "CONSUMED"):
            return  # sockets free their queues after a grace period, in nobody's context
        self.is_dropped(*self.mark, values[3])

    # --- frames and time ---------------------------------------------------------------------------------------------
    def write_frame(self, frame: bytes) -> None:
        tun_get_user(self.tap, frame)

    def read_frame(self) -> bytes | None:
        return tun_do_read(self.tap)

    def pause(self, ms: float) -> None:
        """Let `ms` of virtual time pass; frames sent meanwhile are read at their moment."""
        k = self.machine.kernel
        end = k.engine.now + int(ms * 1_000_000)
        task = self.task
        assert task is not None
        while k.engine.now < end:
            task.state = TASK_INTERRUPTIBLE
            k.sched.sleep(min(end - k.engine.now, 100_000_000))
            self.drain()

    def work(self, ns: int) -> None:
        """Let `ns` of virtual time pass, in which the program runs: timers interrupt it and drop in its context."""
        self.busy = True
        self.rest(ns)
        self.busy = False

    def rest(self, ns: int) -> None:
        """Let `ns` of virtual time pass; what is sent meanwhile is not read yet."""
        k = self.machine.kernel
        end = k.engine.now + ns
        while k.engine.now < end:
            assert self.task is not None
            self.task.state = TASK_INTERRUPTIBLE
            k.sched.sleep(end - k.engine.now)

    def preparing(self, spec: Any) -> None:
        pat = spec.get("pat") if isinstance(spec, dict) else None
        self.work(PREPARE_NS + (PATTERN_NS * pat[0] if pat else 0))

    def written(self, burst: bool) -> None:
        self.work(BURST_NS if burst else WRITE_NS)

    def reply_read(self) -> None:
        self.work(REPLY_NS)

    def wait_tick(self) -> None:
        k = self.machine.kernel
        self.pause((k.tick_ns - k.engine.now % k.tick_ns) / 1_000_000)

    def set_mark(self, step: int, frame: int) -> None:
        if frame < 0 <= step:
            self.work(STEP_NS)
        self.mark = (step, frame)

    # --- sockets -----------------------------------------------------------------------------------------------------
    def new_socket(self, family: int, type_: int, proto: int) -> Socket:
        s = Socket(self.machine.net, family, type_, proto)
        s.setblocking(False)
        return s

    def bind_packet(self, s: Socket, dev: str, proto: int) -> None:
        s.bind((dev, proto))

    def attach_filter(self, s: Socket, program: list[list[int]]) -> None:
        s.setsockopt(1, 26, b"".join(struct.pack("=HBBI", *ins) for ins in program))

    def disconnect(self, s: Socket) -> None:
        s.disconnect()

    def close_socket(self, s: Socket) -> None:
        s.close()
        if s.family == AF_PACKET:
            self.rest(GRACE_NS)

    def poll(self, s: Socket) -> int:
        return s.poll() & POLL_MASK

    def inq(self, s: Socket) -> int:
        return s.inq()

    def ioctl(self, s: Socket, request: int) -> bytes:
        sec, ns = divmod(s.stamp(), 1_000_000_000)
        part = ns if request == IOCTLS["SIOCGSTAMPNS"] else ns // 1000
        return sec.to_bytes(8, "little") + part.to_bytes(8, "little")

    def mem_values(self, s: Socket) -> Any:
        return sk_meminfo(s.sk)

    def inode(self, s: Socket) -> int:
        return int(s.sk.inode)

    # --- what the machine shows --------------------------------------------------------------------------------------
    def if_name(self, index: int) -> str:
        return self.machine.net.by_index[index].name

    def read_proc(self, path: str) -> str:
        return str(self.machine.files.read(path))

    def neighbours(self) -> dict[str, list[Any]]:
        self.rest(IP_NS)
        out: dict[str, list[Any]] = {}
        for n in self.machine.net.ipv4.arp_tbl.entries.values():
            if n.dev is self.tap and not n.nud_state & NUD_NOARP:
                out[ip_s(n.key.to_bytes(4, "big"))] = [
                    mac_s(n.ha) if n.nud_state & NUD_VALID else None,
                    NUD_NAMES[n.nud_state],
                ]
        return out

    def run(self) -> dict[str, Any]:
        with self.machine as m:
            out: dict[str, Any] = m.in_task(self.program, "scenario")
        return out


def run_ours(scenario: dict[str, Any]) -> dict[str, Any]:
    """Run one scenario on a machine of ours; the observed document."""
    return Scenario(scenario).run()


def main() -> int:
    """One scenario on standard input, one document on standard output.  Status 2 and one line when it is none."""
    try:
        made = observe(sys.stdin.buffer.read())
    except (ScenarioError, OSError) as e:
        print(f"rxpath: scenario: {e}", file=sys.stderr)
        return 2
    json.dump(made, sys.stdout)
    return 0


def observe(text: bytes) -> dict[str, Any]:
    """The observed document of a scenario's JSON text.  Raises ScenarioError, or OSError of what it sets up."""
    runner: Scenario | None = None
    try:
        runner = Scenario(loads(text))
        return runner.run()
    except Exception as e:
        if not blame(e) or isinstance(e, ScenarioError):
            raise
        step = f"step {runner.step}: " if runner is not None and runner.step >= 0 else ""
        raise ScenarioError(step + said(e)) from None


if __name__ == "__main__":
    sys.exit(main())
