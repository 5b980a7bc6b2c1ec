"""docs/articles.md: every row that this step covers is run."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rxpath.config import MachineConfig, NicConfig
from rxpath.drivers.pci import pci_pm_suspend
from rxpath.machine import Machine
from rxpath.net.core.netdevice import NAPI_STATE_NPSVC, NAPI_STATE_SCHED, dev_close, dev_open
from rxpath.net.core.skbuff import SkBuff
from rxpath.net.ipv4.netns import NetProtocol, inet_add_protocol
from rxpath.net.netfilter.core import NfHookOps, NfHookState, nf_register_net_hook
from rxpath.observe.function_trace import FunctionTrace
from rxpath.tools.run import run_command
from rxpath.wire.addr import ip4, mac
from rxpath.wire.build import udp_frame

REPO = Path(__file__).resolve().parents[2]
CHECKS: dict[str, Callable[[], None]] = {}


def check(*ids: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def put(fn: Callable[[], None]) -> Callable[[], None]:
        for i in ids:
            CHECKS[i] = fn
        return fn

    return put


def rows() -> Iterator[tuple[str, str, str]]:
    for line in (REPO / "docs" / "articles.md").read_text().splitlines():
        m = re.match(r"\| ((?:A\d|B)-[\w-]+) \| [^|]+ \| ([^|]+) \| (\w+) \| (.*) \|$", line)
        if m:
            yield m.group(1), m.group(3), m.group(4)


def boot(
    nic: str = "e1000e",
    release: str = "6.1",
    *,
    cpus: int = 1,
    up: bool = True,
    costs: str = "none",
    refuse: tuple[str, ...] = (),
    sink: bool = True,
) -> Machine:
    m = Machine(
        MachineConfig(
            release=release,
            cpus=cpus,
            costs=costs,
            nics=[NicConfig(model=nic, addresses=["10.0.0.2/24"], up=up, refuse=list(refuse))],
        )
    )
    m.boot()
    if sink:
        m.socket().bind(("", 9))
    return m


def frame(m: Machine, n: int = 64, port: int = 9) -> bytes:
    return udp_frame(
        mac("02:00:00:00:00:01"), m.dev("eth0").dev_addr, ip4("10.0.0.1"), ip4("10.0.0.2"), 1, port, b"x" * n
    )


def out(m: Machine, line: str) -> str:
    return run_command(m, line).stdout


def send(m: Machine, frames: int = 1, gap: int = 100_000) -> None:
    f = frame(m)
    m.attach(0, [(i * gap, f) for i in range(frames)])
    m.run()


def traced_boot(nic: str, release: str = "6.1") -> list[str]:
    m = Machine(MachineConfig(release=release, costs="none", nics=[NicConfig(model=nic, addresses=["10.0.0.2/24"])]))
    t = FunctionTrace()
    t.is_root = lambda name: True  # type: ignore[method-assign]
    with t:
        m.boot()
    return [n for _, n in t.lines]


def follows(names: list[str], *chain: str) -> bool:
    at = 0
    for c in chain:
        if c not in names[at:]:
            return False
        at = names.index(c, at)
    return True


def traced_receive(m: Machine) -> list[str]:
    with FunctionTrace() as t:
        m.ports[0].receive(frame(m))
        m.run(m.now + 1_000_000)
    return [n for _, n in t.lines]


@check("A1-table")
def _() -> None:
    m = boot()
    assert m.files.read("/sys/bus/pci/devices/0000:01:00.0/modalias").startswith("pci:v00008086d000010D3sv")


@check("A1-register", "A1-probe")
def _() -> None:
    names = traced_boot("e1000e")
    assert follows(names, "pci_register_driver", "e1000_probe", "netif_napi_add", "register_netdev") or follows(
        names, "pci_register_driver", "e1000_probe"
    )
    m = boot()
    assert "driver: e1000e" in out(m, "ethtool -i eth0")
    assert m.dev("eth0").ethtool_ops is not None and m.dev("eth0").napi_list


@check("A1-banner")
def _() -> None:
    old, new = boot(release="3.13").kernel.log.text(), boot().kernel.log.text()
    assert "2.3.2-k" in old and "1999 - 2013" in old
    assert "2.3.2-k" not in new and "1999 - 2015" in new


@check("A1-watchdog")
def _() -> None:
    m = boot()
    before = m.net.softnet[0].cpu.softirq_stat[3]
    m.run(m.now + 10_000_000_000)
    assert 4 <= m.net.softnet[0].cpu.softirq_stat[3] - before <= 7


@check("A1-ksoftirqd", "B-constantly")
def _() -> None:
    m = boot(costs="default")
    k = m.kernel.cpus[0].ksoftirqd
    assert k is not None
    ran = k.sum_exec
    send(m, 100, 1_000_000)
    assert m.kernel.cpus[0].softirq_stat[3] >= 100 and k.sum_exec == ran


@check("A1-dma", "A1-unmap", "A3-schedule")
def _() -> None:
    names = traced_receive(boot())
    assert follows(
        names,
        "e1000_intr_msix_rx",
        "napi_schedule_prep",
        "__napi_schedule",
        "e1000e_poll",
        "e1000_clean_rx_irq",
        "dma_unmap_page_attrs",
        "e1000_receive_skb",
    )


@check("A2-ioctl")
def _() -> None:
    old, new = boot(release="3.13"), boot()
    a, b = run_command(old, "ethtool -G eth0 rx 5000"), run_command(new, "ethtool -G eth0 rx 5000")
    assert (a.status and b.status) or "4096" in out(old, "ethtool -g eth0")
    assert "netlink error" in b.stderr and "netlink error" not in a.stderr


@check("A2-weight")
def _() -> None:
    m = boot()
    budgets: list[int] = []
    m.kernel.trace.napi_poll.attach(lambda tp, cpu, now, v: budgets.append(v[3]))
    send(m)
    assert budgets and set(budgets) == {64}


@check("A2-napi-e1000e", "A2-napi-enable", "B-poll-list")
def _() -> None:
    m = boot(up=False)
    (napi,) = m.dev("eth0").napi_list
    both = NAPI_STATE_SCHED | NAPI_STATE_NPSVC
    assert napi.state & both == both and napi not in m.net.softnet[0].poll_list
    m.ports[0].model.link_change(True)
    m.in_task(lambda: dev_open(m.dev("eth0")))
    assert not napi.state & both


@check("A2-napi-igb")
def _() -> None:
    names = traced_boot("igb")
    assert follows(names, "igb_probe", "igb_init_interrupt_scheme", "igb_alloc_q_vectors", "igb_alloc_q_vector")


@check("A2-open", "A2-irq-number", "A3-irq-stat")
def _() -> None:
    m = boot(up=False)
    assert "eth0" not in m.files.read("/proc/interrupts")
    m.ports[0].model.link_change(True)
    m.in_task(lambda: dev_open(m.dev("eth0")))
    lines = [x for x in m.files.read("/proc/interrupts").splitlines() if "eth0" in x]
    assert [x.split()[-1] for x in lines] == ["eth0-rx-0", "eth0-tx-0", "eth0"]
    assert len({x.split(":")[0] for x in lines}) == 3
    m.wait_for_link()
    send(m, 3)
    row = next(x for x in m.files.read("/proc/interrupts").splitlines() if "eth0-rx-0" in x)
    assert int(row.split()[1]) >= 3


@check("A2-default-ring")
def _() -> None:
    text = out(boot(), "ethtool -g eth0")
    assert re.findall(r"RX:\s+(\d+)", text) == ["4096", "256"]


@check("A2-drop", "A2-rnbc", "A2-missed")
def _() -> None:
    def run(ring: int) -> tuple[int, int]:
        m = boot()
        if ring != 256:
            assert run_command(m, f"ethtool -G eth0 rx {ring}").status == 0
            m.wait_for_link()
        cpu = m.kernel.cpus[0]
        cpu.irqs_off += 1  # nobody harvests meanwhile
        f = frame(m, 18)
        for _ in range(2000):
            m.ports[0].receive(f)
        cpu.irqs_off -= 1
        cpu.need_attention()
        m.run()
        m.check()
        stats = dict(re.findall(r"(\w+): (\d+)", out(m, "ethtool -S eth0")))
        return int(stats["rx_no_buffer_count"]), int(stats["rx_missed_errors"])

    rnbc, missed = run(256)
    assert rnbc > 0 and missed > 0
    assert run(4096) == (0, 0)


@check("A2-l", "A2-L")
def _() -> None:
    e = run_command(boot(), "ethtool -l eth0")
    assert e.status and "Operation not supported" in e.stderr
    m = boot("igb", cpus=8)
    assert "Combined" in out(m, "ethtool -l eth0")
    assert run_command(m, "ethtool -L eth0 rx 8").status != 0
    assert run_command(m, "ethtool -L eth0 combined 4").status == 0
    assert m.dev("eth0").real_num_rx_queues == 4


@check("A2-msix", "A2-handlers")
def _() -> None:
    for refuse, handler, names in (
        ((), "e1000_intr_msix_rx", 3),
        (("msix",), "e1000_intr_msi", 1),
        (("msix", "msi"), "e1000_intr", 1),
    ):
        m = boot(refuse=refuse)
        assert m.files.read("/proc/interrupts").count("eth0") == names
        assert handler in traced_receive(m)


@check("A2-affinity")
def _() -> None:
    m = boot(cpus=2)
    assert run_command(m, "echo 2 > /proc/irq/eth0-rx-0/smp_affinity").status == 0
    send(m, 20)
    row = next(x for x in m.files.read("/proc/interrupts").splitlines() if "eth0-rx-0" in x).split()
    assert int(row[2]) > int(row[1]) and m.net.softnet[1].processed > 0


@check("A3-raise")
def _() -> None:
    m = boot()
    names = traced_receive(m)
    assert (
        follows(names, "__napi_schedule", "irq_exit_rcu", "handle_softirqs", "net_rx_action")
        and "run_ksoftirqd" not in names
    )


@check("A3-spawn", "A3-open-softirq", "B-order", "B-softnet-data")
def _() -> None:
    m = boot(cpus=4)
    ran = m.kernel.initcalls.ran
    assert ran[0] == ("early", "spawn_ksoftirqd") and ("subsys", "net_dev_init") in ran
    assert [c.ksoftirqd.name for c in m.kernel.cpus if c.ksoftirqd] == ["ksoftirqd/%d" % i for i in range(4)]
    assert len(m.files.read("/proc/net/softnet_stat").splitlines()) == 4


@check("A3-softirqs", "B-notifier")
def _() -> None:
    m = boot(release="5.15")
    send(m, 3)
    text = m.files.read("/proc/softirqs")
    assert int(re.search(r"NET_RX:\s+(\d+)", text).group(1)) >= 3  # type: ignore[union-attr]
    assert "IRQ_POLL" in text and "BLOCK_IOPOLL" not in text
    assert "BLOCK_IOPOLL" in boot(release="3.13").files.read("/proc/softirqs")


@check("A3-budget", "A3-weight", "A3-netdev-budget", "A3-softnet")
def _() -> None:
    def squeezes(release: str, budget: int) -> int:
        m = boot(release=release)
        run_command(m, "ethtool -G eth0 rx 4096")
        m.wait_for_link()
        assert run_command(m, f"sysctl net.core.netdev_budget={budget}").status == 0
        cpu = m.kernel.cpus[0]
        cpu.irqs_off += 1
        f = frame(m, 18)
        for _ in range(3000):
            m.ports[0].receive(f)
        cpu.irqs_off -= 1
        cpu.need_attention()
        m.run()
        cols = m.files.read("/proc/net/softnet_stat").split()
        assert int(cols[0], 16) >= 3000 and int(cols[1], 16) == 0
        return int(cols[2], 16)

    assert squeezes("3.13", 300) > squeezes("3.13", 600) > 0
    assert squeezes("6.1", 300) == squeezes("6.1", 600) == 0


@check("A3-clean-rx")
def _() -> None:
    m = boot()
    assert run_command(m, "ip link set eth0 mtu 9000").status == 0
    m.wait_for_link()
    assert "e1000_clean_rx_irq_ps" in traced_receive(m)


@check("A3-chain")
def _() -> None:
    old = traced_receive(boot(release="3.13"))
    assert follows(old, "e1000_receive_skb", "napi_gro_receive", "netif_receive_skb")
    assert "netif_receive_skb_list_internal" not in old
    assert follows(traced_receive(boot()), "e1000_receive_skb", "napi_gro_receive", "netif_receive_skb_list_internal")


@check("B-inet-protos")
def _() -> None:
    m = boot()
    assert "0800          ip_rcv" in m.files.read("/proc/net/ptype")
    for p in (1, 6, 17):  # the slots are taken
        assert inet_add_protocol(m.net, NetProtocol("mine"), p) != 0


@check("B-netns-ok")
def _() -> None:
    blind = NetProtocol("mine", netns_ok=False)
    old = boot(release="3.13")
    assert inet_add_protocol(old.net, blind, 253) != 0
    assert "Protocol 253 is not namespace aware, cannot register." in old.kernel.log.text()
    assert inet_add_protocol(boot().net, blind, 253) == 0


@check("B-netfilter")
def _() -> None:
    m = boot()
    seen: list[int] = []

    class Hook(NfHookOps):
        def func(self, skb: SkBuff, state: NfHookState) -> int:
            seen.append(self.hooknum)
            return 1  # NF_ACCEPT

    for hook in (0, 1):  # PRE_ROUTING, LOCAL_IN
        nf_register_net_hook(m.net, Hook(2, hook, 0))
    send(m)
    assert seen == [0, 1]


@check("B-rmem")
def _() -> None:
    m = boot()
    assert m.files.read("/proc/sys/net/core/rmem_default") == "212992\n"
    send(m, 400, 10_000)
    assert "RcvbufErrors" in m.files.read("/proc/net/snmp")
    assert m.ledger.total_dropped() > 0


@check("B-igb-open", "B-igb-msix")
def _() -> None:
    m = boot("igb", cpus=8, up=False)
    m.ports[0].model.link_change(True)
    t = FunctionTrace()
    t.is_root = lambda name: True  # type: ignore[method-assign]
    with t:
        m.in_task(lambda: dev_open(m.dev("eth0")))
    names = [n for _, n in t.lines]
    assert follows(names, "igb_setup_all_tx_resources", "igb_setup_all_rx_resources", "igb_request_irq", "napi_enable")
    text = m.files.read("/proc/interrupts")
    assert [f"eth0-TxRx-{i}" in text for i in range(8)] == [True] * 8


@check("B-igb-fallback")
def _() -> None:
    for refuse, n in ((("msix",), 1), (("msix", "msi"), 1)):
        m = boot("igb", refuse=refuse)
        assert m.files.read("/proc/interrupts").count("eth0") == n
        send(m, 3)
        assert m.net.softnet[0].processed >= 3


@check("B-server")
def _() -> None:
    spec = importlib.util.spec_from_file_location("udp_server", REPO / "examples" / "udp_server.py")
    assert spec is not None and spec.loader is not None
    mod = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mod)
    assert mod.main() == ["Receive from client:hello"]


# --- every knob that the articles name, turned with their own line: what moves is counters and places -----------------


def stalled_burst(m: Machine, n: int, *, flows: int = 1) -> None:
    """`n` frames arrive while no CPU takes interrupts; then all of them do."""
    for c in m.kernel.cpus:
        c.irqs_off += 1
    peer, ours = mac("02:00:00:00:00:01"), m.dev("eth0").dev_addr
    # by sender: these drivers do not spread UDP by ports
    frames = [udp_frame(peer, ours, ip4("10.0.0.3") + i, ip4("10.0.0.2"), 1000, 9, b"x" * 18) for i in range(flows)]
    for i in range(n):
        m.ports[0].receive(frames[i % flows])
    for c in m.kernel.cpus:
        c.irqs_off -= 1
        c.need_attention()
    m.run()


def stat(m: Machine, name: str) -> int:
    found = re.search(rf"^\s*{name}: (\d+)$", out(m, "ethtool -S eth0"), re.M)
    assert found is not None, name
    return int(found.group(1))


@check("A2-knob-G")
def _() -> None:
    """`ethtool -G eth0 rx 4096`: a burst that was too much finds room, on every driver."""

    def lost(nic: str, line: str, burst: int) -> tuple[int, int]:
        m = boot(nic)
        if line:
            assert run_command(m, line).status == 0
            m.wait_for_link()
        stalled_burst(m, burst)
        m.check()
        return stat(m, "rx_missed_errors"), sum(
            n for (stage, _, _), n in m.ledger.dropped.items() if "socket" not in stage
        )

    # ixgbe's FIFO alone holds some 6000 small frames
    for nic, burst in (("e1000e", 3000), ("igb", 3000), ("ixgbe", 8500)):
        before, after = lost(nic, "", burst), lost(nic, "ethtool -G eth0 rx 4096", burst)
        assert before[0] > 500 and before[1] >= before[0], nic
        assert after == (0, 0), nic


@check("A2-knob-S")
def _() -> None:
    """`ethtool -S eth0` shows what moved."""
    for nic in ("e1000e", "igb", "ixgbe"):
        m = boot(nic)
        before = stat(m, "rx_packets")
        send(m, 7)
        assert stat(m, "rx_packets") - before == 7


@check("A2-knob-L")
def _() -> None:
    """`ethtool -L eth0 rx 8`: each driver's refusal; what works instead puts flows on as many queues."""
    m = boot()
    done = run_command(m, "ethtool -L eth0 rx 8")
    assert (done.status, done.stderr) == (1, "netlink error: Operation not supported\n")
    for nic in ("igb", "ixgbe"):
        m = boot(nic, cpus=4)
        assert run_command(m, "ethtool -L eth0 rx 8").status == 1
        for want in (1, 2, 4):
            assert run_command(m, f"ethtool -L eth0 combined {want}").status in (0, 1)  # 1: it is so already
            m.wait_for_link()
            before = queue_packets(m)
            stalled_burst(m, 256, flows=64)
            moved = {i for i, n in queue_packets(m).items() if n > before.get(i, 0)}
            assert moved == set(range(want)), (nic, want)


