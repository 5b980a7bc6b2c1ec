"""Protocol-independent: socket buffers, net devices, NAPI, the receive core, GRO, steering, transmit,
neighbours, sockets.
"""
