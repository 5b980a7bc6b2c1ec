"""The command line: options become exact values, errors are one line with status 2, results are printed as
they are.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rxpath.cli import main, render_replay, terminal
from rxpath.config import ListenConfig
from rxpath.link import adapt
from rxpath.link.source import BadFcsFrame, Source
from rxpath.tune import plan as plans
from rxpath.tune import replay as runs

REPO = Path(__file__).resolve().parents[2]
DEMO = str(REPO / "captures" / "demo.pcapng")

RESULT = {
    "config": {
        "release": "6.1",
        "cpus": 2,
        "nic": [{"model": "e1000e", "variant": "", "addresses": ["10.0.0.2/24"]}],
        "run": {"link_bps": 10**9},
    },
    "ledger": {
        "capture": 1010,
        "not_sent": [{"reason": "own transmissions", "count": 10}],
        "wire": 1000,
        "delivered": 690,
        "consumed": 5,
        "consumed_by": [{"stage": "arp", "reason": "arp request", "count": 5}],
        "dropped": [{"stage": "nic", "reason": "rx fifo full", "counter": "rx_missed_errors", "count": 300}],
        "in_flight": 5,
        "stages": [
            {"stage": "wire", "in": 1000, "dropped": 0, "consumed": 0, "out": 1000},
            {"stage": "nic", "in": 1000, "dropped": 300, "consumed": 0, "out": 700},
            {"stage": "program", "in": 700, "dropped": 0, "consumed": 5, "out": 695},
        ],
    },
    "counters": {
        "ethtool:eth0": {"rx_missed_errors": 300},
        "snmp": {"Udp.InDatagrams": 690},
        "softirqs": {"NET_RX.cpu0": 12},
    },
    "latency_ns": {
        "wire_to_socket": {
            "p50": 50_000,
            "p99": 1_234_567,
            "p99.9": 2_000_000,
            "max": 3_000_000,
            "count": 690,
        },
        "wire_to_program": {},
    },
    "cpus": [
        {"cpu": 0, "hardirq_ns": 10, "softirq_ns": 20, "ksoftirqd_ns": 30, "program_ns": 0, "idle_ns": 40},
        {"cpu": 1, "hardirq_ns": 0, "softirq_ns": 0, "ksoftirqd_ns": 0, "program_ns": 1, "idle_ns": 999},
    ],
    "virtual_time_ns": 1_500_000_000,
    "sockets": [{"proto": "udp", "port": 9, "cpu": 1, "readers": 1, "read": 690}],
    "messages": ["host 10.0.0.2 receives 1,000 of 1,010 frames"],
}


@pytest.fixture
def ran(monkeypatch):
    """The requests that a command would run, each with the `frames` of its source; RESULT comes back."""
    seen = []

    class Result:
        messages: list[str] = []

        def to_json(self):
            return json.loads(json.dumps(RESULT))

    def run(request, progress):
        request.frames = list(request.source)
        seen.append(request)
        return Result()

    monkeypatch.setattr(runs, "run", run)
    return seen


def refused(capsys, *args: str) -> str:
    """Run a command line that must be refused: status 2, one line, nothing on standard output."""
    assert main.run(args) == main.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"rxpath: [^\n]+\n", said.err), said.err
    return said.err


def test_options_become_a_request(ran, capsys):
    status = main.run(
        f"replay {DEMO} --nic igb:I350 --cpus 0-3 --release 5.15.0-91-generic --set net.core.rmem_max=8388608"
        " --set net/core/netdev_budget=600 --listen udp:9000,cpu=2,cost=5us,rcvbuf=4M,readers=4"
        " --listen udp:7,echo --link 10G --speed-up 2x --loop 3 --seed 5 --costs default:high"
        " -c 1k --json".split()
    )
    assert status == main.OK
    (request,) = ran
    machine = request.machine
    assert (machine.release, machine.cpus, machine.seed) == ("5.15.0-91-generic", 4, 5)
    assert (machine.costs, machine.cost_level) == ("default", "high")
    assert machine.sysctls == {"net.core.rmem_max": "8388608", "net.core.netdev_budget": "600"}
    assert (machine.nics[0].model, machine.nics[0].variant) == ("igb", "i350")
    assert machine.nics[0].link_bps == 10**10
    first, second = request.listeners
    assert (first.port, first.cpu, first.cost_ns, first.rcvbuf, first.readers) == (9000, 2, 5000, 4 << 20, 4)
    assert (second.port, second.cpu, second.echo) == (7, 2, True)  # the second listener's turn is CPU 2
    assert request.total == 1000
    printed = json.loads(capsys.readouterr().out)
    assert printed["ledger"] == RESULT["ledger"]
    assert printed["config"]["run"] == {"link_bps": 10**10, "loop": 3, "speed_up": "2", "captured_at": "auto"}


def test_a_capture_chooses_the_host_and_its_ports(ran):
    assert main.run(["replay", DEMO, "-q"]) == main.OK
    (request,) = ran
    nic = request.machine.nics[0]
    hosts = request.hosts
    assert hosts.ip and hosts.mac == nic.mac_bytes(0)
    assert nic.addresses[0].split("/")[0] == ".".join(str(b) for b in hosts.ip.to_bytes(4, "big"))
    assert [listener.port for listener in request.listeners] == hosts.udp_ports != []
    assert hosts.peers and not request.auto_listen
    frames = request.frames
    assert 0 < len(frames) <= request.total
    assert request.capture + request.added() == len(frames) + sum(request.not_sent().values())


def test_the_count_cuts_the_source_and_the_account_still_adds_up(ran):
    assert main.run(["replay", DEMO, "-q", "-c", "100"]) == main.OK
    (request,) = ran
    assert len(request.frames) == 100
    assert request.capture + request.added() == 100 + sum(request.not_sent().values())


def test_a_filter_leaves_frames_out_and_says_so(ran):
    assert main.run(["replay", DEMO, "-q"]) == main.OK
    assert main.run(["replay", "-r", DEMO, "-q"]) == main.OK
    assert main.run(["replay", DEMO, "-q", "udp", "and", "not", "less", "100"]) == main.OK
    everything, same, some = ran
    assert same.frames == everything.frames
    assert 0 < len(some.frames) < len(everything.frames)
    assert all(len(frame) > 100 and frame[23] == 17 for _, frame in some.frames)
    assert some.not_sent()["capture filter"] > 0
    assert some.capture + some.added() == len(some.frames) + sum(some.not_sent().values())


def test_load_options(ran):
    assert main.run(
        "load --rate 1Mpps --size 18:7,1472:1 --count 2k --flows 8 --burst 32 --port 5000"
        " --listen udp:5000,cost=1us -q".split()
    ) == main.OK  # fmt: skip
    (request,) = ran
    assert request.total == 2000 and [x.port for x in request.listeners] == [5000]
    frames = request.frames
    # what the link cannot carry is the wire's loss
    assert request.capture == 2000 == len(frames) + request.not_sent()["link"]
    assert request.not_sent()["link"] > 0
    assert {frame[36:38] for _, frame in frames} == {(5000).to_bytes(2, "big")}
    assert len({frame[34:36] for _, frame in frames}) == 8
    assert all(frame[:6] == request.machine.nics[0].mac_bytes(0) for _, frame in frames)


def test_machine_file_with_options_over_it(ran, tmp_path):
    file = tmp_path / "machine.toml"
    file.write_text(
        'release = "3.13"\ncpus = 2\n[[nic]]\nmodel = "e1000e"\nparams = { IntMode = 1 }\n[[listen]]\nport = 9\n'
    )
    assert main.run(["load", "-m", str(file), "--cpus", "8", "-q"]) == main.OK
    (request,) = ran
    machine = request.machine
    assert (machine.release, machine.cpus, machine.nics[0].params) == ("3.13", 8, {"IntMode": 1})
    assert machine.listeners == [ListenConfig(port=9)]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["replay"], "give a capture"),
        (["replay", "/no/such/file.pcap"], "No such file"),
        (["replay", "--frob", DEMO], "No such option"),
        (["replay", DEMO, "--cpus", "65"], "out of range"),
        (["replay", DEMO, "--cpus", "many"], "number of CPUs"),
        (["replay", DEMO, "--release", "six"], "names no kernel release"),
        (["replay", DEMO, "--nic", "e1001e"], "did you mean 'e1000e'"),
        (["replay", DEMO, "--set", "rmem_max"], "--set rmem_max: write it like"),
        (["replay", DEMO, "--listen", "udp:7,cpu=9"], "there is no CPU 9"),
        (["replay", DEMO, "--listen", "udp:7,cots=5us"], "did you mean 'cost'"),
        (["replay", DEMO, "--link", "10"], "--link: '10' needs a unit"),
        (["replay", DEMO, "--speed-up", "fast"], "--speed-up: 'fast' is no factor"),
        (["replay", DEMO, "--loop", "0"], "--loop"),
        (["replay", DEMO, "--host", "10.0.0"], "--host"),
        (["replay", DEMO, "--host", "203.0.113.9"], "nothing in .* is sent to it"),
        (["replay", DEMO, "--captured-at", "wier"], "did you mean 'wire'"),
        (["replay", DEMO, "--costs", "cheap"], "no such profile"),
        (["replay", DEMO, "--faults", "drop=2"], "probability"),
        (["replay", DEMO, "--max-loss", "much"], "--max-loss"),
        (["replay", DEMO, "-m", "/no/such.toml"], "No such file"),
        (["load", "--rate", "0"], "--rate: '0': a rate must be above zero"),
        (["load", "--size", "huge"], "not a size"),
        (["load", "--flows", "0"], "--flows"),
        (["load", "--port", "70000"], "--port"),
        (["load", "extra"], "unexpected extra argument"),
        (["docter"], "did you mean 'doctor'"),
        (["-n", "web"], "-n takes the name"),
    ],
)  # fmt: skip
def test_refusals_are_one_line_and_status_2(ran, capsys, args, says):
    assert re.search(says, refused(capsys, *args))
    assert ran == []


@pytest.mark.parametrize("damage", ["truncated", "no capture", "empty"])
def test_bad_captures(ran, capsys, tmp_path, damage):
    data = Path(DEMO).read_bytes()
    file = tmp_path / "bad.pcapng"
    file.write_bytes({"truncated": data[: len(data) // 2 + 3], "no capture": b"hello\n" * 99, "empty": b""}[damage])
    line = refused(capsys, "replay", str(file))
    assert "bad.pcapng" in line
    assert ran == []


def test_every_error_of_the_house_has_a_line(capsys):
    failed = main.failed
    assert failed(OSError(95, "TCP listener")) == main.USAGE
    assert failed(FileNotFoundError(2, "No such file or directory", "x.pcap")) == main.USAGE
    assert failed(AssertionError("books\ndo not balance")) == main.UNDECIDED
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "rxpath: not modelled: TCP listener (docs/limits.md)"
    assert said[1] == "rxpath: x.pcap: No such file or directory"
    assert said[2].startswith("rxpath: no answer, rxpath itself failed: AssertionError: books do not balance")


def test_an_aim_that_is_missed_is_status_1(ran, capsys):
    assert main.run(["load", "--max-loss", "300", "-q"]) == main.OK
    assert main.run(["load", "--max-loss", "299", "-q"]) == main.FOUND
    assert main.run(["load", "--max-loss", "30%", "-q"]) == main.OK
    assert main.run(["load", "--max-loss", "29.9%", "-q"]) == main.FOUND
    assert "aim missed: 300 of 1,000 frames dropped" in capsys.readouterr().err


@pytest.mark.parametrize("command", sorted(main.available()))
def test_every_help_ends_with_examples(capsys, command):
    assert main.run([command, "--help"]) == main.OK
    text = capsys.readouterr().out
    assert "Examples:" in text and f"rxpath {command}" in text.split("Examples:")[1]
    # nothing is cut: every option's help stands there in full
    assert "..." not in text.split("Options:")[1].split("Examples:")[0].replace(",...", "").replace("[,...]", "")


def test_help_lists_every_command(capsys):
    assert main.run(["--help"]) == main.OK
    text = capsys.readouterr().out
    assert all(re.search(rf"^  {command} ", text, re.M) for command in main.available())
    assert "Exit status" in text


# --- the page -----------------------------------------------------------------------------------------------


def page(**how) -> str:
    return "\n".join(terminal.plain(line) for line in render_replay.lines(RESULT, 100, **how))


def test_the_page_has_every_number():
    text = page()
    for part in (
        "Linux 6.1, 2 CPUs, e1000e, 10.0.0.2/24, 1 Gbit/s link, 1.50 s of its time",
        "1,000 on the wire = 690 delivered + 5 consumed + 300 dropped + 5 in flight",
        "300, 30.0 % of the wire",
        "own transmissions",
        "arp request",
        "50.0 us  1.23 ms  2.00 ms  3.00 ms",
        "ethtool -S eth0",
        "rx_missed_errors +300",
        "Udp.InDatagrams +690",
        "host 10.0.0.2 receives",
        "read 690",
        "5 frames waited",
    ):
        assert part in text, part
    assert re.search(r"nic +1,000 +300 +- +700 +#+", text)
    assert re.search(r"nic +rx fifo full +rx_missed_errors +300", text)
    assert re.search(r"0 +10.0 % +20.0 % +30.0 % +0 % +40.0 % +\|HHHHSSSSSSSSKKKKKKKKKKKK\.{16}\|", text)
    assert "NET_RX" not in text and "NET_RX.cpu0 +12" in page(verbose=True)
    assert "Latency" not in page(quiet=True) and "rx fifo full" in page(quiet=True)
    assert all(len(line) <= 100 for line in text.splitlines())


def test_bars_divide_a_whole():
    assert render_replay.shares([1, 1, 1], 10) == [4, 3, 3]
    assert render_replay.shares([0, 0], 10) == [0, 0]
    assert sum(render_replay.shares([5, 999, 1, 77], 40)) == 40


def test_plain_when_not_a_terminal_and_styles_on_one(monkeypatch, capsys):
    lines = render_replay.lines(RESULT)
    terminal.show(lines)
    without = capsys.readouterr().out
    assert "\x1b" not in without
    monkeypatch.setattr(terminal, "colour", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal.show(lines)
    styled = capsys.readouterr().out
    assert "\x1b[" in styled
    cut = re.sub(r"\x1b\[[0-9;]*m", "", styled)
    assert [line.rstrip() for line in cut.splitlines()] == [line.rstrip() for line in without.splitlines()]


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colour_where_it_is_not_wanted(monkeypatch, name, value):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert terminal.colour()
    monkeypatch.setenv(name, value)
    assert not terminal.colour()


# --- the process --------------------------------------------------------------------------------------------


def rxpath(*args: str, **more) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(REPO / "src")}
    return subprocess.run(
        [sys.executable, "-m", "rxpath", *args], env=env, text=True, capture_output=True, check=False, **more
    )


def test_version_and_a_wrong_option_as_a_process():
    assert re.fullmatch(r"rxpath \d+\.\d+\.\d+\n", rxpath("--version").stdout)
    run = rxpath("load", "--rate", "x")
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == "rxpath: --rate: 'x' is no rate (like 300k or 1Mpps)\n"


def test_the_recorder_writes_both_directions_in_order(tmp_path):
    """What the machine sends between two arriving frames stands between them in the file."""

    class Writer:
        def __init__(self):
            self.rows = []

        def write(self, time, frame):
            self.rows.append((time, frame))

        def close(self):
            pass

    class Machine:
        now = 1000

    writer = Writer()
    recorder = plans.Recorder(writer)
    recorder.machine = Machine()
    recorder.sent(900, b"before")
    frames = recorder.frames(iter([(50, b"a"), (60, b"b"), (90, b"c")]))
    assert next(frames) == (50, b"a")  # at 1000
    assert next(frames) == (60, b"b")  # read ahead
    recorder.sent(1005, b"r1")  # 55: b is still to come
    recorder.sent(1010, b"r2")  # 60: at the time of b, after it
    assert next(frames) == (90, b"c")
    recorder.sent(1020, b"r3")
    assert next(frames, None) is None
    recorder.close()
    assert writer.rows == [(50, b"a"), (55, b"r1"), (60, b"b"), (60, b"r2"), (70, b"r3"), (90, b"c")]


def test_speed_is_exact(ran):
    assert main.run(["replay", DEMO, "-q", "--speed-up", "1/3"]) == main.OK
    assert main.run(["replay", DEMO, "-q"]) == main.OK
    slow, fast = ran[0].frames, ran[1].frames
    assert len(slow) == len(fast)
    # the cable may hold a frame of a burst back, which no speed changes
    assert abs(slow[-1][0] - slow[0][0] - 3 * (fast[-1][0] - fast[0][0])) < 1_000_000


class Times(Source):
    """A source of given frames."""

    def __init__(self, frames):
        super().__init__("times", len(frames), None)
        self.list = frames

    def __iter__(self):
        return iter(self.list)


def test_long_pauses_are_shortened_and_counted():
    second = 10**9
    times = [0, 5 * second, 5 * second + 7200 * second, 5 * second + 7201 * second, 10**17]
    short = adapt.Shortened(Times([(t, b"") for t in times]))
    hour = 3600 * second
    assert [t for t, _ in short] == [0, 5 * second, 5 * second + hour, 6 * second + hour, 6 * second + 2 * hour]
    assert short.hits == 2


def test_frames_without_addresses_get_those_of_the_nic():
    frames = [(0, bytes(12) + b"\x08\x00x"), (1, b"\x02" + bytes(11) + b"\x08\x00x"), (2, BadFcsFrame(bytes(14)))]
    given = [f for _, f in adapt.Addressed(Times(frames), b"\x02nicno")]
    assert given[0] == b"\x02nicno" + adapt.PEER_MAC + b"\x08\x00x"
    assert given[1] == frames[1][1]
    assert type(given[2]) is BadFcsFrame


def test_routes_and_neighbours_of_a_machine_file_are_set_by_commands(ran, tmp_path):
    file = tmp_path / "machine.toml"
    file.write_text(
        '[[route]]\nto = "default"\nvia = "10.0.0.3"\n[[neighbour]]\nip = "10.0.0.3"\nmac = "02:00:00:00:00:33"\n'
    )
    assert main.run(["load", "-m", str(file), "--do", "ls /proc", "-q"]) == main.OK
    assert ran[0].actions == [
        "ip route replace default via 10.0.0.3",
        "ip neigh replace 10.0.0.3 lladdr 02:00:00:00:00:33 dev eth0 nud permanent",
        "ls /proc",
    ]
