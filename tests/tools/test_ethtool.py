"""ethtool: what a real 6.1 with e1000e printed, the refusals with their exit statuses, and both forms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rxpath.formats.ethtool import (
    channels,
    coalesce,
    driver_info,
    features,
    messages,
    pause,
    register_dump,
    ring,
    rx_flow_hash,
    rxclass,
    rxfh,
    self_test,
    settings,
    statistics,
)
from rxpath.machine import Machine
from rxpath.net.core import ethtool as et
from rxpath.tools.run import run_command

from .conftest import machine, session


def said(m: Any, line: str) -> tuple[str, int]:
    done = run_command(m, line, host=True)
    return (done.stdout + done.stderr).strip(), done.status


@pytest.fixture(scope="module")
def recorded() -> Iterator[Machine]:
    x = machine(cpus=1)
    yield x
    x.close()


SHOWN = [(c, t) for c, t, _ in session("ethtool.txt") if c.startswith("ethtool ")]
DECODED = ("ethtool -d eth0", "ethtool -e eth0 length 32")


@pytest.mark.parametrize(("command", "text"), [x for x in SHOWN if x[0] not in DECODED])
def test_shown_as_on_a_real_machine(recorded: Machine, command: str, text: str) -> None:
    assert said(recorded, command)[0] == text


def test_registers_are_those_of_a_real_machine(recorded: Machine) -> None:
    """The driver's words in hex, and spelled out: the same lines, in a state that differs in few registers."""
    real_text = dict(SHOWN)["ethtool -d eth0"]
    real = register_dump.parse_registers(real_text).registers
    data = register_dump.parse(said(recorded, "ethtool -d eth0 hex on")[0]).data
    words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
    ours = said(recorded, "ethtool -d eth0")[0]
    # bits without a line of their own differ in the first two; the emulated card forgets TIDV, which the driver sets
    moving = ("CTRL (", "STATUS (", "TIDV ")
    assert [x for x in ours.splitlines() if not any(w in x for w in moving)] == [
        x for x in real_text.splitlines() if not any(w in x for w in moving)
    ]
    order = ("CTRL", "STATUS", "RCTL", "RDLEN", "RDH", "RDT", "RDTR", "TCTL", "TDLEN", "TDH", "TDT", "TIDV")
    for i, name in enumerate(order):
        if name in ("RCTL", "RDLEN", "RDT", "RDTR", "TCTL", "TDLEN"):
            assert words[i] == real[name][1], name
    dump = register_dump.parse(said(recorded, "ethtool -e eth0 length 32")[0])
    assert dump.data[:6] == bytes.fromhex("525400123456") and len(dump.data) == 32


def test_every_change_of_the_record(m: Machine) -> None:
    """The whole session of the record, in order: rings, features, moderation, pause, MTU, all refusals."""
    n = 0
    for command, text, _ in session("ethtool-set.txt"):
        if command.startswith("dmesg"):
            continue
        got, _ = said(m, command)
        assert got == text, command
        n += 1
    assert n > 60


NETLINK = [
    (c, t, s)
    for c, t, s in session("ethtool-netlink.txt")
    if s is not None
    and (" lo" in c or "nosuch" in c.split()[1:2] + c.split()[-1:] or "-q " in c or c == "ethtool -g")
    and c not in ("ethtool lo", "ethtool -k lo", "ethtool -T lo")  # what lo is and can is another matter
    and "-G nosuch" not in c
    and "veth0 nosuch" not in c
]


