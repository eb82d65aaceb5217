"""Requests that others have written reach what is public or opened, and nothing else, whatever they try."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

import aiohttp
import pytest
from taskiq import InMemoryBroker

from horarium.demo import open_own_api
from horarium.tasks import egress as guarded
from horarium.tasks.addresses import Opening
from horarium.tasks.egress import Egress, EgressRefused
from tests.support.names import Answering
from tests.support.places import LOOPBACK, OUTSIDE, anyio_backend, at_one_port, get, opened, outside, victim

if TYPE_CHECKING:
    from tests.support.places import Place, Victim

__all__ = ["anyio_backend", "outside", "victim"]

pytestmark = pytest.mark.anyio


def unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded._Guard, "_permit", lambda *_: None)


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.example"])
async def test_a_name_that_no_resolver_can_be_asked_for_is_refused_as_none(host: str) -> None:
    with pytest.raises(EgressRefused, match="is no host name"):
        await get(Egress(), f"http://{host}/")


# Literals

SPELT = {
    "in full": "127.0.0.1",
    "another loopback": "127.9.9.9",
    "decimal": "2130706433",
    "hexadecimal": "0x7f000001",
    "hexadecimal parts": "0x7f.0x0.0x0.0x1",
    "octal": "017700000001",
    "octal parts": "0177.0.0.01",
    "short": "127.1",
    "shorter": "0",
    "mixed": "0x7f.1",
    "overflowing": "127.0.0.257",
    "trailing dot": "127.0.0.1.",
    "trailing dots": "127.0.0.1...",
    "digits in circles": "①②⑦.⓪.⓪.①",
    "full width": "\uff11\uff12\uff17\uff0e\uff10\uff0e\uff10\uff0e\uff11",
    "ideographic dots": "127\u30020\u30020\u30021",
    "arabic digits": "\u0661\u0662\u0667.0.0.1",
    "encoded": "%31%32%37.0.0.1",
    "unspecified": "0.0.0.0",  # noqa: S104 - asked, not bound to
    "IPv6": "[::1]",
    "IPv6 in full": "[0:0:0:0:0:0:0:1]",
    "IPv6 unspecified": "[::]",
    "mapped": "[::ffff:127.0.0.1]",
    "mapped in hexadecimal": "[::ffff:7f00:1]",
    "mapped in full": "[0:0:0:0:0:ffff:7f00:0001]",
    "compatible": "[::127.0.0.1]",
    "translated": "[::ffff:0:127.0.0.1]",
    "NAT64": "[64:ff9b::127.0.0.1]",
    "6to4": "[2002:7f00:1::1]",
    "Teredo": "[2001:0:7f00:1::1]",
    "scoped": "[fe80::1%25lo]",
    "scoped loopback": "[::1%25lo]",
    "a name": "localhost",
    "a name in capitals": "LOCALHOST",
    "a user before it": "user@127.0.0.1",
    "another host as user": f"{OUTSIDE}@127.0.0.1",
}
REACHING = [
    "in full",
    "hexadecimal",
    "hexadecimal parts",
    "mixed",
    "mapped",
    "digits in circles",
    "full width",
    "a name",
]


@pytest.mark.parametrize("spelt", SPELT)
async def test_no_spelling_of_an_address_reaches_it(victim: Victim, spelt: str) -> None:
    with pytest.raises((EgressRefused, aiohttp.ClientError, ValueError)):
        await get(opened(), f"http://{SPELT[spelt]}:{victim.port}/")

    assert victim.reached == 0


@pytest.mark.parametrize("spelt", SPELT)
async def test_a_redirect_to_no_spelling_of_an_address_reaches_it(victim: Victim, outside: Place, spelt: str) -> None:
    outside.onward = [f"http://{SPELT[spelt]}:{victim.port}/"]

    with pytest.raises((EgressRefused, aiohttp.ClientError, ValueError)):
        await get(opened(), str(outside.make_url("/")))

    assert (outside.reached, victim.reached) == (1, 0)


@pytest.mark.parametrize("spelt", REACHING)
async def test_without_the_guard_the_same_spellings_reach_it(
    victim: Victim, spelt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unguarded(monkeypatch)

    await get(opened(), f"http://{SPELT[spelt]}:{victim.port}/")

    assert victim.reached == 1


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("169.254.169.254", "a metadata service"),
        ("[fd00:ec2::254]", "a metadata service"),
        ("[::ffff:169.254.169.254]", "a metadata service"),
        ("168.63.129.16", "a metadata service"),
        ("10.0.0.1", "private"),
        ("100.64.0.1", "carrier-grade NAT"),
        ("198.18.0.1", "benchmarking"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("[fe80::1]", "link-local"),
    ],
)
async def test_a_redirect_to_what_is_not_public_is_refused_and_named(outside: Place, address: str, kind: str) -> None:
    outside.onward = [f"http://user:hunter2@{address}/latest/hunter2?token=hunter2"]

    with pytest.raises(EgressRefused, match=f" is {kind}; HORARIUM_HTTP_ALLOW") as refused:
        await get(opened(), str(outside.make_url("/")))

    assert str(refused.value).startswith(str(ip_address(address.strip("[]"))))
    assert "hunter2" not in str(refused.value)


# Names


async def test_a_name_that_resolves_to_a_private_address_is_refused(victim: Victim) -> None:
    resolver = Answering(["127.0.0.1"])

    with pytest.raises(EgressRefused, match=r"inside\.test is at 127\.0\.0\.1, which is loopback"):
        await get(opened(resolver=resolver), f"http://inside.test:{victim.port}/")

    assert (resolver.asked, victim.reached) == (["inside.test"], 0)


async def test_a_name_that_answers_otherwise_the_second_time_reaches_nothing_by_it(
    victim: Victim, outside: Place
) -> None:
    """It is not asked between the check and the connection; and the next connection is checked for itself."""
    resolver = Answering([OUTSIDE], ["127.0.0.1"])
    outside.onward = [f"http://rebinding.test:{victim.port}/"]

    with pytest.raises(EgressRefused, match=r"rebinding\.test is at 127\.0\.0\.1"):
        await get(opened(resolver=resolver), f"http://rebinding.test:{outside.port}/")

    assert (len(resolver.asked), outside.reached, victim.reached) == (2, 1, 0)


async def test_a_resolver_that_answers_with_a_name_is_not_believed(victim: Victim) -> None:
    """What connects would have to resolve it again, after the check; so the check is of what that found."""
    with pytest.raises((EgressRefused, aiohttp.ClientConnectorError)):
        await get(opened(resolver=Answering(["localhost"])), f"http://twice.test:{victim.port}/")

    assert victim.reached == 0


@pytest.mark.parametrize("answer", [[OUTSIDE, "127.0.0.1"], ["127.0.0.1", OUTSIDE], ["::1", OUTSIDE, "127.0.0.1"]])
async def test_of_several_addresses_only_the_ones_that_may_be_are_reached(answer: list[str]) -> None:
    async with at_one_port(OUTSIDE, LOOPBACK) as (outside, victim):
        assert await get(opened(resolver=Answering(answer)), f"http://several.test:{outside.port}/") == 200

        assert (outside.reached, victim.reached) == (1, 0)


@pytest.mark.parametrize("answer", [[OUTSIDE, "127.0.0.1"], ["127.0.0.1", OUTSIDE], ["127.0.0.1", "10.0.0.1", "::1"]])
async def test_where_the_public_one_of_several_is_down_the_private_one_is_not_tried(
    victim: Victim, answer: list[str]
) -> None:
    with pytest.raises(EgressRefused, match=r"127\.0\.0\.1, which is loopback"):
        await get(opened(resolver=Answering(answer)), f"http://several.test:{victim.port}/")

    assert victim.reached == 0


# Openings


async def test_nothing_is_open_by_itself(outside: Place) -> None:
    with pytest.raises(EgressRefused):
        await get(Egress(), str(outside.make_url("/")))

    assert outside.reached == 0


async def test_a_name_that_is_opened_is_reached_wherever_it_is(victim: Victim) -> None:
    egress = opened("api.internal", resolver=Answering(["127.0.0.1"]))

    assert await get(egress, f"http://api.internal:{victim.port}/") == 200


async def test_a_name_that_is_opened_opens_no_other_at_its_address(victim: Victim) -> None:
    egress = opened("api.internal", resolver=Answering(["127.0.0.1"]))

    with pytest.raises(EgressRefused):
        await get(egress, f"http://other.internal:{victim.port}/")
    with pytest.raises(EgressRefused):
        await get(egress, f"http://127.0.0.1:{victim.port}/")

    assert victim.reached == 0


async def test_a_redirect_from_a_name_that_is_opened_opens_nothing(victim: Victim, outside: Place) -> None:
    outside.onward = [f"http://127.0.0.1:{victim.port}/"]
    egress = Egress([Opening.parse("api.internal")], Answering([OUTSIDE]))

    with pytest.raises(EgressRefused):
        await get(egress, f"http://api.internal:{outside.port}/")

    assert (outside.reached, victim.reached) == (1, 0)


async def test_an_opening_of_one_port_opens_no_other(victim: Victim, outside: Place) -> None:
    egress = Egress([Opening.parse(f"127.0.0.1:{outside.port}")])

    with pytest.raises(EgressRefused):
        await get(egress, f"http://127.0.0.1:{victim.port}/")

    assert victim.reached == 0
    assert await get(egress.also(Opening.parse(f"127.0.0.1:{victim.port}")), f"http://127.0.0.1:{victim.port}/") == 200


async def test_the_demo_opens_its_own_api_and_nothing_beside_it(victim: Victim, outside: Place) -> None:
    broker = InMemoryBroker()
    broker.add_dependency_context({Egress: Egress()})

    open_own_api(broker, victim.port)

    egress = broker.custom_dependency_context[Egress]
    assert await get(egress, f"http://127.0.0.1:{victim.port}/livez") == 200
    with pytest.raises(EgressRefused):
        await get(egress, str(outside.make_url("/")))


# Ways around


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
async def test_a_proxy_of_the_environment_is_not_asked(
    victim: Victim, outside: Place, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, f"http://127.0.0.1:{victim.port}")

    assert await get(opened(), str(outside.make_url("/"))) == 200

    assert (outside.reached, victim.reached) == (1, 0)


async def test_a_chain_of_redirects_ends(outside: Place) -> None:
    outside.onward = ["/"] * 50

    async with opened().session(timeout_seconds=5) as session:
        with pytest.raises(aiohttp.TooManyRedirects):
            await session.get(outside.make_url("/"), max_redirects=guarded.MAX_REDIRECTS)

    assert outside.reached == guarded.MAX_REDIRECTS
