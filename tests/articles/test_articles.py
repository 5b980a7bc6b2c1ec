"""docs/articles.md: every row that this step covers is run."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import pytest

from rxpath.config import MachineConfig, NicConfig
from rxpath.drivers.e1000e.e1000 import e1000_pci_tbl
from rxpath.drivers.igb.igb import igb_pci_tbl
from rxpath.drivers.ixgbe.ixgbe import ixgbe_pci_tbl
from rxpath.drivers.pci import (
    PciDev,
    device_shutdown,
    pci_bus,
    pci_match_id,
    pci_pm_resume,
    pci_pm_suspend,
    pcie_do_recovery,
)
from rxpath.hw.bus import DmaFault
from rxpath.kernel.dma import DMA_FROM_DEVICE, dma_unmap_page_attrs
from rxpath.kernel.softirq import ksoftirqd_should_run, raise_softirq_irqoff
from rxpath.machine import Machine
from rxpath.net.core.napi import (
    NetRxAction,
    __napi_schedule,
    napi_complete,
    napi_enable,
    napi_schedule,
    napi_schedule_prep,
)
from rxpath.net.core.netdevice import (
    NAPI_STATE_NPSVC,
    NAPI_STATE_SCHED,
    NapiStruct,
    Net,
    RtnlLinkStats64,
    dev_close,
    dev_open,
    netif_napi_add,
)
from rxpath.net.core.skbuff import SkBuff
from rxpath.net.ipv4.netns import NetProtocol, inet_add_protocol, ipv4_of
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


# --- what the articles say by the way: names, fields, orders ------------------------------------------------------------


def traced(m: Machine, fn: Callable[[], object], run: int = 0) -> list[str]:
    """Every function that `fn` enters (in a task of the machine), and that runs for `run` ns after it."""
    t = FunctionTrace()
    t.is_root = lambda name: True  # type: ignore[method-assign]
    with t:
        m.in_task(fn)
        if run:
            m.run(m.now + run)
    return [n for _, n in t.lines]


def opened(nic: str, release: str = "6.1", refuse: tuple[str, ...] = ()) -> list[str]:
    """The functions of `ip link set eth0 up`."""
    m = boot(nic, release, up=False, refuse=refuse)
    m.ports[0].model.link_change(True)
    return traced(m, lambda: dev_open(m.dev("eth0")))


def pci_of(m: Machine) -> PciDev:
    pdev = m.dev("eth0").parent
    assert isinstance(pdev, PciDev)
    return pdev


class Nobody:
    """Somebody else's handler on a line."""


class Counted(NapiStruct):
    """A NAPI that says what it was told to say and is done after that."""

    def __init__(self, m: Machine, works: list[int], polled: list[tuple[str, int]], name: str) -> None:
        super().__init__(m.net, m.dev("eth0"))
        self.works, self.polled, self.label = works, polled, name
        netif_napi_add(m.dev("eth0"), self)
        napi_enable(self)

    def poll(self, budget: int) -> int:
        self.polled.append((self.label, budget))
        work = self.works.pop(0) if self.works else 0
        if not self.works:
            napi_complete(self)
        return work


@check("A1-config-space", "A1-modalias", "A1-chooses")
def _() -> None:
    tables = {"e1000e": e1000_pci_tbl(), "igb": igb_pci_tbl(), "ixgbe": ixgbe_pci_tbl()}
    for nic, device in (("e1000e", 0x10D3), ("igb", 0x10C9), ("ixgbe", 0x1528)):
        m = boot(nic)
        pdev = pci_of(m)
        assert (pdev.config_read(0, 2), pdev.config_read(2, 2)) == (0x8086, device), nic
        d = "/sys/bus/pci/devices/0000:01:00.0/"
        assert m.files.read(d + "vendor") == "0x8086\n" and int(m.files.read(d + "device"), 16) == device
        uevent = dict(x.split("=", 1) for x in m.files.read(d + "uevent").splitlines())
        assert uevent["DRIVER"] == nic
        for name, table in tables.items():  # one table names the card: in the kernel and, by its alias, for modprobe
            assert (pci_match_id(table, pdev) is not None) is (name == nic)
            assert any(fnmatchcase(uevent["MODALIAS"], ident.alias()) for ident in table) is (name == nic)


