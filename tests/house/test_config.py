"""Machine files: what they say arrives, what is written reads back, everything else is one line that names
the key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxpath import config
from rxpath.config import (
    ConfigError,
    ListenConfig,
    MachineConfig,
    NeighbourConfig,
    NicConfig,
    RouteConfig,
    parse_listen,
    parse_nic,
    parse_set,
)

FULL = """
release = "5.15.0-91-generic"
hz = 1000
cpus = 4
seed = 7
costs = "none"
do = ["ethtool -G eth0 rx 4096", "echo 2 > /proc/irq/eth0-rx-0/smp_affinity"]

[sysctl]
net.core.rmem_max = 4194304
"net.ipv4.udp_mem" = [1, 2, 3]
"net/ipv4/conf/eth0.5/rp_filter" = 1

[config]
CONFIG_RPS = false

[[nic]]
model = "igb"
variant = "I350"
mac = "02-00-00-00-00-0A"
addresses = ["10.0.0.2/24", "10.1.0.2/16"]
mtu = 9000
link = "2.5Gbit"
refuse = ["msix"]
faults = "drop=1%,delay=5%:50us"
params = { IntMode = [1, 2], copybreak = 128 }

[[nic]]
model = "tun"

[[listen]]
port = 7
cpu = 3
cost = "5us"
rcvbuf = "4M"
readers = 4
echo = true

[[route]]
to = "default"
via = "10.0.0.1"

