"""Whatever words come: an exit status and a text, never an exception; and nothing is left half-done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rxpath.tools import ethtool
from rxpath.tools.run import run_simple

from .conftest import machine

WORDS = {
    "ip": "link addr route neigh a r show add del set replace get flush change dev eth0 lo nosuch up down mtu 1500 67 x"
    " 99999999999 address 02:00:00:00:00:09 promisc on off via 10.0.0.1 10.0.0.2/24 10.0.0.9 default src metric 5 table"
    " local main lladdr nud stale all brd + -s -d -j -p -o -br scope host label eth0:1 txqueuelen -1 onlink peer",
    "ifconfig": "-a eth0 lo nosuch up down mtu 1500 9999999 promisc -promisc netmask 255.255.0.0 10.1.2.3 10.0.0.2/24 x 1",
    "ss": "-u -t -a -n -m -e -H -O -s -l -uamn state listening all sport = :7000 dport ( ) x and",
    "nstat": "-a -z -s -n -r -j -az Udp* x --json",
    "sysctl": "-a -w -n -N -e -q -p -r net.core.rmem_max net.core.rmem_max=1 net.ipv4.ip_forward = 1 net.core x kernel =",
    "modprobe": "e1000e -r nosuch IntMode=0 IntMode=x nosuch=1 ip_tables --",
    "dmesg": "-l warn -t -T x -T",
    "ethtool": " ".join(o for o in ethtool.COMMANDS if o and o not in ("-t", "-r"))
    + " eth0 lo nosuch rx tx 64 4096 99999 -1 x on off combined 2 adaptive-rx rx-usecs 50 gro tso ntuple equal weight"
    " default hkey 00:11 hfunc toeplitz rx-flow-hash udp4 tcp6 sdfn flow-type ether ip4 src-ip 10.0.0.1 m 0.0.0.255 action"
    " loc 3 dst-port 7000 delete rule autoneg speed 100 duplex full wol g msglvl 7 link hex raw offset length online",
}


@pytest.fixture(scope="module", params=["6.1", "3.13"])
def machines(request: Any) -> Iterator[Any]:
    x = machine(request.param, cpus=2)
    yield x
    x.close()


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_words(machines: Any, data: Any) -> None:
    name = data.draw(st.sampled_from(sorted(WORDS)))
    args = data.draw(st.lists(st.sampled_from(WORDS[name].split()), max_size=8))
    done = run_simple(machines, [name, *args])
    assert 0 <= done.status <= 255
    if done.status not in (0, 2, 255):
        assert done.stderr or done.stdout
    assert "Traceback" not in done.stderr
