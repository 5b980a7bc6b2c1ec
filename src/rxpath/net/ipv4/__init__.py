"""IPv4: addresses and routes, ARP, receive and output, defragmentation, ICMP, IGMP, UDP, raw, TCP."""
