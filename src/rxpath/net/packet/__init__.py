"""AF_PACKET: taps and packet sockets."""
