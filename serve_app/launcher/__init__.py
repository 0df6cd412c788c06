"""The launcher: one service on this machine, from its options to its end, and what the terminal says meanwhile."""
