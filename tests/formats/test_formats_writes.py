"""What Linux does with a written mask, list or number: answers of a real kernel, and rules beyond them."""

from __future__ import annotations

import errno
import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxpath.formats import cpumask, sysctl


def _code(call: Any, *args: Any) -> int:
    try:
        call(*args)
    except OSError as error:
        assert error.strerror == os.strerror(error.errno or 0)
        return error.errno or 0
    return 0


def test_rps_cpus_writes_of_6_18(golden: Any) -> None:
    cases = json.loads(golden.raw("rps-cpus-writes-6.18.json"))
    assert len(cases) > 20
    for text, code, shown in cases:
        assert _code(cpumask.parse_mask, text + "\n", 2) == code, text
        if not code:
            assert cpumask.render_mask(cpumask.parse_mask(text + "\n", 2), 2) == shown, text


def test_affinity_writes_of_6_1(golden: Any) -> None:
    """affinity-down.txt, four CPUs: mask 0 is the interrupt's own EINVAL, the rest is the parser's."""
    lines = golden.raw("affinity-down.txt").split("\n")
    assert lines[lines.index("-- 10") + 1].endswith(os.strerror(_errno_of_mask("10")))
    assert lines[lines.index("-- zz") + 1].endswith(os.strerror(_errno_of_mask("zz")))
    at = lines.index("-- zz")
    assert lines[at + 3].endswith(os.strerror(_code(cpumask.parse_list, "9", 4)))  # smp_affinity_list 9
    assert _code(cpumask.parse_list, "9", 4) == errno.ERANGE
    for number, shown in ((0xF, "0-3"), (6, "1-2"), (8, "3")):
        assert cpumask.render_list(number) == shown
        assert f"'{number:x}'" in golden.raw("affinity-down.txt")


def _errno_of_mask(text: str) -> int:
    return _code(cpumask.parse_mask, text, 4)


@pytest.mark.parametrize(
    ("text", "nbits", "mask"),
    [
        ("0-3,8", 16, 0x10F),
        ("", 4, 0),
        ("\n", 4, 0),
        (" 1 , 3\n", 4, 0b1010),
        ("all", 5, 0b11111),
        ("ALL", 3, 0b111),
        ("N", 8, 0x80),
        ("2-N", 4, 0b1100),
        ("0-7:1/2", 8, 0x55),
        ("0-7:2/4", 8, 0x33),
        ("all:1/3", 6, 0b001001),
        ("0-0", 1, 1),
        ("00000000000000000001", 4, 2),
    ],
)
def test_lists(text: str, nbits: int, mask: int) -> None:
    assert cpumask.parse_list(text, nbits) == mask


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("4", errno.ERANGE),
        ("0-4", errno.ERANGE),
        ("3-1", errno.EINVAL),
        ("-1", errno.EINVAL),
        ("1-", errno.EINVAL),
        ("x", errno.EINVAL),
        ("1;2", errno.EINVAL),
        ("0-3:0/0", errno.EINVAL),
        ("0-3:3/2", errno.EINVAL),
        ("0-3:1", errno.EINVAL),
        ("4294967296", errno.EOVERFLOW),
        ("99999999999999999999999999", errno.EOVERFLOW),
    ],
)
def test_bad_lists(text: str, code: int) -> None:
    assert _code(cpumask.parse_list, text, 4) == code


def test_masks_of_wide_machines() -> None:
    assert cpumask.render_mask(1, 40) == "00,00000001"
    assert cpumask.render_mask(0xF, 4) == "f" and cpumask.render_mask(0, 6) == "00"
    assert cpumask.parse_mask("ff,00000001", 40) == 0xFF00000001
    assert _code(cpumask.parse_mask, "100,00000001", 40) == errno.EOVERFLOW
    assert _code(cpumask.parse_mask, "0,0,00000001", 40) == errno.EOVERFLOW


def test_masks_of_3_13() -> None:
    assert cpumask.parse_mask_3_13("0,0,3\n", 4) == 3  # leading groups of zero do no harm there
    assert _code(cpumask.parse_mask_3_13, "", 4) == errno.EINVAL
    assert _code(cpumask.parse_mask_3_13, "10", 4) == errno.EOVERFLOW
    assert _code(cpumask.parse_mask_3_13, "1 2", 4) == errno.EINVAL
    assert _code(cpumask.parse_mask_3_13, "1,2", 4) == errno.EOVERFLOW


@given(st.integers(1, 300), st.data())
def test_masks_and_lists_round_trip(nbits: int, data: Any) -> None:
    mask = data.draw(st.integers(0, (1 << nbits) - 1))
    text = cpumask.render_mask(mask, nbits)
    assert cpumask.parse_mask(text + "\n", nbits) == cpumask.parse_mask_3_13(text + "\n", nbits) == mask
    assert cpumask.mask_of_text(text) == mask
    assert cpumask.parse_list(cpumask.render_list(mask) + "\n", nbits) == mask
    assert sum(1 << cpu for cpu in cpumask.cpus_of(mask)) == mask