def queue_packets(m: Machine) -> dict[int, int]:
    found = re.findall(r"rx_queue_(\d+)_packets: (\d+)", out(m, "ethtool -S eth0"))
    return {int(i): int(n) for i, n in found}


def fired(m: Machine, before: str, action: str) -> int:
    """How often the interrupt with this action came since the text `before`."""

    def total(text: str) -> int:
        for line in text.splitlines():
            w = line.split()
            if w and w[-1] == action:
                return sum(int(x) for x in w[1 : 1 + len(m.kernel.cpus)])
        return 0

    return total(m.files.read("/proc/interrupts")) - total(before)


@check("A2-knob-up")
def _() -> None:
    """`ifconfig eth0 up`: before it nothing arrives, after it everything."""
    m = boot(up=False)
    m.ports[0].model.link_change(True)
    send(m, 5)
    assert m.ledger.delivered == 0 and m.dev("eth0").flags & 1 == 0
    assert run_command(m, "ifconfig eth0 up").status == 0
    m.wait_for_link()
    before = m.files.read("/proc/interrupts")
    send(m, 5)
    assert fired(m, before, "eth0-rx-0") > 0 and stat(m, "rx_packets") >= 5


@check("B-knob-affinity")
def _() -> None:
    """`echo MASK > /proc/irq/IRQ_NUMBER/smp_affinity` for each queue of an igb: its packets are handled there."""
    m = boot("igb", cpus=4)
    run_command(m, "ethtool -L eth0 combined 4")
    m.wait_for_link()
    numbers = [int(x.split(":")[0]) for x in m.files.read("/proc/interrupts").splitlines() if "eth0-rx-" in x]
    assert len(numbers) == 4  # up to half of the chip's queues, receiving and sending have vectors of their own
    for cpu in (0, 3):
        for n in numbers:
            assert run_command(m, f"echo {1 << cpu:x} > /proc/irq/{n}/smp_affinity").status == 0
        send(m, 1)  # a new place is taken with the next interrupt
        stalled_burst(m, 64, flows=32)
        before = [sd.processed for sd in m.net.softnet]
        stalled_burst(m, 64, flows=32)
        assert [sd.processed - n for sd, n in zip(m.net.softnet, before, strict=True)] == [
            64 if c == cpu else 0 for c in range(4)
        ]


