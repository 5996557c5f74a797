"""Which addresses a stranger may make us talk to. Pure: addresses in, yes or no out."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Network = IPv4Network | IPv6Network

# The registries that say what is not the public Internet:
# https://www.iana.org/assignments/iana-ipv4-special-registry
# https://www.iana.org/assignments/iana-ipv6-special-registry
# Written out, for what `ipaddress` calls global differs from one Python to the next.
_NOT_PUBLIC_4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # behind carriers' NAT; Alibaba Cloud's metadata lives here
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # public by its number, but Azure's inside by its use
        "169.254.0.0/16",  # link-local; most clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
_PUBLIC_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "3fff::/20",  # documentation
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")


def network(text: str) -> Network:
    """``10.1.0.0/16``, ``fd00::/8``, or one address. Raises ValueError."""
    return ip_network(text.strip(), strict=False)


def may_be_reached(address: str, allowed: Sequence[Network]) -> bool:
    """
    Whether ``address`` is public, or in a network that the operator allows.

    An IPv4 address inside an IPv6 one that leads to it (mapped, or NAT64, by which a host without
    IPv4 sees the public Internet) is judged as what it is. What is no address is not reached.
    """
    try:
        given = ip_address(address)
    except ValueError:
        return False
    inner = _unwrapped(given)
    return _is_public(inner) or any(inner in network or given in network for network in allowed)


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv6Address) and (address in _MAPPED or address in _NAT64):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    return address in _PUBLIC_6 and not any(address in network for network in _NOT_PUBLIC_6)