@given(st.text(max_size=20), st.integers(1, 70))
def test_any_text_is_a_mask_or_an_errno(text: str, nbits: int) -> None:
    for parse in (cpumask.parse_mask, cpumask.parse_mask_3_13, cpumask.parse_list):
        try:
            assert 0 <= parse(text, nbits) < 1 << nbits
        except OSError as error:
            assert error.errno in (errno.EINVAL, errno.EOVERFLOW, errno.ERANGE)


RULES = {
    "ipv4/tcp_rmem": sysctl.Rule("int", 1),
    "ipv4/ip_forward_update_priority": sysctl.Rule("int", 0, 1),
    "ipv4/ip_forward": sysctl.Rule("int"),
    "ipv4/ipfrag_high_thresh": sysctl.Rule("ulong", 3145728),
}


def test_sysctl_writes_of_6_18(golden: Any) -> None:
    cases = json.loads(golden.raw("sysctl-writes-6.18.json"))
    assert len(cases) > 40
    for name, before, text, code, after in cases:
        got = sysctl.write(text, [int(x) for x in before.split()], RULES[name])
        assert (got.errno, sysctl.render(got.values)) == (code, after), (name, text)


@pytest.mark.parametrize(
    ("text", "code", "after"),
    [
        ("0" * 19 + "1", 0, 1),
        ("0" * 20 + "1", errno.EINVAL, 0),
        ("0" * 25 + "1", errno.EINVAL, 0),
        ("-" + "0" * 18 + "1", 0, -1),
        ("-" + "0" * 19 + "1", errno.EINVAL, 0),
        (" " * 40 + "1", 0, 1),
    ],
)
def test_how_long_a_number_may_be(text: str, code: int, after: int) -> None:
    """As a 6.18 answered when these were written to ip_forward."""
    assert sysctl.write(text, (0,), sysctl.Rule()) == sysctl.Written((after,), code)


def test_sysctl_rules_beyond_the_record() -> None:
    old = sysctl.Rule("ulong", 3145728, skip_out_of_range=True)
    assert sysctl.write("1\n", (4194304,), old) == sysctl.Written((4194304,))  # silently kept
    assert sysctl.write("-1\n", (4194304,), old) == sysctl.Written((4194304,))
    assert sysctl.write("5000000\n", (4194304,), old) == sysctl.Written((5000000,))
    unsigned = sysctl.Rule("uint", 0, 1000)
    assert sysctl.write("4294967296", (1,), unsigned).errno == errno.EINVAL
    assert sysctl.write("1000", (1,), unsigned).values == (1000,)


@given(st.text(st.sampled_from("0123456789 -+x\t\nabf,"), max_size=30))
def test_any_text_is_a_write_or_einval(text: str) -> None:
    for rule in RULES.values():
        got = sysctl.write(text, (7, 8, 9), rule)
        assert got.errno in (0, errno.EINVAL) and len(got.values) == 3
        if rule.lo is not None:
            assert all(v in (7, 8, 9) or v >= rule.lo for v in got.values)


def test_names_and_paths() -> None:
    path = "/proc/sys/net/ipv4/conf/eth0.100/rp_filter"
    assert sysctl.name_of_path(path) == "net.ipv4.conf.eth0/100.rp_filter"
    assert sysctl.path_of_name("net.ipv4.conf.eth0/100.rp_filter") == path
    assert sysctl.path_of_name("net/core/rmem_max") == "/proc/sys/net/core/rmem_max"


def test_texts_of_the_command(golden: Any) -> None:
    def said(command: str) -> str:
        text: str = golden.text("sysctl-command.txt", command)
        return text.partition("@ exit")[0]

    assert said("sysctl net.ipv4.ip_forward") == sysctl.shown_line("net.ipv4.ip_forward", sysctl.render(0))
    rmem = sysctl.shown_line("net.ipv4.tcp_rmem", sysctl.render((4096, 131072, 6291456)))
    assert said("sysctl net.ipv4.tcp_rmem") == rmem
    given = "4096 131072 6291456"
    assert said(f"sysctl -w net.ipv4.tcp_rmem={given}") == sysctl.shown_line("net.ipv4.tcp_rmem", given)
    assert said("sysctl -w net.ipv4.tcp_rmem=0 1 2") == sysctl.cannot_set("net.ipv4.tcp_rmem", errno.EINVAL)
    assert said("sysctl net.core.nosuch") == sysctl.no_such_key("net.core.nosuch")
    assert said("sysctl -w foo") == sysctl.INVALID_SYNTAX
    key = "net.ipv4.ip_forward"
    assert said(f"nobody: sysctl -w {key}=1") == sysctl.permission_denied(key)
    key = "net.ipv4.tcp_fastopen_key"
    assert said(f"nobody: sysctl {key}") == sysctl.permission_denied(key, writing=False)