def kept(m: Machine, n: int = 1500, rcvbuf: int = 0) -> tuple[int, int]:
    """(datagrams that a socket made now keeps of `n`, RcvbufErrors)."""
    s = m.socket()
    if rcvbuf:
        s.setsockopt(1, 8, rcvbuf)
    s.bind(("", 77))
    f = frame(m, 1000, 77)
    m.attach(0, [(i * 20_000, f) for i in range(n)])
    before = rcvbuf_errors(m)
    m.run()
    return len(s.sk.receive_queue), rcvbuf_errors(m) - before


def rcvbuf_errors(m: Machine) -> int:
    names, values = [x.split() for x in m.files.read("/proc/net/snmp").splitlines() if x.startswith("Udp:")]
    return int(values[names.index("RcvbufErrors")])


@check("B-knob-rmem")
def _() -> None:
    """`sysctl -w net.core.rmem_default=...` and rmem_max: the same burst loses less."""
    few, errors = kept(boot())
    assert errors == 1500 - few > 0
    m = boot()
    run_command(m, "sysctl -w net.core.rmem_default=425984")
    more, fewer_errors = kept(m)
    assert 1.9 < more / few < 2.1 and fewer_errors == 1500 - more
    # a program that asks for more gets rmem_max, doubled, at most
    capped, _ = kept(boot(), rcvbuf=4_000_000)
    assert 1.9 < capped / few < 2.1
    m = boot()
    run_command(m, "sysctl -w net.core.rmem_max=4000000")
    assert kept(m, rcvbuf=4_000_000) == (1500, 0)


