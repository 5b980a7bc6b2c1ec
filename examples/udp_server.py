"""The UDP server of "Linux Network Stack tutorial: Receiving Data", line for line, on a machine of rxpath.

    python examples/udp_server.py

The C program beside each line; what it prints is what arrived.
"""

from __future__ import annotations

from rxpath.config import MachineConfig, NicConfig
from rxpath.machine import Machine
from rxpath.wire.addr import ip4, mac
from rxpath.wire.build import udp_frame

AF_INET, SOCK_DGRAM = 2, 2
BUFFSIZE = 2048


def server(machine: Machine, printed: list[str]) -> None:
    """int main(){"""
    server_socket = machine.socket(AF_INET, SOCK_DGRAM)  # int serverSocketFd = socket(AF_INET, SOCK_DGRAM, 0);
    server_socket.bind(("", 9000))  # bind(serverSocketFd, ...);
    buff, _ = server_socket.recvfrom(BUFFSIZE)  # int readCount = recvfrom(serverSocketFd, buff, BUFFSIZE, 0, ...);
    printed.append("Receive from client:%s" % buff.decode())  # printf("Receive from client:%s\n", buff);


def main() -> list[str]:
    """Boot a host, start the server, send it one datagram; returns what it printed."""
    printed: list[str] = []
    with Machine(MachineConfig(nics=[NicConfig(model="e1000e", addresses=["10.0.0.2/24"])])) as m:
        m.spawn(lambda: server(m, printed))
        m.run(m.now + 1_000_000)
        dev = m.dev("eth0")
        frame = udp_frame(
            mac("02:00:00:00:00:01"), dev.dev_addr, ip4("10.0.0.1"), ip4("10.0.0.2"), 4000, 9000, b"hello"
        )
        m.attach("eth0", [(0, frame)])
        m.run()
    return printed


if __name__ == "__main__":
    print("\n".join(main()))
