"""msgbridge: carries messages between chat platforms, and never loses one."""

__version__ = "0.1.0"
