"""Which addresses a stranger may lead us to."""

import pytest

from bridge.networks import may_be_reached, network


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.1.2.3",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.1.2.3",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:808:808::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "",
    ],
)
def test_what_is_inside_or_no_address_is_not_reached(address):
    assert not may_be_reached(address, ())


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "223.5.5.5",
        "2400:3200::1",
        "2606:4700:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
    ],
)
def test_the_public_internet_is_reached(address):
    """Also by a host that has IPv6 alone and sees the rest through NAT64."""
    assert may_be_reached(address, ())


@pytest.mark.parametrize(
    ("address", "allowed", "reached"),
    [
        ("10.1.2.3", "10.1.0.0/16", True),
        ("10.2.2.3", "10.1.0.0/16", False),
        ("::ffff:10.1.2.3", "10.1.0.0/16", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.2", "127.0.0.1", False),
        ("fd00::7", "fd00::/8", True),
        ("fd00::7", "10.0.0.0/8", False),
        ("2002:7f00:1::1", "127.0.0.0/8", False),
    ],
)
def test_an_operator_can_allow_networks_of_their_own(address, allowed, reached):
    assert reached == may_be_reached(address, (network(allowed),))


@pytest.mark.parametrize("text", ["", "10.0.0.0/33", "example.com", "10.0.0"])
def test_what_is_no_network_is_an_error(text):
    with pytest.raises(ValueError, match=r"address|network"):
        network(text)
