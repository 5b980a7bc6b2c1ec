"""Outputs of the real ethtool parse and come back the same; other versions' and other forms' outputs parse
too.
"""

from __future__ import annotations

import errno
from typing import Any

import pytest

from rxpath.formats import FormatError
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

PLAIN: list[tuple[str, Any]] = [
    ("-i eth0", driver_info),
    ("-S eth0", statistics),
    ("-g eth0", ring),
    ("-k eth0", features),
    ("-c eth0", coalesce),
    ("-n eth0 rx-flow-hash udp4", rx_flow_hash),
]


def _render(module: Any, value: Any) -> str:
    out: str = module.render(value, settings.NETLINK) if module is settings else module.render(value)
    return out


@pytest.mark.parametrize(
    ("command", "module"),
    [
        *PLAIN,
        ("-n eth0 rx-flow-hash tcp4", rx_flow_hash),
        ("-a eth0", pause),
        ("eth0", settings),
        ("-e eth0 length 32", register_dump),
    ],
)
def test_output_of_6_1_comes_back(golden: Any, command: str, module: Any) -> None:
    """The record keeps no empty line at the end of an output."""
    text = golden.text("ethtool.txt", f"/oracle/ethtool {command}")
    assert _render(module, module.parse(text)).rstrip("\n") + "\n" == text


@pytest.mark.parametrize(
    ("command", "module"), [*PLAIN, ("-l eth0", channels), ("-x eth0", rxfh), ("eth0", settings)]
)
def test_output_of_6_18_comes_back(golden: Any, command: str, module: Any) -> None:
    text = golden.text("ethtool-6.18.txt", f"ethtool {command}")
    assert _render(module, module.parse(text)) == text


def test_before_up_comes_back(golden: Any) -> None:
    text = golden.text("before-up.txt", "/oracle/ethtool eth0")
    value = settings.parse(text)
    assert (value.speed, value.link) == (0, False)
    assert settings.render(value, settings.NETLINK) == text


def test_self_test_comes_back(golden: Any) -> None:
    lines = golden.raw("affinity-down.txt").split("\n")
    at = lines.index("The test result is FAIL")
    text = "\n".join(lines[at : at + 7]) + "\n\n"
    value = self_test.parse(text)
    assert not value.passed and dict(value.results)["Register test  (offline)"] == 376
    assert self_test.render(value) == text


def test_values_are_what_the_text_says(golden: Any) -> None:
    def text(command: str) -> str:
        found: str = golden.text("ethtool.txt", f"/oracle/ethtool {command}")
        return found

    info = driver_info.parse(text("-i eth0"))
    assert (info.driver, info.bus_info, info.supports_register_dump) == ("e1000e", "0000:01:00.0", True)
    rings = ring.parse(text("-g eth0"))
    assert (rings.current.rx, rings.maximum.tx, rings.current.rx_mini) == (256, 4096, None)
    offloads = features.parse(text("-k eth0"))
    assert (offloads.on("gro"), offloads.on("lro"), offloads.on("tx-gso-list")) == (True, False, False)
    lro = offloads.get("large-receive-offload")
    assert lro is not None and lro.fixed
    assert coalesce.parse(text("-c eth0")).values == {"rx-usecs": 3}
    assert rx_flow_hash.parse(text("-n eth0 rx-flow-hash udp4")).letters == "sd"
    assert rx_flow_hash.parse(text("-n eth0 rx-flow-hash tcp4")).letters == "sdfn"
    link = settings.parse(text("eth0"))
    assert (link.speed, link.duplex, link.msglvl, link.ports) == (1000, "Full", 7, ("TP",))
    assert link.supported is not None and len(link.supported.modes) == 5
    registers = register_dump.parse_registers(text("-d eth0")).registers
    assert registers["RDT"] == (0x2818, 0xF0) and registers["RCTL"] == (0x100, 0x04008002)
    eeprom = register_dump.parse(text("-e eth0 length 32"))
    assert eeprom.data[:6] == bytes.fromhex("525400123456") and len(eeprom.data) == 32


