"""TCP over IPv4, a room for each mechanism.

sock       the socket and its relatives (request, TIME_WAIT), control blocks, tables, sysctl values
seq        sequence arithmetic, flags and states        options   TCP options, both ways
variants   what differs between releases, as data       sites     where frames end
hashtables who listens, who is connected, ports         ipxmit    IP headers of what TCP sends
cong       Reno and CUBIC                               rcvbuf    window growth, autotuning, pruning, collapse
output     segments, windows, retransmission, resets    recovery  RTT, RACK, loss, undo
ack        what an acknowledgement does                 rcvq      in-order and out-of-order data, SACK, DSACK
input      the state machine                            timer     retransmission, delayed ACK, probes, keepalive
minisocks  requests becoming sockets, TIME_WAIT         cookies   SYN cookies
ipv4       tcp_v4_rcv and the address family            tcp       system calls, options, poll
proc       /proc/net/tcp, sysctls, registration
"""
