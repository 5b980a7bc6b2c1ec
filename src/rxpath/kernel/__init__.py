"""The kernel under the network stack: CPUs, interrupts, softirqs, tasks, timers, files, sysctls, memory,
trace, log.
"""