@check("A1-init-names", "B-module-init", "A1-e1000e-init")
def _() -> None:
    for nic, prefix in (("e1000e", "e1000"), ("igb", "igb"), ("ixgbe", "ixgbe")):
        names = traced_boot(nic)
        assert follows(
            names, prefix + "_init_module", "pci_register_driver", "__pci_register_driver", prefix + "_probe"
        )
        assert ("device", prefix + "_init_module") in boot(nic).kernel.initcalls.ran


@check("A1-igb-init", "A1-ixgbe-init", "A1-ixgbe-dbg")
def _() -> None:
    for release in ("3.13", "6.1"):
        igb, ixgbe = traced_boot("igb", release), traced_boot("ixgbe", release)
        assert igb.index("dca_register_notify") < igb.index("pci_register_driver")
        assert ixgbe.index("ixgbe_dbg_init") < ixgbe.index("pci_register_driver") < ixgbe.index("dca_register_notify")
        assert ixgbe.index("ixgbe_probe") < ixgbe.index("dca_register_notify")
        assert "dca_register_notify" not in traced_boot("e1000e", release)
    m = boot("ixgbe")
    assert m.files.is_dir("/sys/kernel/debug/ixgbe")
    m.in_task(lambda: m.modules[0].exit(m.kernel))
    assert not m.files.exists("/sys/kernel/debug/ixgbe") and m.kernel.dca_notifiers == []


@check("A1-igb-banner", "A1-ixgbe-banner")
def _() -> None:
    for nic, version, old, new in (
        ("igb", "version 5.0.5-k", "2007-2013", "2007-2014"),
        ("ixgbe", "version 3.15.1-k", "1999-2013", "1999-2016"),
    ):
        first, later = boot(nic, "3.13").kernel.log.text(), boot(nic).kernel.log.text()
        assert version in first and old in first
        assert version not in later and new in later


@check("A1-e1000e-driver", "A1-igb-driver", "A1-ixgbe-driver", "B-igb-driver")
def _() -> None:
    for nic, p in (("e1000e", "e1000"), ("igb", "igb"), ("ixgbe", "ixgbe")):
        pm = "e1000e_pm" if nic == "e1000e" else nic
        m = boot(nic)
        pdev = pci_of(m)
        assert pdev.driver is not None and pdev.driver.name == nic and pdev.driver.err_handler is not None
        assert pm + "_suspend" in traced(m, partial(pci_pm_suspend, pdev))
        assert pm + "_resume" in traced(m, partial(pci_pm_resume, pdev))
        names = traced(m, partial(pcie_do_recovery, pdev, True))
        assert follows(names, p + "_io_error_detected", p + "_io_slot_reset", p + "_io_resume")
        unbind = f"/sys/bus/pci/drivers/{nic}/unbind"
        assert p + "_remove" in traced(m, partial(m.files.write, unbind, pdev.name))
        assert not m.files.exists("/sys/class/net/eth0")
        m = boot(nic)
        assert p + "_shutdown" in traced(m, partial(device_shutdown, pci_bus(m.kernel)))


@check("A1-sriov")
def _() -> None:
    m = boot("igb")
    drv = pci_of(m).driver
    assert drv is not None and drv.has_sriov
    assert "igb_pci_sriov_configure" in traced(m, lambda: drv.sriov_configure(pci_of(m), 0))
    m = boot("e1000e")  # neither the chip nor e1000_driver has it
    assert not m.files.exists("/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs")
    assert not pci_of(m).driver.has_sriov  # type: ignore[union-attr]


@check("A1-probe-names", "A1-probe-ethtool", "A1-probe-napi", "A1-probe-mac", "A1-probe-netdev", "A1-probe-watchdog")
def _() -> None:
    for nic, probe in (("e1000e", "e1000_probe"), ("igb", "igb_probe"), ("ixgbe", "ixgbe_probe")):
        names = traced_boot(nic)
        names = names[names.index(probe) :]
        assert follows(names, "netif_napi_add", "netdev_register_kobject")
        m = boot(nic, up=False)
        dev = m.dev("eth0")
        assert dev.ethtool_ops is not None and dev.napi_list and f"driver: {nic}\n" in out(m, "ethtool -i eth0")
        assert dev.dev_addr == dev.perm_addr == m.ports[0].model.mac
        assert ":".join(f"{b:02x}" for b in dev.dev_addr) in m.files.read("/sys/class/net/eth0/address")
    m = boot(up=False)
    adapter = m.dev("eth0").priv()  # type: ignore[attr-defined]
    assert adapter.watchdog_timer is not None and adapter.watchdog_task is not None