def test_features_from_the_kernels_own_list(golden: Any) -> None:
    """Gathering the kernel's features under the older names gives the real list: start from its own lines,
    shuffled back.
    """
    real = features.parse(golden.text("ethtool.txt", "/oracle/ethtool -k eth0"))
    kernel: list[features.KernelFeature] = []
    single = {f.long_name: f.pattern for f in features.OFF_FLAGS if "*" not in f.pattern}
    grouped = {f.long_name for f in features.OFF_FLAGS if "*" in f.pattern}
    for item in real.items:
        if item.name not in grouped:
            wanted = item.on if item.requested is None else item.requested
            kernel.append(
                features.KernelFeature(single.get(item.name, item.name), item.on, item.fixed, wanted)
            )
    assert features.from_kernel("eth0", kernel) == real


def test_every_refusal_of_the_record_parses(golden: Any) -> None:
    seen = 0
    for name in ("ethtool.txt", "ethtool-set.txt"):
        for command, text in golden.commands(name):
            if "netlink error" in text or "Cannot " in text:
                value = messages.parse(text)
                assert messages.render(value) == text, command
                assert value.errno in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENODEV), command
                seen += 1
    assert seen > 25


def test_refusals_render_as_recorded(golden: Any) -> None:
    def text(name: str, command: str) -> str:
        found: str = golden.text(name, f"/oracle/{command}")
        return found

    too_big = messages.netlink(errno.EINVAL, messages.RING_EXCEEDS_MAXIMUM, 36)
    assert text("ethtool-set.txt", "ethtool -G eth0 rx 4097") == too_big
    assert text("ethtool-set.txt", "ethtool -L eth0 combined 2") == messages.netlink(errno.EOPNOTSUPP)
    unsupported = messages.netlink(errno.EINVAL, messages.COALESCE_UNSUPPORTED, 36)
    assert text("ethtool-set.txt", "ethtool -C eth0 rx-frames 16") == unsupported
    assert text("ethtool-set.txt", "ethtool -i eth9") == messages.ioctl("-i", errno.ENODEV)
    assert text("ethtool-set.txt", "ethtool -S lo") == statistics.NONE
    assert text("ethtool-set.txt", "ip link set eth0 mtu 67") == messages.ip_error(
        errno.EINVAL, "mtu less than device minimum"
    )
    assert text("ethtool.txt", "ethtool -x eth0") == messages.ioctl("-x", errno.EOPNOTSUPP)
    lro = features.render_changes([features.Change("rx-lro", False, True, refused=True)])
    assert text("ethtool-set.txt", "ethtool -K eth0 lro on") == lro + messages.NO_FEATURES_CHANGED
    hashing = messages.ioctl("-N rx-flow-hash", errno.EOPNOTSUPP)
    assert text("ethtool-set.txt", "ethtool -N eth0 rx-flow-hash udp4 sdfn") == hashing
    assert "unsupported" not in messages.parse(too_big).lines and messages.parse(hashing).unsupported


def _recorded(golden: Any, name: str, command: str) -> tuple[str, int]:
    text, at, status = golden.text(name, command).rpartition("@ exit ")
    assert at
    return text, int(status)


@pytest.mark.parametrize(
    ("command", "module", "form"),
    [
        ("-g eth0", ring, "render_ioctl"),
        ("-g eth0  (bnx2)", ring, "render_ioctl"),
        ("-l eth0", channels, "render_ioctl"),
        ("-c eth0", coalesce, "render_ioctl"),
        ("-c eth0  (numbered)", coalesce, "render_ioctl"),
        ("-a eth0", pause, "render_ioctl"),
        ("-a eth0  (no autoneg)", pause, "render_ioctl"),
        ("-i eth0", driver_info, "render"),
        ("-S eth0", statistics, "render"),
        ("-t eth0", self_test, "render"),
        ("-t eth0 offline", self_test, "render"),
        ("-d eth0", register_dump, "render"),
        ("-x eth0", rxfh, "render"),
        ("-x eth0  (no key, no function)", rxfh, "render"),
        ("-x eth0  (kernel without GRSSH)", rxfh, "render"),
        ("-n eth0 rx-flow-hash udp4  (none)", rx_flow_hash, "render"),
        ("-n eth0 rx-flow-hash udp4  (sd)", rx_flow_hash, "render"),
        ("-n eth0 rx-flow-hash udp4  (sdfn)", rx_flow_hash, "render"),
        ("-n eth0 rx-flow-hash udp4  (all)", rx_flow_hash, "render"),
        ("-n eth0 rx-flow-hash udp4  (discard)", rx_flow_hash, "render"),
        ("-n eth0 rx-flow-hash tcp6", rx_flow_hash, "render"),
        ("-n eth0", rxclass, "render"),
        ("-n eth0  (no rules)", rxclass, "render"),
    ],
)
def test_ioctl_output_of_the_real_program_comes_back(
    golden: Any, command: str, module: Any, form: str
) -> None:
    text, _ = _recorded(golden, "ethtool-ioctl.txt", f"ethtool {command}")
    assert getattr(module, form)(module.parse(text)) == text