[[neighbour]]
ip = "10.0.0.1"
mac = "02:00:00:00:00:01"
"""


def test_everything_that_a_file_may_say():
    machine = MachineConfig.from_toml(FULL)
    assert machine == MachineConfig(
        release="5.15.0-91-generic",
        hz=1000,
        cpus=4,
        seed=7,
        costs="none",
        do=["ethtool -G eth0 rx 4096", "echo 2 > /proc/irq/eth0-rx-0/smp_affinity"],
        sysctls={
            "net.core.rmem_max": "4194304",
            "net.ipv4.udp_mem": "1 2 3",
            "net.ipv4.conf.eth0/5.rp_filter": "1",
        },
        config={"RPS": False},
        nics=[
            NicConfig(
                model="igb",
                variant="i350",
                mac="02:00:00:00:00:0a",
                addresses=["10.0.0.2/24", "10.1.0.2/16"],
                mtu=9000,
                link_bps=2_500_000_000,
                refuse=["msix"],
                faults="drop=1%,delay=5%:50us",
                params={"IntMode": "1,2", "copybreak": 128},
            ),
            NicConfig(model="tun"),
        ],
        listeners=[ListenConfig(port=7, cpu=3, cost_ns=5000, rcvbuf=4 << 20, readers=4, echo=True)],
        routes=[RouteConfig(to="default", via="10.0.0.1")],
        neighbours=[NeighbourConfig(ip="10.0.0.1", mac="02:00:00:00:00:01")],
    )
    assert MachineConfig.from_toml(machine.to_toml()) == machine
    assert MachineConfig.from_dict(machine.to_dict()) == machine


def test_an_empty_file_is_the_default_machine():
    assert MachineConfig.from_toml("") == MachineConfig()
    assert MachineConfig().to_toml() == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("relase = '5.15'", r"unknown key 'relase' \(did you mean 'release'\?\)"),
        ("[[nic]]\nmodle = 'igb'", r"nic 0: unknown key 'modle' \(did you mean 'model'\?\)"),
        ("[[nic]]\nmodel = 'e1001e'", r"did you mean 'e1000e'\?"),
        ("[[nic]]\nmodel = 'igb'\nvariant = '82599'", "no variant '82599'"),
        ("[[nic]]\nname = 'eth0'", "'model' is missing"),
        ("[[nic]]\nmodel = 'igb'\nmac = '01:00:5e:00:00:01'", "multicast"),
        ("[[nic]]\nmodel = 'igb'\naddresses = ['10.0.0.256/24']", "no IPv4 address"),
        ("[[nic]]\nmodel = 'igb'\nlink = '10X'", "unknown unit 'X'"),
        ("[[nic]]\nmodel = 'igb'\nlink = true", "number with a unit"),
        ("[[nic]]\nmodel = 'igb'\nname = 'a'\n[[nic]]\nmodel = 'igb'\nname = 'a'", "that of nic 0"),
        ("[[nic]]\nmodel = 'igb'\nrefuse = ['msx']", r"did you mean 'msix'\?"),
        ("[[nic]]\nmodel = 'igb'\nfaults = 'drp=1%'", "unknown fault"),
        ("[nic]\nmodel = 'igb'", r"write \[\[nic\]\]"),
        ("cpus = 65", "out of range"),
        ("cpus = 0", "out of range"),
        ("hz = 300", "HZ is one of"),
        ("seed = -1", "out of range"),
        ("release = 'six'", "names no kernel release"),
        ("costs = 'cheap'", "no such profile"),
        ("cost_level = 'hi'", "not one of low"),
        ("[[listen]]\nport = 70000", "out of range"),
        ("[[listen]]\nport = 7\ncpu = 1", "there is no CPU 1"),
        ("[[listen]]\nport = 7\n[[listen]]\nport = 7", "taken by listen 0"),
        ("[[route]]\nto = '10.0.0.1/8'\nvia = '1.1.1.1'", "host bits"),
        ("[[route]]\nto = 'default'", "'via' or 'dev'"),
        ("do = ['']", "empty command"),
        ("do = 'ls'", "a list is expected"),
        ("[sysctl]\n'net core' = 1", "no sysctl's name"),
        ("[sysctl]\nnet.core.rmem_max = 1.5", "number or a text"),
        ("[config]\nCONFIG_rps = true", "no name of a CONFIG_ switch"),
        ("[config]\nCONFIG_RPS = 1", "true or false"),
        ("[config]\nCONFIG_XPS = true", "CONFIG_XPS is not modelled"),
        ("cpus = ", "not TOML"),
    ],
)
def test_refusals(text, says):
    with pytest.raises(ConfigError, match=says) as caught:
        MachineConfig.from_toml(text, "m.toml")
    assert str(caught.value).startswith("m.toml: ") and "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        MachineConfig.load(tmp_path / "none.toml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="no UTF-8"):
        MachineConfig.load(tmp_path / "binary")


def test_the_command_line_forms():
    assert parse_listen("udp:9000,cpu=2,cost=5us,rcvbuf=4M,readers=4,echo") == ListenConfig(
        port=9000, cpu=2, cost_ns=5000, rcvbuf=4 << 20, readers=4, echo=True
    )
    assert parse_nic("e1000e") == ("e1000e", "")
    assert parse_nic("igb:I350") == ("igb", "i350")
    assert parse_set("net/core/rmem_max = 1 2 3") == ("net.core.rmem_max", "1 2 3")
    assert config.parse_cpus("0-3") == 4
    for text, says in [
        ("udp", "write it like"),
        ("sctp:7", "not one of udp"),
        ("udp:x", "no port"),
        ("udp:", "no port"),
        ("udp:7,cpus=1", "did you mean"),
        ("udp:7,cpu=0,cpu=1", "twice"),
        ("udp:7,cost=5", "needs a unit"),
        ("udp:7,cpu", "whole number"),
    ]:
        with pytest.raises(ConfigError, match=says):
            parse_listen(text)
    for text in ("rmem_max", "=1", "a b=1"):
        with pytest.raises(ConfigError, match="--set"):
            parse_set(text)
    with pytest.raises(ConfigError, match="without a gap"):
        config.parse_cpus("0,2")


words = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}(\.[a-z][a-z0-9_]{0,8}){0,3}", fullmatch=True)
machines = st.builds(
    MachineConfig,
    release=st.sampled_from(["3.13", "5.15", "6.1", "6.18", "4.18.0-477.el8"]),
    hz=st.sampled_from(config.HZ),
    cpus=st.just(64),
    seed=st.integers(0, (1 << 63) - 1),
    costs=st.sampled_from(["none", "default"]),
    cost_level=st.sampled_from(config.COST_LEVELS),
    do=st.lists(words.map(str.strip).filter(bool), max_size=3),
    sysctls=st.dictionaries(names, words, max_size=3),
    config=st.dictionaries(st.sampled_from(config.SWITCHES), st.booleans(), max_size=3),
    nics=st.lists(
        st.builds(
            NicConfig,
            model=st.sampled_from(sorted(config.MODELS)),
            mtu=st.integers(0, 65535),
            link_bps=st.integers(0, 10**12),
            up=st.booleans(),
            params=st.dictionaries(words, st.one_of(st.integers(-5, 1 << 40), words), max_size=2),
            refuse=st.lists(st.sampled_from(config.REFUSALS), max_size=2),
        ),
        max_size=3,
    ),
    listeners=st.lists(
        st.builds(
            ListenConfig,
            port=st.integers(1, 65535),
            cpu=st.integers(-1, 63),
            cost_ns=st.integers(0, 10**12),
            rcvbuf=st.integers(0, 1 << 40),
            readers=st.integers(1, 9),
            echo=st.booleans(),
        ),
        max_size=3,
        unique_by=lambda item: item.port,
    ),
)


@given(machines)
def test_round_trip(machine):
    assert MachineConfig.from_toml(machine.to_toml()) == machine
    assert MachineConfig.from_dict(machine.to_dict()) == machine


def _rows(depth: int = 2) -> st.SearchStrategy:
    scalars = st.one_of(st.integers(), st.booleans(), st.floats(), st.text(max_size=8))
    keys = st.sampled_from(["release", "hz", "cpus", "nic", "listen", "sysctl", "config", "do", "model", "port", "x"])
    values = st.one_of(scalars, st.lists(scalars, max_size=2))
    if depth:
        values = st.one_of(values, _rows(depth - 1), st.lists(_rows(depth - 1), max_size=2))
    return st.dictionaries(keys, values, max_size=4)


@given(_rows())
def test_any_table_is_a_machine_or_one_line(table):
    try:
        MachineConfig.from_dict(table, "x.toml")
    except ConfigError as error:
        assert str(error).startswith("x.toml: ") and "\n" not in str(error)


@given(st.text(max_size=80))
def test_any_text_is_a_machine_or_one_line(text):
    try:
        MachineConfig.from_toml(text)
    except ConfigError as error:
        assert "\n" not in str(error)


@given(st.text(max_size=40))
def test_any_listen_is_one_or_one_line(text):
    try:
        parse_listen("udp:" + text)
    except ConfigError:
        pass


def test_every_device_model_of_the_machine_is_known_here():
    machine = pytest.importorskip("rxpath.machine")
    for model, variants in machine.MODELS.items():
        for variant in variants:
            assert variant in ("", *config.MODELS[model]), (model, variant)


def test_the_documented_machine_file_is_one_and_shows_every_key():
    text = (Path(__file__).resolve().parents[2] / "docs" / "machine-file.md").read_text()
    (block,) = re.findall(r"```toml\n(.*?)```", text, re.S)
    machine = MachineConfig.from_toml(block, "docs/machine-file.md")
    shown = tomllib.loads(block)
    everything = machine.to_dict()
    assert set(shown) == set(everything)
    for part in ("nic", "listen", "route", "neighbour"):
        item = getattr(machine, {"nic": "nics", "listen": "listeners"}.get(part, part + "s"))[0]
        assert set(shown[part][0]) == set(config._dump(item, everything=True)), part
    for model, variants in config.MODELS.items():
        assert f"| {model} | {', '.join(variants)} |" in text