@pytest.mark.parametrize(("command", "text", "status"), NETLINK)
def test_netlink_refusals_and_statuses(shared: Machine, command: str, text: str, status: int) -> None:
    got, code = said(shared, command)
    # two streams: a terminal shows them in the order of their flushing
    assert (sorted(got.splitlines()), code) == (sorted(text.splitlines()), status)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("-G eth0 rx x", "ethtool (-G): invalid value 'x' for parameter 'rx'"),
        ("-G eth0 rx", "ethtool (-G): no value for parameter 'rx'"),
        ("-G eth0 foo 3", "ethtool (-G): unknown parameter 'foo'"),
        ("-G eth0 rx 1 rx 2", "ethtool (-G): duplicate parameter 'rx'"),
        ("-C eth0 adaptive-rx 3", "ethtool (-C): invalid value '3' for parameter 'adaptive-rx'"),
        ("-C eth0 rx-usecs 4294967296", "ethtool (-C): invalid value '4294967296' for parameter 'rx-usecs'"),
        ("-L eth0 combined x", "ethtool (-L): invalid value 'x' for parameter 'combined'"),
        ("-A eth0 rx maybe", "ethtool (-A): invalid value 'maybe' for parameter 'rx'"),
        ("-s eth0 foo 1", "ethtool (-s): unknown parameter 'foo'"),
        (
            "-K eth0 gro",
            "ethtool (-K): flag '(null)' for parameter '(null)' is not followed by 'on' or 'off'",
        ),
        ("-X eth0 equal", messages.BAD_ARGUMENTS.strip()),
        ("-N eth0 rx-flow-hash udp4 xx", messages.BAD_ARGUMENTS.strip()),
        ("-N eth0 flow-type foo", "Add rule, invalid syntax\n" + messages.BAD_ARGUMENTS.strip()),
        ("-t eth0 foo", messages.BAD_ARGUMENTS.strip()),
    ],
)
def test_wrong_words(shared: Machine, line: str, text: str) -> None:
    """As the original says it (ethtool 6.1), always exit status 1."""
    assert said(shared, "ethtool " + line) == (text, 1)


def test_a_feature_that_does_not_exist(shared: Machine) -> None:
    text = "netlink error: bit name not found (offset 56)\nnetlink error: Operation not supported"
    assert said(shared, "ethtool -K eth0 nosuch on") == (text, 92)


def test_outputs_parse_back(shared: Machine) -> None:
    assert driver_info.parse(said(shared, "ethtool -i eth0")[0]).driver == "e1000e"
    assert ring.parse(said(shared, "ethtool -g eth0")[0]).current.rx == 256
    assert features.parse(said(shared, "ethtool -k eth0")[0]).on("gro") is True
    assert coalesce.parse(said(shared, "ethtool -c eth0")[0]).get("rx-usecs") == 3
    assert pause.parse(said(shared, "ethtool -a eth0")[0]).rx is True
    assert settings.parse(said(shared, "ethtool eth0")[0]).speed == 1000
    assert len(statistics.parse(said(shared, "ethtool -S eth0")[0]).items) == 53
    assert self_test.parse(said(shared, "ethtool -t eth0 online")[0]).passed
    flow = rx_flow_hash.parse(said(shared, "ethtool -n eth0 rx-flow-hash tcp4")[0])
    assert flow.letters == "sdfn"


# --- the ioctl form ---------------------------------------------------------------------------------------------

IOCTL = {
    "-g lo": "ethtool -g eth0  (refused)",
    "-l eth0": "ethtool -l eth0  (refused)",
    "-c lo": "ethtool -c eth0  (refused)",
    "-a lo": "ethtool -a eth0  (refused)",
    "-i lo": "ethtool -i eth0  (refused)",
    "-d lo": "ethtool -d eth0  (refused)",
    "-x eth0": "ethtool -x eth0  (refused)",
    "-n lo": "ethtool -n eth0  (refused)",
    "-n lo rx-flow-hash udp4": "ethtool -n eth0 rx-flow-hash udp4  (refused)",
    "-G lo rx 512": "ethtool -G eth0 rx 512  (refused when read)",
    "-L eth0 combined 2": "ethtool -L eth0 combined 2  (refused when read)",
    "-C lo rx-usecs 5": "ethtool -C eth0 rx-usecs 5  (refused when read)",
    "-A lo rx off": "ethtool -A eth0 rx off  (refused when read)",
    "-X eth0 equal 2": "ethtool -X eth0 equal 2  (refused when read)",
    "-N eth0 rx-flow-hash udp4 sdfn": "ethtool -N eth0 rx-flow-hash udp4 sdfn  (refused when read)",
    "-N eth0 flow-type udp4 dst-port 7000 action 1": (
        "ethtool -N eth0 flow-type udp4 dst-port 7000 action 1  (refused when read)"
    ),
    "-N eth0 delete 5": "ethtool -N eth0 delete 5  (refused when read)",
    "-C eth0 rx-usecs 5": "ethtool -C eth0 rx-usecs 5  (refused when set)",
    "-G eth0 rx 256": "ethtool -G eth0 rx 256  (unchanged)",
    "-C eth0 rx-usecs 3": "ethtool -C eth0 rx-usecs 3  (unchanged)",
    "-A eth0 rx on": "ethtool -A eth0 rx on  (unchanged)",
    "-G eth0 rx x": "ethtool -G eth0 rx x  (bad)",
    "-G eth0": "ethtool -G eth0  (bad)",
    "-q eth0": "ethtool -q eth0  (bad)",
    "-g eth0": "ethtool -g eth0",
    "-c eth0": "ethtool -c eth0",
}


