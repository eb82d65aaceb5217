"""Which addresses a request that somebody else has written may reach. Pure: addresses and names in, a verdict out.

Whoever may write a config can make a worker send requests, and a worker stands where its writer does not: beside
databases without a password, routers, and the address at which a cloud hands out the machine's credentials. So only
what is on the public internet may be reached; the rest is for the operator to open (`HORARIUM_HTTP_ALLOW`).

What is public is told from IANA's registries of special-purpose addresses, written out here: `ipaddress.is_global`
changes between patch releases of Python (CVE-2024-4032), and knows no metadata service. Of IPv6 only 2000::/3 is
handed out at all, so whatever lies outside it is refused without being listed. An IPv6 address that leads to an IPv4
one (mapped, NAT64, 6to4) is judged by where it leads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self

__all__ = ["Address", "Opening", "forbidden_as", "is_host", "literal", "plain_host"]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# The first that holds an address names it, so the narrow ones stand before the wide ones.
FORBIDDEN_IPV4: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(network), kind)
    for network, kind in (
        ("169.254.169.254/32", "a metadata service"),
        ("169.254.170.2/32", "a metadata service"),  # of Amazon's containers
        ("100.100.100.200/32", "a metadata service"),  # Alibaba's
        ("192.0.0.192/32", "a metadata service"),  # Oracle's
        ("168.63.129.16/32", "a metadata service"),  # Azure's, amid public addresses
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
FORBIDDEN_IPV6: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(network), kind)
    for network, kind in (
        ("fd00:ec2::/32", "a metadata service"),
        ("fd20:ce::254/128", "a metadata service"),  # Google's
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private"),
        ("ff00::/8", "multicast"),
        ("2001:2::/48", "benchmarking"),
        ("2001:db8::/32", "documentation"),
        ("3fff::/20", "documentation"),
        ("2001::/23", "reserved"),  # Teredo, which hides two IPv4 addresses, among others
    )
)
GLOBAL_UNICAST = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")
LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
A_NUMBER = r"(?:[0-9]+|0x[0-9a-f]*)$"  # a name's last label is none: the C library would make an address of it
NAME = re.compile(rf"(?=.{{1,253}}$)(?:{LABEL}\.)*(?!{A_NUMBER}){LABEL}")
MOST_PORT = 2**16 - 1


def plain_host(host: str) -> str:
    """A host as it is compared: lower case, without the dot of a full name."""
    return host.lower().rstrip(".")


def is_host(text: str) -> bool:
    """Whether it is an address in full, or a name that a resolver can be asked for."""
    return literal(text) is not None or NAME.fullmatch(plain_host(text)) is not None


def literal(text: str) -> Address | None:
    """The address that `text` spells, in full and canonically; None for a name and for anything cut short."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return _unmapped(address)


def forbidden_as(address: Address) -> str | None:
    """What kind of address it is that nobody may reach; None for a public one."""
    address = _unmapped(address)
    if isinstance(address, IPv4Address):
        return next((kind for network, kind in FORBIDDEN_IPV4 if address in network), None)
    inner = _behind(address)
    if inner is not None:
        kind = forbidden_as(inner)
        return kind and f"{kind} ({inner} behind IPv6)"
    named = next((kind for network, kind in FORBIDDEN_IPV6 if address in network), None)
    return named or (None if address in GLOBAL_UNICAST else "reserved")


def _unmapped(address: Address) -> Address:
    """The IPv4 address that the kernel makes of ::ffff:a.b.c.d; any other as it is."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _behind(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address to which a gateway passes packets for this one on."""
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour


@dataclass(frozen=True, slots=True)
class Opening:
    """A host by name, or a network, that may be reached whatever kind it is; `port` None: on every port."""

    to: str | Network
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `name`, `address` or `network`, the first two with `:port`; ValueError without the text for the rest."""
        rest, port = _split_port(text.strip())
        try:
            return cls(ip_network(rest), port)
        except ValueError:
            name = plain_host(rest)
        if NAME.fullmatch(name) is None:
            raise ValueError(
                "must be host names, addresses or networks, as in `api.internal:8443,10.2.0.0/16,[fd00::1]:80`"
            )
        return cls(name, port)

    def lets(self, host: str, address: Address, port: int) -> bool:
        """Whether it opens this address and port to a request for `host`."""
        if self.port not in (None, port):
            return False
        return self.to == plain_host(host) if isinstance(self.to, str) else address in self.to


def _split_port(text: str) -> tuple[str, int | None]:
    bracketed = re.fullmatch(r"\[([^\]]*:[^\]]*)\](?::([0-9]{1,5}))?", text)
    plain = re.fullmatch(r"([^:]*):([0-9]{1,5})", text)
    host, port = (bracketed or plain).groups() if bracketed or plain else (text, None)  # type: ignore[union-attr]  # one is
    if port is not None and not 0 < int(port) <= MOST_PORT:
        raise ValueError("must have ports between 1 and 65535")
    return host, int(port) if port else None