@pytest.mark.parametrize("note", ["partner", "no link", "fibre, no autoneg", "kernel without GLINKSETTINGS"])
def test_ioctl_settings_come_back(golden: Any, note: str) -> None:
    text, _ = _recorded(golden, "ethtool-ioctl.txt", f"ethtool eth0  ({note})")
    value = settings.parse(text)
    assert settings.render(value, settings.IOCTL) == text
    assert settings.parse(settings.render(value, settings.NETLINK)) == value


def test_numbered_coalesce_values(golden: Any) -> None:
    """The invented driver answered 1, 2, 3, ... in the order of struct ethtool_coalesce."""
    text, _ = _recorded(golden, "ethtool-ioctl.txt", "ethtool -c eth0  (numbered)")
    order = (
        "rx-usecs rx-frames rx-usecs-irq rx-frames-irq tx-usecs tx-frames tx-usecs-irq tx-frames-irq"
        " stats-block-usecs ADAPTIVE-RX ADAPTIVE-TX pkt-rate-low rx-usecs-low rx-frames-low tx-usecs-low"
        " tx-frames-low pkt-rate-high rx-usecs-high rx-frames-high tx-usecs-high tx-frames-high"
        " sample-interval"
    ).split()
    value = coalesce.parse(text)
    assert value.values == {name: n for n, name in enumerate(order, 1) if not name.startswith("ADAPTIVE")}
    assert value.adaptive_rx and value.adaptive_tx


def test_rules_of_the_real_program_from_values(golden: Any) -> None:
    text, _ = _recorded(golden, "ethtool-ioctl.txt", "ethtool -n eth0")
    made = rxclass.RxClass(
        4,
        (
            rxclass.ether_rule(
                14,
                "02:00:00:00:00:bb",
                "ff:ff:ff:ff:ff:ff",
                "02:00:00:00:00:aa",
                "00:00:00:00:00:00",
                0x88F7,
                0,
                2,
            ),
            rxclass.ipv4_rule(15, "UDP", dport=7000, dport_mask=0, queue=1),
            rxclass.ipv4_rule(3, "TCP", "10.0.0.1", "0.0.0.0", "10.0.0.2", "0.0.0.255", 8, 0, 80, 0, 443, 0),
        ),
    )
    assert rxclass.render(made) == text
    one, _ = _recorded(golden, "ethtool-ioctl.txt", "ethtool -n eth0 rule 15")
    assert rxclass.render_rule(made.rules[1]) == one  # type: ignore[index]
    added, _ = _recorded(
        golden, "ethtool-ioctl.txt", "ethtool -N eth0 flow-type udp4 dst-port 7000 action 1  (accepted)"
    )
    assert rxclass.rule_number(added) == 15


