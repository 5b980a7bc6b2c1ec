"""The network stack: packet sockets and IPv4 over netfilter over the core (skbuff, devices, NAPI, receive,
GRO, sockets).
"""
