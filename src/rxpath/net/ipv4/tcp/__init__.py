"""TCP over IPv4, a room for each mechanism.

sock        the socket and its relatives (request, TIME_WAIT), control blocks, tables, sysctl values
seq         sequence arithmetic, flags and states         options    options of the header, both ways
variants    what differs between releases, as data        sites      where frames end
hashtables  who listens, who is connected, ports          ipxmit     IP headers of what TCP sends
state       a socket's change of state and its end        rbtree     the order of segments behind a hole
cong        Reno and CUBIC                                rcvbuf     window growth, autotuning, pruning, collapse
output      segments, windows, probes, resets             recovery   RTT, RACK, loss, undo
retransmit  sending again, the tail as a probe            mtup       probes of the path's MTU
ack         what an acknowledgement does                  rcvq       in-order and out-of-order data, SACK, DSACK
input       the state machine                             timer      retransmission, delayed ACK, probes, keepalive
request     a listener's SYNs, requests, children         minisocks  a segment for a request, TIME_WAIT
connect     the active open                               cookies    SYN cookies
reply       answers that no socket sends                  err        ICMP errors
accecn      accurate ECN                                  notify     what the error queue tells a sender
fastopen    Fast Open, both sides                         prequeue   the reader that does TCP's work (3.13)
ipv4        tcp_v4_rcv, handlers, registration            proc       /proc/net/tcp, sysctls
tcp         lock, listen, accept, poll, close             sendmsg    what a program writes
recvmsg     what a program reads                          sockopt    SOL_TCP, struct tcp_info
repair      a connection restored from what is known of it
"""
