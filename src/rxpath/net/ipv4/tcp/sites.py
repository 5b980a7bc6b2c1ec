"""Where a frame ends in TCP: stage "tcp", the counter that its caller moves, Linux's drop reason."""

from __future__ import annotations

from typing import Final

from rxpath.sim.ledger import Site

# consumed: a segment did its work and carried no data
SITE_ACK: Final = Site("tcp", "ACK without data")
SITE_SYN: Final = Site("tcp", "SYN, SYN-ACK or handshake ACK")
SITE_FIN: Final = Site("tcp", "FIN")
SITE_RST: Final = Site("tcp", "valid RST")
SITE_COLLAPSED: Final = Site("tcp", "memory collapsed into its neighbour")

SITE_NOT_HOST: Final = Site("tcp", "frame not addressed to this host", "none", "NOT_SPECIFIED")
SITE_SHORT: Final = Site("tcp", "shorter than a TCP header", "none", "NOT_SPECIFIED")
SITE_SHORT_HDR: Final = Site("tcp", "data offset beyond the segment", "none", "NOT_SPECIFIED")
SITE_DOFF: Final = Site("tcp", "data offset below 5", "Tcp InErrs", "PKT_TOO_SMALL")
SITE_CSUM: Final = Site("tcp", "bad TCP checksum", "Tcp InCsumErrors, Tcp InErrs", "TCP_CSUM")
SITE_NO_SOCKET: Final = Site("tcp", "no socket", "Tcp OutRsts", "NO_SOCKET")
SITE_MINTTL: Final = Site("tcp", "TTL below IP_MINTTL", "TcpExt TCPMinTTLDrop", "TCP_MINTTL")
SITE_MD5: Final = Site("tcp", "signature that nobody expects", "TcpExt TCPMD5Unexpected", "TCP_MD5UNEXPECTED")
SITE_AUTH_HDR: Final = Site("tcp", "options that cannot be walked", "none", "TCP_AUTH_HDR")
SITE_FILTER: Final = Site("tcp", "socket filter", "none", "SOCKET_FILTER")
SITE_BACKLOG: Final = Site("tcp", "backlog of a locked socket is full", "TcpExt TCPBacklogDrop", "SOCKET_BACKLOG")
SITE_FLAGS: Final = Site("tcp", "flags make no sense in this state", "none", "TCP_FLAGS")
SITE_LISTEN: Final = Site("tcp", "listener refused it", "TcpExt ListenDrops", "NOT_SPECIFIED")
SITE_OVERFLOW: Final = Site(
    "tcp", "accept queue is full", "TcpExt ListenOverflows, TcpExt ListenDrops", "TCP_LISTEN_OVERFLOW"
)
SITE_PAWS_ACK: Final = Site("tcp", "ACK of the past (PAWS)", "TcpExt PAWSOldAck", "TCP_RFC7323_PAWS_ACK")
SITE_PAWS: Final = Site("tcp", "time stamp of the past (PAWS)", "TcpExt PAWSEstab", "TCP_RFC7323_PAWS")
SITE_TW_PAWS: Final = Site(
    "tcp", "time stamp of the past (PAWS) in TIME_WAIT", "TcpExt PAWSEstab", "TCP_RFC7323_TW_PAWS"
)
SITE_TSECR: Final = Site("tcp", "echo of a time stamp that was never sent", "TcpExt TSEcrRejected", "TCP_RFC7323_TSECR")
SITE_OLD_SEQUENCE: Final = Site("tcp", "wholly before the window", "none", "TCP_OLD_SEQUENCE")
SITE_INVALID_SEQUENCE: Final = Site("tcp", "outside of the window", "none", "TCP_INVALID_SEQUENCE")
SITE_BEYOND: Final = Site("tcp", "begins beyond the window", "TcpExt BeyondWindow", "TCP_INVALID_SEQUENCE")
SITE_INVALID_END: Final = Site("tcp", "ends beyond the window", "TcpExt BeyondWindow", "TCP_INVALID_END_SEQUENCE")
SITE_RESET: Final = Site("tcp", "RST inside the window, not exact: challenged", "TcpExt TCPChallengeACK", "TCP_RESET")
SITE_INVALID_SYN: Final = Site(
    "tcp", "SYN inside a connection: challenged", "TcpExt TCPSYNChallenge", "TCP_INVALID_SYN"
)
SITE_OLD_ACK: Final = Site("tcp", "acknowledges what was acknowledged long ago", "none", "TCP_OLD_ACK")
SITE_TOO_OLD_ACK: Final = Site(
    "tcp", "acknowledgement far too old: challenged", "TcpExt TCPChallengeACK", "TCP_TOO_OLD_ACK"
)
SITE_ACK_UNSENT: Final = Site("tcp", "acknowledges what was never sent", "none", "TCP_ACK_UNSENT_DATA")
SITE_INVALID_ACK: Final = Site(
    "tcp", "acknowledgement number is wrong for the request", "none", "TCP_INVALID_ACK_SEQUENCE"
)
SITE_CLOSED: Final = Site("tcp", "socket is closed", "none", "TCP_CLOSE")
SITE_NOT_SPECIFIED: Final = Site("tcp", "not wanted in this state", "none", "NOT_SPECIFIED")
SITE_ABORT_ON_DATA: Final = Site(
    "tcp", "data for a socket that nobody reads", "TcpExt TCPAbortOnData", "TCP_ABORT_ON_DATA"
)
SITE_ZEROWINDOW: Final = Site("tcp", "the window is shut", "TcpExt TCPZeroWindowDrop", "TCP_ZEROWINDOW")
SITE_OLD_DATA: Final = Site("tcp", "data that was received before", "none", "TCP_OLD_DATA")
SITE_OVERWINDOW: Final = Site("tcp", "data beyond the window", "none", "TCP_OVERWINDOW")
SITE_PROTO_MEM: Final = Site("tcp", "no receive memory", "TcpExt TCPRcvQDrop", "PROTO_MEM")
SITE_OFO_DROP: Final = Site("tcp", "no memory for out-of-order data", "TcpExt TCPOFODrop", "PROTO_MEM")
SITE_OFO_MERGE: Final = Site("tcp", "covered by out-of-order data", "TcpExt TCPOFOMerge", "TCP_OFOMERGE")
SITE_OFO_PRUNE: Final = Site("tcp", "out-of-order data pruned", "TcpExt OfoPruned", "TCP_OFO_QUEUE_PRUNE")
SITE_OFO_DUP: Final = Site("tcp", "out-of-order data arrived by another segment", "none", "TCP_OFO_DROP")
SITE_FIN_PURGE: Final = Site("tcp", "out-of-order data behind a FIN", "none", "NOT_SPECIFIED")
SITE_UNREAD: Final = Site("tcp", "socket closed unread", "none", "SOCKET_CLOSE")
SITE_FASTOPEN: Final = Site("tcp", "not wanted before the handshake of a Fast Open is over", "none", "TCP_FASTOPEN")
SITE_REQ_OLD: Final = Site("tcp", "not wanted by the request", "none", "NOT_SPECIFIED")
SITE_COOKIE_LOST: Final = Site(
    "tcp", "cookie's connection could not be made", "TcpExt ListenOverflows, TcpExt ListenDrops", "NO_SOCKET"
)
SITE_TW: Final = Site("tcp", "TIME_WAIT did not want it", "none", "NOT_SPECIFIED")
SITE_OWN_LOST: Final = Site("tcp", "could not be sent", "none", "NOT_SPECIFIED")
