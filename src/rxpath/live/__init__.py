"""Live: the same machine in real time behind a TAP device, used by ordinary threads of the host program."""
