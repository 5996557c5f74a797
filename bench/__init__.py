"""The bench: the daemon beside two floors, on one core each, in one run."""