REFUSED_READ = errno.EOPNOTSUPP
REFUSALS = [
    ("-i eth0  (refused)", "-i", REFUSED_READ),
    ("-S eth0  (refused)", "-S", REFUSED_READ),
    ("-g eth0  (refused)", "-g", REFUSED_READ),
    ("-l eth0  (refused)", "-l", REFUSED_READ),
    ("-c eth0  (refused)", "-c", REFUSED_READ),
    ("-a eth0  (refused)", "-a", REFUSED_READ),
    ("-x eth0  (refused)", "-x", REFUSED_READ),
    ("-d eth0  (refused)", "-d info", REFUSED_READ),
    ("-t eth0  (refused)", "-t strings", REFUSED_READ),
    ("-n eth0 rx-flow-hash udp4  (refused)", "-n rx-flow-hash", REFUSED_READ),
    ("-G eth0 rx 512  (refused when read)", "-G", REFUSED_READ),
    ("-L eth0 combined 2  (refused when read)", "-L", REFUSED_READ),
    ("-C eth0 rx-usecs 5  (refused when read)", "-C", REFUSED_READ),
    ("-A eth0 rx off  (refused when read)", "-A", REFUSED_READ),
    ("-X eth0 equal 2  (refused when read)", "-X", REFUSED_READ),
    ("-N eth0 rx-flow-hash udp4 sdfn  (refused when read)", "-N rx-flow-hash", REFUSED_READ),
    ("-N eth0 flow-type udp4 dst-port 7000 action 1  (refused when read)", "-N", REFUSED_READ),
    ("-N eth0 delete 5  (refused when read)", "-N delete", REFUSED_READ),
    ("-G eth0 rx 512  (refused when set)", "-G set", errno.EINVAL),
    ("-L eth0 combined 2  (refused when set)", "-L set", errno.EINVAL),
    ("-C eth0 rx-usecs 5  (refused when set)", "-C set", errno.EINVAL),
    ("-A eth0 rx off  (refused when set)", "-A set", errno.EINVAL),
    ("-X eth0 equal 2  (refused when set)", "-X set", errno.EINVAL),
    ("-N eth0 flow-type udp4 dst-port 7000 action 1  (refused when set)", "-N set", errno.EINVAL),
    ("-N eth0 delete 5  (refused when set)", "-N delete", errno.EINVAL),
]


@pytest.mark.parametrize(("command", "key", "code"), REFUSALS, ids=[r[0] for r in REFUSALS])
def test_ioctl_refusals_and_exit_status(golden: Any, command: str, key: str, code: int) -> None:
    """The title is on standard output and the message on standard error: in the record the message came
    first.
    """
    text, status = _recorded(golden, "ethtool-ioctl.txt", f"ethtool {command}")
    made = messages.ioctl(key, code) + messages.IOCTL_LAST.get(key, "")
    assert made + messages.IOCTL_TITLES.get(key, "").format(device="eth0") == text
    assert messages.IOCTL[key].status == status
    assert messages.parse(text).errno == code


def test_nothing_changed_by_ioctl(golden: Any) -> None:
    for command, names, current in (
        ("-G eth0 rx 256", ["rx"], ""),
        ("-L eth0 combined 4", ["combined"], "rx 0 tx 0 other 1 combined 4"),
        ("-C eth0 rx-usecs 3", ["rx-usecs"], ""),
        ("-A eth0 rx on", ["rx"], ""),
    ):
        text, status = _recorded(golden, "ethtool-ioctl.txt", f"ethtool {command}  (unchanged)")
        assert messages.unmodified(names, command[:2], current) == text
        assert messages.NOT_CHANGED[command[:2]].status == status


def test_netlink_refusals_and_exit_status(golden: Any) -> None:
    name = "ethtool-netlink.txt"
    for option in ("-g", "-l", "-c", "-a"):
        assert _recorded(golden, name, f"ethtool {option} lo") == (messages.netlink(errno.EOPNOTSUPP), 1)
    for command, code, words, offset in (
        ("-G veth0 rx 512", errno.EOPNOTSUPP, "", None),
        ("-C veth0 rx-usecs 5", errno.EOPNOTSUPP, "", None),
        ("-A veth0 rx off", errno.EOPNOTSUPP, "", None),
        ("-L veth0 combined 2", errno.EINVAL, messages.CHANNELS_EXCEED_MAXIMUM, 36),
        ("-L veth0 rx 0", errno.EINVAL, messages.CHANNELS_TOO_FEW_COMBINED, 36),
        ("-K veth0 nosuch on", errno.EOPNOTSUPP, messages.BIT_NAME_NOT_FOUND, 56),
        ("-G nosuch rx 5", errno.ENODEV, messages.NO_DEVICE, 24),
    ):
        made = messages.netlink(code, words, offset)
        assert _recorded(golden, name, f"ethtool {command}") == (made, messages.NETLINK_STATUS[command[:2]])
    assert _recorded(golden, name, "ethtool -S lo") == (statistics.NONE, messages.NO_STATISTICS_STATUS)
    assert _recorded(golden, name, "ethtool -G veth0 rx x") == (messages.bad_value("-G", "x", "rx"), 1)
    assert _recorded(golden, name, "ethtool -q veth0") == (messages.BAD_ARGUMENTS, 1)
    text, status = _recorded(golden, name, "ethtool nosuch")
    assert text == messages.netlink(errno.ENODEV, messages.NO_DEVICE, 24) * 5 + messages.NO_DATA
    assert status == messages.NETLINK_STATUS[""]
    text, _ = _recorded(golden, name, "ethtool lo")
    assert settings.render(settings.parse(text), settings.NETLINK) == text
    text, _ = _recorded(golden, name, "ethtool veth0")
    assert settings.render(settings.parse(text), settings.NETLINK) == text
    text, _ = _recorded(golden, name, "ethtool -k veth0")
    assert features.render(features.parse(text)) == text


