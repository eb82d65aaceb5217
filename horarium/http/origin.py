"""Where a request comes from: the peer of its connection, or whom a proxy that we trust names.

`X-Forwarded-For` is whatever a client likes to write, and each proxy appends whom it heard. So it is read from its end,
and only as long as the one who wrote the entry is a proxy named in the settings. The first address that is not such a
proxy is the client; what stands before it is hearsay.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Network, IPv6Network

    from aiohttp import web

    Network = IPv4Network | IPv6Network

__all__ = ["client_address"]


def client_address(request: web.Request, trusted: Sequence[Network]) -> str:
    """The client's address; empty for a peer that has none."""
    found = request.remote or ""
    said = [entry for header in request.headers.getall("X-Forwarded-For", ()) for entry in header.split(",")]
    while said and _is_among(found, trusted):
        named = _parsed(said.pop())
        if named is None:
            break
        found = str(named)
    parsed = _parsed(found)
    return found if parsed is None else str(parsed)


def _is_among(address: str, networks: Sequence[Network]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """The address in a text, which some proxies give with a port; None where there is none."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        parsed = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return parsed if mapped is None else mapped
