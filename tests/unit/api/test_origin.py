"""Where a request comes from: nobody can say of themselves that they are another."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from horarium.http.origin import client_address

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def origin(peer: str | None, *forwarded: str, trusted: Any = PROXIES) -> str:
    """The address of a request from a peer with these `X-Forwarded-For` headers."""
    transport = Mock()
    transport.get_extra_info = lambda name, default=None: (peer, 4711) if name == "peername" and peer else default
    headers = [("X-Forwarded-For", each) for each in forwarded]
    return client_address(make_mocked_request("GET", "/", headers=CIMultiDict(headers), transport=transport), trusted)


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["203.0.113.9"], "192.0.2.1"),  # no proxy of ours has said so
        ("10.1.2.3", ["203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", ["6.6.6.6, 203.0.113.9"], "203.0.113.9"),  # the first entry is the client's own invention
        ("10.1.2.3", ["6.6.6.6", "203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", ["203.0.113.9, 10.9.9.9"], "203.0.113.9"),  # two proxies, one behind the other
        ("10.1.2.3", ["10.9.9.9"], "10.9.9.9"),
        ("10.1.2.3", [], "10.1.2.3"),
        ("10.1.2.3", ["unknown"], "10.1.2.3"),
        ("10.1.2.3", ["203.0.113.9, unknown"], "10.1.2.3"),
        ("10.1.2.3", [""], "10.1.2.3"),
        ("10.1.2.3", ["203.0.113.9:51234"], "203.0.113.9"),
        ("10.1.2.3", ["[2001:db8::1]:443"], "2001:db8::1"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.1.2.3", ["203.0.113.9"], "203.0.113.9"),  # the same machine over a socket of both families
        ("::ffff:192.0.2.1", [], "192.0.2.1"),
        ("fe80::1%eth0", [], "fe80::1"),
        (None, ["203.0.113.9"], ""),
    ],
)
def test_the_last_address_that_is_no_proxy_of_ours_is_the_client(
    peer: str | None, forwarded: list[str], found: str
) -> None:
    assert origin(peer, *forwarded) == found


def test_without_trusted_proxies_the_header_is_not_read() -> None:
    assert origin("127.0.0.1", "203.0.113.9", trusted=()) == "127.0.0.1"