@pytest.mark.parametrize(("line", "record"), list(IOCTL.items()))
def test_ioctl_form_and_statuses(old: Machine, line: str, record: str) -> None:
    text, status = next((t, s) for c, t, s in session("ethtool-ioctl.txt") if c == record)
    got, code = said(old, "ethtool " + line)
    # the record's streams came as they were flushed: the order of the two is not kept
    assert sorted(got.replace(" lo:", " eth0:").splitlines()) == sorted(text.splitlines())
    assert code == status


def test_3_13_takes_what_later_cores_refuse(old: Machine) -> None:
    """No check of the maximum in the core: the driver clamps."""
    assert said(old, "ethtool -G eth0 rx 5000") == ("", 0)
    assert ring.parse(said(old, "ethtool -g eth0")[0]).current.rx == 4096
    assert said(old, "ethtool -G eth0 rx 256") == ("", 0)
    names = [f.name for f in features.parse(said(old, "ethtool -k eth0")[0]).items]
    assert "tx-udp-fragmentation" in names and "rx-gro-list" not in names


# --- a card with queues, RSS and filters --------------------------------------------------------------------------


class Queues(et.EthtoolOps):
    """What a multi-queue driver answers; checks are the core's."""

    __slots__ = ("combined", "table", "key", "rules", "hash_bits")

    def __init__(self, dev: Any) -> None:
        super().__init__(dev)
        self.combined = 4
        self.table = [i % 4 for i in range(128)]
        self.key = bytes(range(40))
        self.rules: dict[int, et.RxFlowSpec] = {}
        self.hash_bits = et.RXH_IP_SRC | et.RXH_IP_DST

    def get_channels(self) -> et.Channels:
        c = et.Channels()
        c.max_combined, c.combined_count, c.max_other, c.other_count = 8, self.combined, 1, 1
        return c

    def set_channels(self, c: et.Channels) -> None:
        self.combined = c.combined_count

    def get_rx_rings(self) -> int:
        return self.combined

    def get_rxfh_indir_size(self) -> int:
        return 128

    def get_rxfh_key_size(self) -> int:
        return 40

    def get_rxfh(self) -> et.Rxfh:
        return et.Rxfh(list(self.table), self.key)

    def set_rxfh(self, x: et.Rxfh) -> None:
        self.table = x.indir if x.indir is not None else self.table
        self.key = x.key if x.key is not None else self.key

    def get_rx_hash(self, flow_type: int) -> int:
        return self.hash_bits

    def set_rx_hash(self, flow_type: int, bits: int) -> None:
        self.hash_bits = bits

    def get_rx_rule_count(self) -> tuple[int, int]:
        return len(self.rules), 16

    def get_rx_rules(self) -> list[et.RxFlowSpec]:
        return [self.rules[n] for n in sorted(self.rules, reverse=True)]

    def insert_rx_rule(self, spec: et.RxFlowSpec) -> int:
        self.rules[spec.location] = spec
        return spec.location

    def delete_rx_rule(self, location: int) -> None:
        if location not in self.rules:
            raise OSError(2, "No such file or directory")
        del self.rules[location]


@pytest.fixture(params=["6.1", "3.13"])
def queues(request: Any) -> Iterator[Machine]:
    x = machine(request.param, cpus=1)
    dev = x.dev("eth0")
    own = dev.ethtool_ops
    dev.ethtool_ops = Queues(dev)
    yield x
    dev.ethtool_ops = own
    x.close()