@check("A1-probe-irq", "A2-netdev-irq")
def _() -> None:
    m = boot(up=False)
    assert m.dev("eth0").irq == pci_of(m).irq != 0
    for nic in ("igb", "ixgbe"):
        assert boot(nic, up=False).dev("eth0").irq == 0


@check("A1-deferred-ring", "A1-gro-skb")
def _() -> None:
    """Nothing is in memory for the stack before the interrupt; then an skb goes up."""
    m = boot()
    skbs: list[SkBuff] = []
    m.kernel.trace.napi_gro_receive_entry.attach(lambda tp, cpu, now, v: skbs.append(v[0]))
    m.kernel.cpus[0].irqs_off += 1
    m.ports[0].receive(frame(m))
    adapter = m.dev("eth0").priv()  # type: ignore[attr-defined]
    m.run(m.now + 1_000_000)
    ring = adapter.rx_ring
    assert ring.view[(ring.next_to_clean << 4) + 8] & 1 and not skbs  # DD: the device wrote it there by itself
    m.kernel.cpus[0].irqs_off -= 1
    m.kernel.cpus[0].need_attention()
    m.run()
    assert len(skbs) == 1 and skbs[0].len >= 64


@check("A1-steering")
def _() -> None:
    m = boot(cpus=4)
    assert m.dev("eth0").real_num_rx_queues == 1
    stalled_burst(m, 128, flows=64)
    assert [sd.processed > 0 for sd in m.net.softnet].count(True) == 1
    assert run_command(m, "echo f > /sys/class/net/eth0/queues/rx-0/rps_cpus").status == 0
    stalled_burst(m, 128, flows=64)
    assert all(sd.processed > 0 for sd in m.net.softnet)


@check("A1-socket-buffers")
def _() -> None:
    m = boot()
    s = m.socket()
    s.bind(("", 77))
    m.attach(0, [(0, frame(m, port=77))])
    m.run()
    assert len(s.sk.receive_queue) == 1 and s.sk.rmem_alloc > 0


@check("A2-per-packet", "A2-many-a-poll", "A3-poll-returns", "A3-defer")
def _() -> None:
    m = boot()
    run_command(m, "ethtool -G eth0 rx 4096")
    run_command(m, "ethtool -C eth0 rx-usecs 0")
    m.wait_for_link()
    before = m.files.read("/proc/interrupts")
    send(m, 20)  # far apart: the interrupts of old
    assert fired(m, before, "eth0-rx-0") == 20
    works: list[int] = []
    m.kernel.trace.napi_poll.attach(lambda tp, cpu, now, v: works.append(v[2]))
    before = m.files.read("/proc/interrupts")
    stalled_burst(m, 1000)
    assert fired(m, before, "eth0-rx-0") <= 2
    assert sum(works) == 1000 and works[:15] == [64] * 15 and max(works) == 64


@check("A2-one-queue", "A2-several")
def _() -> None:
    assert (boot(cpus=4).dev("eth0").real_num_rx_queues, len(boot(cpus=4).dev("eth0").napi_list)) == (1, 1)
    for nic in ("igb", "ixgbe"):
        dev = boot(nic, cpus=4).dev("eth0")
        assert dev.real_num_rx_queues == 4 and len(dev.napi_list) > 1


@check("A2-napi-ixgbe", "A2-igb-callers", "B-igb-napi")
def _() -> None:
    names = traced_boot("ixgbe")
    chain = ("ixgbe_init_interrupt_scheme", "ixgbe_alloc_q_vectors", "ixgbe_alloc_q_vector", "netif_napi_add")
    assert follows(names, "ixgbe_probe", *chain)
    for nic in ("igb", "ixgbe"):
        m = boot(nic, cpus=4)
        assert {n.weight for n in m.dev("eth0").napi_list} == {64}
        m.run(m.now + 100_000_000)
        names = traced(m, lambda m=m: two_queues(m))  # type: ignore[misc]  # another place that calls it
        assert names.count(f"{nic}_alloc_q_vector") >= 2 and f"{nic}_init_interrupt_scheme" in names


def two_queues(m: Machine) -> None:
    ops = m.dev("eth0").ethtool_ops
    assert ops is not None
    c = ops.get_channels()
    c.combined_count = 2
    ops.set_channels(c)


