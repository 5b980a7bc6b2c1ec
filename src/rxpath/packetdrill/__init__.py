"""Packetdrill scripts: an own parser of the language, a runner in virtual time, and the same runner on the
host's kernel.

`script` holds what a script says, `parser` reads it, `symbols` knows the names of constants, `packets` turns packets
of a script into bytes and back, `calls` makes the system calls, `shell` honours the commands in backticks, `runner`
goes through the events; `machine_host` and `kernel_host` are the two hosts that a script can be run on.
"""