def test_channels(queues: Machine) -> None:
    netlink = queues.kernel.release.ethtool_netlink
    record = next(t for c, t, _ in session("ethtool-ioctl.txt") if c == "ethtool -l eth0")
    text, _ = said(queues, "ethtool -l eth0")
    assert netlink or text == record
    assert channels.parse(text).current.combined == 4 and channels.parse(text).maximum.combined == 8
    assert said(queues, "ethtool -L eth0 combined 2") == ("", 0)
    assert channels.parse(said(queues, "ethtool -l eth0")[0]).current.combined == 2
    text, status = said(queues, "ethtool -L eth0 combined 9")
    if netlink:
        assert text.startswith("netlink error: requested channel count exceeds maximum (offset 36)")
        assert status == 1
    text, _ = said(queues, "ethtool -L eth0 combined 0")
    if netlink:
        assert "would result in no RX or TX channel being configured" in text


def test_rss(queues: Machine) -> None:
    assert said(queues, "ethtool -X eth0 equal 2") == ("", 0)
    text, _ = said(queues, "ethtool -x eth0")
    shown = rxfh.parse(text)
    assert rxfh.render(shown).strip() == text
    assert shown.table == tuple(i % 2 for i in range(128)) and shown.rings == 4
    assert said(queues, "ethtool -X eth0 weight 6 2") == ("", 0)
    assert rxfh.parse(said(queues, "ethtool -x eth0")[0]).table == (0,) * 96 + (1,) * 32
    assert said(queues, "ethtool -X eth0 equal 9") == (
        "Cannot set RX flow hash configuration: Invalid argument",
        1,
    )
    key = ":".join(["6d"] * 40)
    if queues.kernel.release.ethtool_netlink:
        assert shown.functions == (("toeplitz", True), ("xor", False), ("crc32", False))
        assert said(queues, f"ethtool -X eth0 hkey {key}") == ("", 0)
        assert rxfh.parse(said(queues, "ethtool -x eth0")[0]).key == b"\x6d" * 40
        assert said(queues, "ethtool -L eth0 combined 1")[0] == (
            "netlink error: requested channel counts are too low for existing indirection table settings\n"
            "netlink error: Invalid argument"
        )
    else:
        assert shown.key is None  # no GRSSH before 3.17
        assert said(queues, f"ethtool -X eth0 hkey {key}")[1] == 1
    assert said(queues, "ethtool -X eth0 default") == ("", 0)
    assert rxfh.parse(said(queues, "ethtool -x eth0")[0]).table == tuple(i % 4 for i in range(128))


def test_filters_print_as_the_real_program_does(queues: Machine) -> None:
    """The three rules of the record, put in by the command line, come out byte for byte."""
    n = "ethtool -N eth0 flow-type "
    assert said(queues, n + "udp4 dst-port 7000 action 1") == ("Added rule with ID 15", 0)
    ether = "ether dst 02:00:00:00:00:aa proto 0x88f7 src 02:00:00:00:00:bb m ff:ff:ff:ff:ff:ff"
    assert said(queues, n + ether + " action 2")[0] == "Added rule with ID 14"
    tcp = "tcp4 src-ip 10.0.0.1 dst-ip 10.0.0.2 m 0.0.0.255 tos 8 src-port 80 dst-port 443 action -1 loc 3"
    assert said(queues, n + tcp) == ("", 0)
    text, status = said(queues, "ethtool -n eth0")
    shown = rxclass.parse(text)
    assert status == 0 and shown.rings == 4 and shown.rules is not None
    record = rxclass.parse(next(t for c, t, _ in session("ethtool-ioctl.txt") if c == "ethtool -n eth0"))
    assert record.rules is not None
    real = {r.location: r.fields for r in record.rules}
    ours = {r.location: r.fields for r in shown.rules}
    assert ours[15] == real[15]
    # masked bits are not kept: the record's driver kept them
    assert ours[14]["Dest MAC addr"] == real[14]["Dest MAC addr"] and ours[14]["Action"] == real[14]["Action"]
    assert ours[3]["Action"] == "Drop" and ours[3]["TOS"] == real[3]["TOS"]
    assert said(queues, "ethtool -N eth0 delete 3") == ("", 0)
    assert said(queues, "ethtool -N eth0 delete 3")[1] == 1
    assert said(queues, "ethtool -N eth0 rx-flow-hash udp4 sdfn") == ("", 0)
    assert rx_flow_hash.parse(said(queues, "ethtool -n eth0 rx-flow-hash udp4")[0]).ports