@check("A2-ndo-open", "A2-order", "A2-setup-order", "A2-irq-enable", "A2-napi-enable-call", "A3-clean-rx-set")
def _() -> None:
    names = opened("e1000e")
    assert follows(
        names,
        "dev_open",
        "e1000e_open",
        "e1000e_setup_tx_resources",
        "e1000e_setup_rx_resources",
        "e1000_configure",
        "e1000_configure_rx",
        "e1000_request_irq",
        "napi_enable",
        "e1000_irq_enable",
    )
    for refuse, eiac in (((), True), (("msix",), False)):
        m = boot(up=False, refuse=refuse)
        model = m.ports[0].model
        assert model.mmio_read(0, 0xD0, 4) == 0  # IMS
        m.in_task(lambda m=m: dev_open(m.dev("eth0")))  # type: ignore[misc]
        assert model.mmio_read(0, 0xD0, 4) != 0 and (model.mmio_read(0, 0xDC, 4) != 0) is eiac


@check("A2-dma-ring")
def _() -> None:
    m = boot(up=False)
    adapter = m.dev("eth0").priv()  # type: ignore[attr-defined]
    assert adapter.rx_ring.view is None or len(adapter.rx_ring.view) == 0
    m.in_task(lambda: dev_open(m.dev("eth0")))
    model, ring = m.ports[0].model, adapter.rx_ring
    assert ring.count == 256  # what the card was told: RDLEN, RDBAL
    assert model.mmio_read(0, 0x2808, 4) == 256 * 16 and model.mmio_read(0, 0x2800, 4) != 0


@check("A2-stat-names", "A2-not-every")
def _() -> None:
    names = {}
    for nic in ("e1000e", "igb", "ixgbe"):
        names[nic] = set(re.findall(r"^\s*(\w+):", out(boot(nic), "ethtool -S eth0"), re.M))
    assert "rx_no_buffer_count" in names["e1000e"]
    assert "rx_no_dma_resources" in names["ixgbe"] - names["igb"]
    assert all("rx_missed_errors" in n for n in names.values())
    # refused by e1000e, done by igb
    for line in ("ethtool -l eth0", "ethtool -x eth0"):
        assert run_command(boot(), line).status != 0 and run_command(boot("igb"), line).status == 0, line


@check("A2-tx-ring")
def _() -> None:
    m = boot()
    assert run_command(m, "ethtool -G eth0 tx 4096").status == 0
    assert re.findall(r"TX:\s+(\d+)", out(m, "ethtool -g eth0")) == ["4096", "4096"]
    assert run_command(m, "ethtool -G eth0 rx 8192").status != 0


@check("A2-request-irq", "A2-three-kinds")
def _() -> None:
    for refuse, chip, shared in (((), "PCI-MSI", 0), (("msix",), "PCI-MSI", 0), (("msix", "msi"), "IO-APIC", 0x80)):
        m = boot(refuse=refuse)
        rows = [x for x in m.files.read("/proc/interrupts").splitlines() if "eth0" in x]
        assert all(chip in x for x in rows) and len(rows) == (1 if refuse else 3)
        if refuse:
            (action,) = m.kernel.irq.descs[pci_of(m).irq].actions
            assert (action.name, action.flags) == ("eth0", shared)


@check("A2-handler-irq", "A3-irq-tied")
def _() -> None:
    """With MSI-X an interrupt of its own number a queue, and it is the queue's that fires."""
    m = boot("igb", cpus=2)
    irqs: list[tuple[int, str]] = []
    m.run(m.now + 100_000_000)
    m.kernel.trace.irq_handler_entry.attach(lambda tp, cpu, now, v: irqs.append((v[0], v[1])))
    stalled_burst(m, 64, flows=32)
    got = {name: irq for irq, name in irqs if "TxRx" in name or "rx-" in name}
    assert len(set(got.values())) == len(got) == 2 and pci_of(m).irq not in got.values()


