"""What is public and what is not, and how an operator opens what is not."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from horarium.tasks.addresses import Opening, forbidden_as, literal

FORBIDDEN = {
    "unspecified": ["0.0.0.0", "0.1.2.3", "::"],  # noqa: S104 - not bound to
    "loopback": ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1"],
    "private": ["10.0.0.0", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fdff::1", "fec0::1"],
    "link-local": ["169.254.0.1", "fe80::1", "fe80::1%eth0", "febf::1"],
    "carrier-grade NAT": ["100.64.0.1", "100.127.255.255", "::ffff:100.64.0.1"],
    "benchmarking": ["198.18.0.1", "198.19.255.255", "2001:2::1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff:fff::1"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1"],
    "a metadata service": [
        *("169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
        *("fd00:ec2::254", "fd20:ce::254", "::ffff:169.254.169.254"),
    ],
    "reserved": [
        *("192.0.0.1", "192.88.99.1", "240.0.0.1", "255.255.255.255"),
        *("::127.0.0.1", "::8.8.8.8", "::ffff:0:127.0.0.1", "64:ff9b:1::7f00:1", "100::1", "4000::1"),
        *("2001:0:7f00:1::1", "2001:0:808:808::80ff:fffe", "2001:10::1", "2001:20::1"),
    ],
    "loopback (127.0.0.1 behind IPv6)": ["64:ff9b::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1"],
    "private (10.1.2.3 behind IPv6)": ["64:ff9b::10.1.2.3", "2002:a01:203::"],
    "a metadata service (169.254.169.254 behind IPv6)": ["64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"],
}
PUBLIC = [
    *(
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.255.255",
        "172.32.0.0",
    ),
    *("192.0.1.1", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700::1111", "2a00::1", "2003::1"),
    *("::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"),
]


@pytest.mark.parametrize(("kind", "address"), [(kind, each) for kind, group in FORBIDDEN.items() for each in group])
def test_an_address_that_is_not_public_is_forbidden_by_name(kind: str, address: str) -> None:
    assert forbidden_as(ip_address(address)) == kind


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_free(address: str) -> None:
    assert forbidden_as(ip_address(address)) is None


@pytest.mark.parametrize(
    "text", ["localhost", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.1.", "", "\u0661.1.1.1"]
)
def test_what_is_cut_short_or_spelt_otherwise_is_no_address(text: str) -> None:
    assert literal(text) is None


@pytest.mark.parametrize(
    ("opening", "host", "address", "port", "opened"),
    [
        ("api.internal", "api.internal", "10.0.0.1", 80, True),
        ("api.internal", "API.Internal.", "10.0.0.1", 443, True),
        ("API.internal.", "api.internal", "fd00::1", 80, True),
        ("api.internal", "other.api.internal", "10.0.0.1", 80, False),
        ("api.internal", "api.internal.evil.example", "10.0.0.1", 80, False),
        ("api.internal:8443", "api.internal", "10.0.0.1", 8443, True),
        ("api.internal:8443", "api.internal", "10.0.0.1", 80, False),
        ("api.internal", "10.0.0.1", "10.0.0.1", 80, False),
        ("10.0.0.0/8", "any.name", "10.200.0.1", 80, True),
        ("10.0.0.0/8", "any.name", "11.0.0.1", 80, False),
        ("10.0.0.0/8", "any.name", "fd00::1", 80, False),
        ("10.0.0.1", "10.0.0.1", "10.0.0.1", 80, True),
        ("10.0.0.1:80", "10.0.0.1", "10.0.0.1", 81, False),
        ("fd00::/8", "any.name", "fd12::1", 80, True),
        ("::1", "::1", "::1", 80, True),
        ("[::1]:8080", "::1", "::1", 8080, True),
        ("[::1]:8080", "::1", "::1", 80, False),
        ("[fd00::1]", "fd00::1", "fd00::1", 80, True),
        ("10.0.0.0/8", "any.name", "::ffff:10.0.0.1", 80, True),
        ("10.0.0.0/8", "any.name", "64:ff9b::10.0.0.1", 80, False),
    ],
)
def test_an_opening_lets_what_it_names(opening: str, host: str, address: str, port: int, opened: bool) -> None:
    judged = literal(address)
    assert judged is not None

    assert Opening.parse(opening).lets(host, judged, port) is opened


@pytest.mark.parametrize(
    "text",
    [
        *("", "127.1", "2130706433", "0x7f", "a b", "a/b", "http://a", "a.b:", "a.b:0", "a.b:65536", "a.b:http", "*.b"),
        *("10.0.0.1/8", "10.0.0.0/33", "[::1", "[name]:80", "-a.b", "a..b", "a@b", "bücher.example", "a" * 64),
    ],
)
def test_what_names_no_host_and_no_network_opens_nothing(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        Opening.parse(text)