@check("B-knob-iptables")
def _() -> None:
    """iptables is consulted from ip_rcv: a rule takes the datagrams away, without it they come."""
    m = boot()
    m.ledger.delivered = 0
    for line, lost in (("iptables -A INPUT -p udp --dport 9 -j DROP", 4), ("iptables -D INPUT 1", 0)):
        assert run_command(m, line).status == 0
        before = m.ledger.total_dropped()
        send(m, 4)
        assert m.ledger.total_dropped() - before == lost
    m = boot()
    run_command(m, "iptables -t raw -A PREROUTING -p udp -j DROP")
    names = traced_receive(m)
    assert follows(names, "ip_rcv", "nf_hook_slow", "ipt_do_table") or follows(
        names, "ip_list_rcv", "nf_hook_slow_list"
    )
    assert "udp_rcv" not in names


@check("A1-config-pm")
def _() -> None:
    """CONFIG_PM: without it the PCI core does not know the driver's suspend."""

    def suspended(on: bool) -> list[str]:
        m = Machine(
            MachineConfig(costs="none", config={"PM": on}, nics=[NicConfig(model="igb", addresses=["10.0.0.2/24"])])
        )
        m.boot()
        dev = m.dev("eth0")
        t = FunctionTrace()
        t.is_root = lambda name: True  # type: ignore[method-assign]
        with t:
            m.in_task(lambda: pci_pm_suspend(dev.parent))
        return [n for _, n in t.lines]

    assert "igb_suspend" in suspended(True) and "igb_suspend" not in suspended(False)


