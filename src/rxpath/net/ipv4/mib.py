"""The MIB counters of IPv4 as plain lists, with the positions of their names.

A counter moves by `ipv4.ip[IPSTATS_MIB_INPKTS] += 1`.  Names in /proc stand in `*_NAMES` in the order of the
positions here; which of them a release prints is for proc.py.  Facts: include/uapi/linux/snmp.h, net/ipv4/proc.c.
"""

from __future__ import annotations

from typing import Final

IP_NAMES: Final = (
    "InReceives",
    "InHdrErrors",
    "InAddrErrors",
    "ForwDatagrams",
    "InUnknownProtos",
    "InDiscards",
    "InDelivers",
    "OutRequests",
    "OutDiscards",
    "OutNoRoutes",
    "ReasmTimeout",
    "ReasmReqds",
    "ReasmOKs",
    "ReasmFails",
    "FragOKs",
    "FragFails",
    "FragCreates",
    "OutTransmits",
)
IPSTATS_MIB_INPKTS: Final = 0
IPSTATS_MIB_INHDRERRORS: Final = 1
IPSTATS_MIB_INADDRERRORS: Final = 2
IPSTATS_MIB_OUTFORWDATAGRAMS: Final = 3
IPSTATS_MIB_INUNKNOWNPROTOS: Final = 4
IPSTATS_MIB_INDISCARDS: Final = 5
IPSTATS_MIB_INDELIVERS: Final = 6
IPSTATS_MIB_OUTREQUESTS: Final = 7
IPSTATS_MIB_OUTDISCARDS: Final = 8
IPSTATS_MIB_OUTNOROUTES: Final = 9
IPSTATS_MIB_REASMTIMEOUT: Final = 10
IPSTATS_MIB_REASMREQDS: Final = 11
IPSTATS_MIB_REASMOKS: Final = 12
IPSTATS_MIB_REASMFAILS: Final = 13
IPSTATS_MIB_FRAGOKS: Final = 14
IPSTATS_MIB_FRAGFAILS: Final = 15
IPSTATS_MIB_FRAGCREATES: Final = 16
IPSTATS_MIB_OUTPKTS: Final = 17

IPEXT_NAMES: Final = (
    "InNoRoutes",
    "InTruncatedPkts",
    "InMcastPkts",
    "OutMcastPkts",
    "InBcastPkts",
    "OutBcastPkts",
    "InOctets",
    "OutOctets",
    "InMcastOctets",
    "OutMcastOctets",
    "InBcastOctets",
    "OutBcastOctets",
    "InCsumErrors",
    "InNoECTPkts",
    "InECT1Pkts",
    "InECT0Pkts",
    "InCEPkts",
    "ReasmOverlaps",
)
IPSTATS_MIB_INNOROUTES: Final = 0
IPSTATS_MIB_INTRUNCATEDPKTS: Final = 1
IPSTATS_MIB_INMCASTPKTS: Final = 2
IPSTATS_MIB_OUTMCASTPKTS: Final = 3
IPSTATS_MIB_INBCASTPKTS: Final = 4
IPSTATS_MIB_OUTBCASTPKTS: Final = 5
IPSTATS_MIB_INOCTETS: Final = 6
IPSTATS_MIB_OUTOCTETS: Final = 7
IPSTATS_MIB_INMCASTOCTETS: Final = 8
IPSTATS_MIB_OUTMCASTOCTETS: Final = 9
IPSTATS_MIB_INBCASTOCTETS: Final = 10
IPSTATS_MIB_OUTBCASTOCTETS: Final = 11
IPSTATS_MIB_CSUMERRORS: Final = 12
IPSTATS_MIB_NOECTPKTS: Final = 13  # + (tos & 3): not-ECT, ECT(1), ECT(0), CE
IPSTATS_MIB_REASM_OVERLAPS: Final = 17

ICMP_NAMES: Final = (
    "InMsgs",
    "InErrors",
    "InCsumErrors",
    "OutMsgs",
    "OutErrors",
    "OutRateLimitGlobal",
    "OutRateLimitHost",
)
ICMP_MIB_INMSGS: Final = 0
ICMP_MIB_INERRORS: Final = 1
ICMP_MIB_CSUMERRORS: Final = 2
ICMP_MIB_OUTMSGS: Final = 3
ICMP_MIB_OUTERRORS: Final = 4
ICMP_MIB_RATELIMITGLOBAL: Final = 5
ICMP_MIB_RATELIMITHOST: Final = 6

UDP_NAMES: Final = (
    "InDatagrams",
    "NoPorts",
    "InErrors",
    "OutDatagrams",
    "RcvbufErrors",
    "SndbufErrors",
    "InCsumErrors",
    "IgnoredMulti",
    "MemErrors",
)
UDP_MIB_INDATAGRAMS: Final = 0
UDP_MIB_NOPORTS: Final = 1
UDP_MIB_INERRORS: Final = 2
UDP_MIB_OUTDATAGRAMS: Final = 3
UDP_MIB_RCVBUFERRORS: Final = 4
UDP_MIB_SNDBUFERRORS: Final = 5
UDP_MIB_CSUMERRORS: Final = 6
UDP_MIB_IGNOREDMULTI: Final = 7
UDP_MIB_MEMERRORS: Final = 8

TCP_NAMES: Final = (
    "RtoAlgorithm",
    "RtoMin",
    "RtoMax",
    "MaxConn",
    "ActiveOpens",
    "PassiveOpens",
    "AttemptFails",
    "EstabResets",
    "CurrEstab",
    "InSegs",
    "OutSegs",
    "RetransSegs",
    "InErrs",
    "OutRsts",
    "InCsumErrors",
)
TCP_MIB_ACTIVEOPENS: Final = 4
TCP_MIB_PASSIVEOPENS: Final = 5
TCP_MIB_ATTEMPTFAILS: Final = 6
TCP_MIB_ESTABRESETS: Final = 7
TCP_MIB_CURRESTAB: Final = 8
TCP_MIB_INSEGS: Final = 9
TCP_MIB_OUTSEGS: Final = 10
TCP_MIB_RETRANSSEGS: Final = 11
TCP_MIB_INERRS: Final = 12
TCP_MIB_OUTRSTS: Final = 13
TCP_MIB_CSUMERRORS: Final = 14

# TcpExt is kept by name: `ipv4.tcpext["ListenDrops"] += 1`; every name of every release is there from the start.
