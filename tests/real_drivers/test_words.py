"""The real drivers and ours answer the same to ethtool: what is shown, taken, refused, and in which words."""

from __future__ import annotations

import re

import bench as b
import pytest
from bench import Bench
from chips import CHIPS
from test_rules import ours, theirs

WHY = b.missing()
pytestmark = [
    pytest.mark.real_driver,
    pytest.mark.skipif(bool(WHY), reason=WHY),
    pytest.mark.xdist_group("real_drivers"),
]
RINGS = ["-g eth0", "-G eth0 rx 100", "sleep", "-g eth0", "-G eth0 rx 5000", "-G eth0 rx 1 tx 1", "sleep", "-g eth0"]
RINGS += ["-G eth0 rx-mini 5", "-G eth0 rx 512 tx 512", "sleep", "-G eth0 rx-buf-len 2048"]
CHANNELS = ["-l eth0", "-L eth0 rx 1", "-L eth0 combined 9", "-L eth0 combined 0", "-L eth0 other 0", "-l eth0"]
COALESCE = ["-c eth0"] + ["-C eth0 " + x for x in (
    "rx-usecs 0", "rx-usecs 1", "rx-usecs 2", "rx-usecs 3", "rx-usecs 5", "rx-usecs 10", "rx-usecs 1022", "rx-usecs 1023",
    "rx-usecs 10000", "rx-usecs 10001", "tx-usecs 50", "adaptive-rx on", "rx-frames 5", "rx-usecs-irq 1", "sample-interval 1",
)] + ["sleep", "-c eth0", "-C eth0 rx-usecs 1", "sleep"]  # fmt: skip
RSS = [
    "-x eth0",
    "-X eth0 equal 2",
    "-X eth0 weight 1 1",
    "-X eth0 hkey 01:02",
    "-X eth0 hfunc xor",
    "-X eth0 hfunc toeplitz",
]
RSS += ["-X eth0 default", "-X eth0 equal 1", "-X eth0 equal 99"]
HASH = ["-n eth0 rx-flow-hash " + f for f in ("tcp4", "udp4", "sctp4", "ah4", "tcp6", "udp6", "ether")]
HASH += [
    "-N eth0 rx-flow-hash " + x
    for x in ("udp4 sdfn", "udp4 sd", "udp4 sf", "udp6 sdfn", "tcp4 sdfn", "tcp4 sd", "sctp4 sd")
]
HASH += ["-N eth0 rx-flow-hash " + x for x in ("udp4 v", "udp4 r", "sctp4 sdfn", "ah4 sd")] + [
    "-n eth0 rx-flow-hash udp6"
]
RULES = ["-n eth0", "-N eth0 flow-type udp4 dst-port 9 action 0 loc 0", "-N eth0 delete 0"]
FEATURES = ["-k eth0"]
for name in (
    "gro",
    "rx-gro-list",
    "rx-udp-gro-forwarding",
    "rx-gro-hw",
    "lro",
    "ntuple",
    "rxhash",
    "rx",
    "rxvlan",
    "rx-all",
):
    FEATURES += [f"-K eth0 {name} on", "sleep", f"-K eth0 {name} off", "sleep"]
FEATURES += ["-K eth0 rx on gro on", "sleep", "-k eth0"]
# a log line of the driver, and what is drawn anew at each boot
NOISE = re.compile(r"^RSS hash key:\n.*\n?", re.M)
# what is sent in tunnels or by SCTP, and forwarding in the card, is not modelled: `off [fixed]` here
TUNNELS = re.compile(r"^\t?(tx-checksum-sctp|tx-(gre|ipxip|udp_tnl).*|tx-gso-partial|l2-fwd-offload): .*\n", re.M)
NAMES = {"82574L": ("e1000e", ""), "82576": ("igb", "82576"), "I350": ("igb", "i350"), "X540": ("ixgbe", "x540")}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_the_same_words(name: str) -> None:
    lines = RINGS + CHANNELS + COALESCE + RSS + HASH + RULES + FEATURES + ["-S eth0"]
    lines = [x if x == "sleep" else "ethtool " + x for x in lines]
    model, variant = NAMES[name]
    want = ours(1, model, variant, lines)
    chip = CHIPS[name]
    with Bench(chip.make(), cmdline=chip.cmdline) as bench:
        bench.up()
        got = theirs(bench, lines)
    said = [x for x in lines if x != "sleep"]
    mine, real = ([(c, NOISE.sub("", re.sub(r"(?<=: )\d+$", "N", x, flags=re.M) if "-S" in c else TUNNELS.sub("", x))) for c, x in
                   zip(said, answers, strict=True)] for answers in (want, got))  # fmt: skip
    other = [f"{c}\n{x!r}\n{y!r}" for (c, x), (_, y) in zip(mine, real, strict=True) if x != y]
    assert not other, "\n".join(["ours, theirs:", *other])