@check("A1-config-dca")
def _() -> None:
    """CONFIG_IGB_DCA, CONFIG_IXGBE_DCA: whether the driver hears of a provider of direct cache access."""
    for nic in ("igb", "ixgbe"):
        for on in (True, False):
            name = nic.upper() + "_DCA"
            m = Machine(MachineConfig(costs="none", config={name: on}, nics=[NicConfig(model=nic)]))
            m.boot()
            module = m.modules[0]
            t = FunctionTrace()
            t.is_root = lambda name: True  # type: ignore[method-assign]
            with t:
                module.dca_notify(1)  # type: ignore[attr-defined]
            assert (f"{nic}_notify_dca" in [n for _, n in t.lines]) is on, nic


@pytest.mark.parametrize("row", list(rows()), ids=lambda r: r[0])
def test_row(row: tuple[str, str, str]) -> None:
    ident, verdict, how = row
    assert verdict in ("holds", "wrong", "release")
    if ident in CHECKS:
        CHECKS[ident]()
    else:
        assert "to come" in how, f"{ident} has neither a check nor the words 'to come'"


def test_the_table_is_read() -> None:
    ids = [r[0] for r in rows()]
    assert len(ids) > 45 and len(set(ids)) == len(ids)
    assert set(CHECKS) <= set(ids)
    assert dev_close is not None
