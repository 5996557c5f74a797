"""Which hosts are this machine."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether ``host``, a name or an address without brackets, can be nothing but this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