def test_features_that_changed_along(golden: Any) -> None:
    """-K veth0 tx off took others with it: the record's own lines, from values."""
    text, status = _recorded(golden, "ethtool-netlink.txt", "ethtool -K veth0 tx off")
    changes = []
    for line in text.split("\n")[1:-1]:
        name, _, rest = line.partition(": ")
        changes.append(features.Change(name, rest.startswith("on"), "[not requested]" not in rest))
    assert len(changes) > 3 and any(c.requested for c in changes) and any(not c.requested for c in changes)
    assert features.render_changes(changes) == text and status == 0


def test_older_and_newer_versions_parse() -> None:
    old = "driver: igb\nversion: 5.0.5-k\nfirmware-version: 1.63, 0x80000c8f\nbus-info: 0000:03:00.0\n"
    value = driver_info.parse(old)
    assert value.supports_priv_flags is None and driver_info.render(value) == old
    newer = (
        "Ring parameters for eth0:\nPre-set maximums:\nRX:\t\t8160\nRX Mini:\tn/a\nRX Jumbo:\tn/a\n"
        "TX:\t\t8160\n"
        "TX push buff len:\tn/a\nCurrent hardware settings:\nRX:\t\t2048\nRX Mini:\tn/a\nRX Jumbo:\tn/a\n"
        "TX:\t\t2048\n"
        "RX Buf Len:\t\tn/a\nCQE Size:\t\tn/a\nTX Push:\toff\nRX Push:\toff\nTX push buff len:\tn/a\n"
        "TCP data split:\toff\n"
    )
    assert ring.parse(newer).current.rx == 2048 and ring.render(ring.parse(newer)) == newer
    table = (
        "RX flow hash indirection table for eth0 with 2 RX ring(s):\n"
        "    0:      0     1     0     1     0     1     0     1\n"
        "RSS hash key:\n6d:5a:56:da\nRSS hash function:\n    toeplitz: on\n    xor: off\n    crc32: off\n"
    )
    hashing = rxfh.parse(table)
    assert hashing.table == (0, 1) * 4 and hashing.key == b"\x6d\x5a\x56\xda"
    assert rxfh.render(hashing) == table
    oldest = "RX flow hash indirection table for eth0 with 1 RX ring(s):\n    0:      0     0\n"
    assert rxfh.render(rxfh.parse(oldest)) == oldest


def test_a_rule_round_trips() -> None:
    rule = rxclass.ipv4_rule(15, "UDP", dport=7000, dport_mask=0, queue=1)
    value = rxclass.RxClass(4, (rule, rxclass.ether_rule(14, proto=0x88F7, proto_mask=0, queue=2)))
    text = rxclass.render(value)
    assert text.startswith("4 RX rings available\nTotal 2 rules\n\nFilter: 15\n\tRule Type: UDP over IPv4\n")
    assert "\tDest port: 7000 mask: 0x0\n\tAction: Direct to queue 1\n\n" in text
    assert rxclass.parse(text) == value and rule.queue == 1
    assert rxclass.rule_number("Added rule with ID 15\n") == 15


def test_what_is_missing_is_said_in_one_line() -> None:
    for module in (
        ring,
        channels,
        coalesce,
        features,
        pause,
        rxfh,
        driver_info,
        settings,
        statistics,
        self_test,
    ):
        with pytest.raises(FormatError) as caught:
            module.parse("total nonsense\n")
        assert str(caught.value).startswith("ethtool") and "\n" not in str(caught.value)
