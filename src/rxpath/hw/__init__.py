"""Hardware: buses, memory, interrupt controller, device models. No kernel and no driver code belongs here."""
