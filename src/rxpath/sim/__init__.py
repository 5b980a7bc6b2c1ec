"""Time and order: clocks, the engine (events and CPUs), cost profiles, the ledger of frames."""