@check("A3-blocked")
def _() -> None:
    m = boot("igb", cpus=4)
    for line in m.files.read("/proc/interrupts").splitlines():
        if "eth0" in line:
            run_command(m, f"echo 1 > /proc/irq/{line.split(':')[0].strip()}/smp_affinity")
    stalled_burst(m, 64, flows=32)
    seen: list[tuple[str, bool]] = []
    c = m.kernel.cpus[0]
    m.kernel.trace.irq_handler_entry.attach(lambda tp, cpu, now, v: seen.append(("in", c.irqs_off > 0)))
    m.kernel.trace.irq_handler_exit.attach(lambda tp, cpu, now, v: seen.append(("out", c.irqs_off > 0)))
    stalled_burst(m, 64, flows=32)
    assert len(seen) >= 6 and all(off for _, off in seen)
    assert [w for w, _ in seen] == ["in", "out"] * (len(seen) // 2)  # never one inside the other


@check("A3-totals")
def _() -> None:
    for refuse, tx in (((), 777), (("msix",), 0)):
        m = boot(refuse=refuse)
        m.run(m.now + 100_000_000)
        a = m.dev("eth0").priv()  # type: ignore[attr-defined]
        seen: list[tuple[int, int]] = []
        m.kernel.trace.softirq_raise.attach(
            lambda tp, cpu, now, v, a=a, seen=seen: seen.append(  # type: ignore[misc]
                (a.total_rx_packets, a.total_tx_packets)
            )
        )
        a.total_rx_packets = a.total_tx_packets = 777
        m.ports[0].receive(frame(m))
        m.run(m.now + 1_000_000)
        assert seen[0] == (0, tx), refuse  # MSI-X: the receive queue's own totals alone


@check("A3-tail", "A3-list-order", "A3-running", "A3-this-cpu")
def _() -> None:
    for release in ("3.13", "5.15", "6.1", "6.12"):
        m = boot(release=release, cpus=2)
        m.run(m.now + 100_000_000)
        polled: list[tuple[str, int]] = []
        napis = [Counted(m, [1], polled, str(i)) for i in range(3)]

        def schedule(m: Machine = m, napis: list[Counted] = napis) -> None:
            cpu = m.kernel.cur()
            cpu.softirq_count += 1  # local_bh_disable
            for n in napis:
                assert napi_schedule_prep(n)
                m.net.softnet[1].poll_list.clear()
                __napi_schedule(n)
                assert not napi_schedule_prep(n)  # it is running already
            assert m.net.softnet[0].poll_list[-3:] == napis and not m.net.softnet[1].poll_list
            cpu.softirq_count -= 1

        m.in_task(schedule)
        m.kernel.cpus[0].softirq_pending |= 8
        m.in_task(lambda m=m: m.kernel.softirq.do_softirq(m.kernel.cur()))  # type: ignore[misc]
        once = [("0", 64), ("1", 64), ("2", 64)]
        assert polled == (once if release == "3.13" else once * 2), release  # the attempts that were noted


@check("A3-thread", "B-run-ksoftirqd")
def _() -> None:
    m = boot()
    cpu = m.kernel.cpus[0]
    m.run(m.now + 100_000_000)
    thread = cpu.ksoftirqd
    assert thread is not None and not ksoftirqd_should_run(cpu)
    before = cpu.softirq_stat[3]
    names = traced(m, lambda: raise_softirq_irqoff(cpu, 3), 1_000_000)
    assert names[:3] == ["run_ksoftirqd", "handle_softirqs", "net_rx_action"]  # nobody else had a reason to
    assert cpu.softirq_stat[3] == before + 1 and not ksoftirqd_should_run(cpu)
    cpu.softirq_pending |= 8
    assert ksoftirqd_should_run(cpu)
    cpu.softirq_pending = 0


@check("B-softirq-enum", "B-one-handler-a-vector")
def _() -> None:
    want = "HI TIMER NET_TX NET_RX BLOCK %s TASKLET SCHED HRTIMER RCU"
    for release, sixth in (("3.13", "BLOCK_IOPOLL"), ("5.15", "IRQ_POLL"), ("6.12", "IRQ_POLL")):
        m = boot(release=release)
        rows = m.files.read("/proc/softirqs").splitlines()[1:]
        assert [x.split(":")[0].strip() for x in rows] == (want % sixth).split()
        assert type(m.kernel.softirq.vec[3]) is NetRxAction and len(m.kernel.softirq.vec) == 10


@check("A3-work-max", "A3-too-much")
def _() -> None:
    m = boot()
    polled: list[tuple[str, int]] = []
    n = Counted(m, [65, 0], polled, "greedy")
    m.in_task(lambda: napi_schedule(n))
    m.run(m.now + 1_000_000)
    assert len(polled) == 2 and "returned 65, exceeding its budget of 64." in m.kernel.log.text()


@check("A3-subtract", "A3-loop-tests", "A3-time-squeeze", "A3-dequeue")
def _() -> None:
    def polls(release: str, works: list[int], budget: int) -> tuple[int, int]:
        m = boot(release=release)
        m.run(m.now + 100_000_000)
        run_command(m, f"sysctl net.core.netdev_budget={budget}")
        n = Counted(m, works, [], "x")
        runs = m.kernel.cpus[0].softirq_stat[3]

        def schedule() -> None:
            napi_schedule(n)
            m.kernel.softirq.do_softirq(m.kernel.cur())

        m.in_task(schedule)
        m.run(m.now + 100_000_000)
        assert not works
        return m.kernel.cpus[0].softirq_stat[3] - runs, m.net.softnet[0].time_squeeze

    # 3.13: ten full weights of a budget of 128 are five runs, four of them cut short
    assert polls("3.13", [64] * 9 + [0], 128) == (5, 4)
    # later: a full weight ends the run by itself, and the list that is left over raises the softirq again
    assert polls("6.1", [64] * 9 + [0], 128) == (10, 0)
    # 3.13 looks before a poll that there is more; later releases count a budget that was just used up as well
    assert polls("3.13", [10], 10) == (1, 0) and polls("6.1", [10], 10) == (1, 1)


@check("A3-poll-pointer", "A3-clean-args", "A3-stops-at-weight", "A3-counts", "A3-refill")
def _() -> None:
    m = boot()
    run_command(m, "ethtool -G eth0 rx 4096")
    m.wait_for_link()
    m.run(m.now + 100_000_000)
    a = m.dev("eth0").priv()  # type: ignore[attr-defined]
    works: list[tuple[int, int]] = []
    m.kernel.trace.napi_poll.attach(lambda tp, cpu, now, v: works.append((v[2], v[3])))
    a.total_rx_packets = a.total_rx_bytes = 0
    t = FunctionTrace()
    t.is_root = lambda name: True  # type: ignore[method-assign]
    with t:
        stalled_burst(m, 200)
    names = [n for _, n in t.lines]
    assert follows(names, "e1000e_poll", "e1000_clean_rx_irq", "dma_unmap_page_attrs", "e1000_receive_skb")
    assert works == [(64, 64), (64, 64), (64, 64), (8, 64)]
    assert names.count("e1000_clean_rx_irq") == 4 and names.count("dma_unmap_page_attrs") == 200
    assert names.count("e1000_alloc_rx_buffers") >= 200 // 16
    assert (a.total_rx_packets, a.total_rx_bytes) == (200, 200 * 60)
    assert a.rx_ring.unused() == 0  # everything that was taken is back


@check("A3-unmapped")
def _() -> None:
    """After the unmap the device's write does not reach memory."""
    m = boot()
    a = m.dev("eth0").priv()  # type: ignore[attr-defined]
    addr, at = a.rx_ring.dma[0], a.rx_ring.next_to_clean
    assert addr and at == 0
    memory, bus = m.kernel.memory, m.ports[0].model.bus
    bus.dma_write(addr, b"x", None)
    dma_unmap_page_attrs(memory, addr, a.rx_buffer_len, DMA_FROM_DEVICE)
    with pytest.raises(DmaFault):
        bus.dma_write(addr, b"x", None)


@check("A3-vlan")
def _() -> None:
    m = boot()
    tags: list[tuple[bool, int, int]] = []
    m.kernel.trace.napi_gro_receive_entry.attach(
        lambda tp, cpu, now, v: tags.append((v[0].vlan_present, v[0].vlan_tci, v[0].protocol))
    )
    f = frame(m)
    m.ports[0].receive(f[:12] + b"\x81\x00\xe0\x00" + f[12:])
    m.run(m.now + 1_000_000)
    assert tags == [(True, 0xE000, 0x800)]


@check("A3-skb-finish", "A3-heavy")
def _() -> None:
    old, new = traced_receive(boot(release="3.13")), traced_receive(boot(release="5.15"))
    assert follows(old, "napi_gro_receive", "netif_receive_skb", "__netif_receive_skb_core", "ip_rcv", "udp_rcv")
    assert follows(new, "napi_gro_receive", "napi_complete_done", "netif_receive_skb_list_internal", "udp_rcv")
    assert "netif_receive_skb" not in new


@check("B-data-link")
def _() -> None:
    m = boot()
    assert follows(traced_receive(m), "e1000_receive_skb", "eth_type_trans", "__netif_receive_skb_core")
    assert m.files.exists("/proc/net/arp") and m.files.exists("/proc/net/ptype")


@check("B-handler-leaves")
def _() -> None:
    m = boot("ixgbe", "5.15")
    with FunctionTrace() as t:
        m.ports[0].receive(frame(m))
        m.run(m.now + 1_000_000)
    depth = {n: d for d, n in reversed(t.lines)}
    names = [n for _, n in t.lines]
    assert names.index("ixgbe_msix_clean_rings") < names.index("irq_exit_rcu") < names.index("ixgbe_poll")
    handler = names[names.index("ixgbe_msix_clean_rings") + 1 : names.index("irq_exit_rcu")]
    assert handler == ["napi_schedule_prep", "__napi_schedule"] and depth["ixgbe_poll"] > depth["irq_exit_rcu"]


@check("B-threads", "B-initcalls", "B-ptype-hash", "B-inet-slots")
def _() -> None:
    for cpus in (1, 3):
        m = boot(release="5.15", cpus=cpus)
        assert len([c for c in m.kernel.cpus if c.ksoftirqd is not None]) == cpus
    ran = m.kernel.initcalls.ran
    places = [("early", "spawn_ksoftirqd"), ("subsys", "net_dev_init"), ("fs", "inet_init")]
    assert [ran.index(p) for p in places] == sorted(ran.index(p) for p in places)
    v = ipv4_of(m.net)
    assert len(v.protos) == 256
    assert inet_add_protocol(m.net, NetProtocol("mine"), 17) == -1
    for at, kind in ((0, 0x0800), (6, 0x0806)):
        assert kind in [p.type for p in m.net.ptype_base[at]]
    assert len(m.net.ptype_base) == 16


@check("B-inet-order")
def _() -> None:
    order: list[int] = []

    def noted(net: Net, prot: NetProtocol, protocol: int) -> int:
        order.append(protocol)
        return inet_add_protocol(net, prot, protocol)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rxpath.net.ipv4.af_inet.inet_add_protocol", noted)
        patch.setattr("rxpath.net.ipv4.tcp.ipv4.inet_add_protocol", noted)
        boot(release="5.15")
    assert [n for n in order if n in (1, 6, 17)] == [1, 17, 6]


@check("B-err-handler")
def _() -> None:
    m = boot(release="5.15")
    v = ipv4_of(m.net)
    for number in (6, 17):
        prot = v.protos[number]
        assert prot is not None and prot.no_policy and type(prot).err_handler is not NetProtocol.err_handler


@check("B-early-demux")
def _() -> None:
    for release in ("3.13", "5.15"):
        assert "udp_v4_early_demux" in traced_receive(boot(release=release))
        m = boot(release=release)
        run_command(m, "sysctl net.ipv4.ip_early_demux=0")
        assert "udp_v4_early_demux" not in traced_receive(m)


@check("B-lookup")
def _() -> None:
    m = boot(release="5.15")
    assert follows(traced_receive(m), "ip_list_rcv", "ip_protocol_deliver_rcu", "udp_rcv")
    m = boot(release="5.15")
    m.net.ptype_base[0].clear()
    assert not {"ip_list_rcv", "ip_rcv", "udp_rcv"} & set(traced_receive(m))
    m = boot(release="5.15")
    ipv4_of(m.net).protos[17] = None
    names = traced_receive(m)
    assert "ip_protocol_deliver_rcu" in names and "udp_rcv" not in names


@check("B-netdev-ops", "B-eth-ioctl")
def _() -> None:
    m = boot("igb", "5.15")
    dev = m.dev("eth0")
    mine = dev.dev_addr[:5] + bytes([dev.dev_addr[5] ^ 1])
    for want, fn in (
        ("igb_get_stats64", lambda: dev.ndo_get_stats64(RtnlLinkStats64())),
        ("igb_set_rx_mode", dev.ndo_set_rx_mode),
        ("igb_set_mac", lambda: dev.ndo_set_mac_address(mine)),
        ("igb_change_mtu", lambda: dev.ndo_change_mtu(2000)),
        ("igb_ioctl", lambda: dev.ndo_do_ioctl(0x8947, bytearray(40))),
        ("igb_close", dev.ndo_stop),
        ("igb_open", dev.ndo_open),
    ):
        assert want in traced(m, fn), want
    m = boot("igb", "5.15")
    m.run(m.now + 100_000_000)
    s = m.socket()
    assert "igb_xmit_frame" in traced(m, lambda: s.sendto(b"x", ("10.0.0.77", 9)), 10_000_000)  # its ARP request


@check("B-igb-open-steps")
def _() -> None:
    for release in ("3.13", "5.15"):
        assert follows(
            opened("igb", release),
            "igb_open",
            "__igb_open",
            "igb_setup_all_tx_resources",
            "igb_setup_all_rx_resources",
            "igb_power_up_link",
            "igb_configure",
            "igb_request_irq",
            "napi_enable",
            "igb_irq_enable",
            "netif_tx_start_queue",
        )


@check("B-igb-rings")
def _() -> None:
    """One ring a queue."""
    m = boot("igb", cpus=4, up=False)
    m.ports[0].model.link_change(True)
    names = traced(m, lambda: dev_open(m.dev("eth0")))
    assert names.count("igb_setup_rx_resources") == m.dev("eth0").real_num_rx_queues == 4


@check("B-igb-handlers")
def _() -> None:
    for refuse, handler in (((), "igb_msix_ring"), (("msix",), "igb_intr_msi"), (("msix", "msi"), "igb_intr")):
        m = boot("igb", "5.15", refuse=refuse)
        m.run(m.now + 100_000_000)
        assert handler in traced_receive(m)
        shared = [a.flags & 0x80 for d in m.kernel.irq.descs.values() for a in d.actions if a.name.startswith("eth0")]
        assert all(shared) is (handler == "igb_intr")


@check("B-rebuilt")
def _() -> None:
    m = boot("igb", "5.15", up=False)
    m.ports[0].model.link_change(True)
    a = m.dev("eth0").priv()  # type: ignore[attr-defined]
    del m.kernel.irq.descs[a.msix_entries[1].vector]  # request_irq answers EINVAL
    names = traced(m, lambda: dev_open(m.dev("eth0")))
    names = names[names.index("igb_request_irq") :]
    assert follows(
        names,
        "igb_request_msix",
        "igb_free_all_tx_resources",
        "igb_free_all_rx_resources",
        "igb_init_interrupt_scheme",
        "igb_setup_all_tx_resources",
        "igb_setup_all_rx_resources",
        "igb_configure",
    )
    assert m.files.read("/proc/interrupts").count("eth0") == 1


@check("B-no-interrupt")
def _() -> None:
    m = boot("igb", "5.15", up=False, refuse=("msix", "msi"))
    m.kernel.irq.request_irq(pci_of(m).irq, lambda irq, dev: 0, 0, "other", Nobody())
    done = run_command(m, "ifconfig eth0 up")
    assert done.status == 1 and "Device or resource busy" in done.stderr
    assert "Error -16 getting interrupt" in m.kernel.log.text()


@check("A2-irqbalance")
def _() -> None:
    """What irqbalance reads and writes; the program itself runs in the tests of `rxpath exec`."""
    m = boot("igb", cpus=2)
    vectors = m.files.listdir("/sys/bus/pci/devices/0000:01:00.0/msi_irqs")
    rows = [x.split(":")[0].strip() for x in m.files.read("/proc/interrupts").splitlines() if "eth0" in x]
    assert rows and set(rows) <= set(vectors)
    for irq in rows:
        m.files.write(f"/proc/irq/{irq}/smp_affinity", "2\n")
        assert int(m.files.read(f"/proc/irq/{irq}/smp_affinity"), 16) == 2


@check("B-module-known")
def _() -> None:
    """A card that comes after the driver is probed at once."""
    m = boot("igb")
    run_command(m, "echo 0000:01:00.0 > /sys/bus/pci/drivers/igb/unbind")
    bind = "/sys/bus/pci/drivers/igb/bind"
    assert "igb_probe" in traced(m, lambda: m.files.write(bind, "0000:01:00.0"))


@check("B-kinds-of-rcv")
def _() -> None:
    m = boot(release="5.15")
    v = ipv4_of(m.net)
    assert [type(v.protos[n]).__name__ for n in (1, 17, 6)] == ["IcmpProtocol", "UdpProtocol", "TcpProtocol"]


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
