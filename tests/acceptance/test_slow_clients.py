"""Clients that drip, dawdle or never read are cut, and nobody else notices that they were there."""

from __future__ import annotations

import statistics
import threading
import time
from itertools import cycle
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.support.slow import crowd
from tests.support.waiting import report

if TYPE_CHECKING:
    from tests.support.processes import Client, Running

SLOW_CLIENTS = 500
KINDS = ("head", "body", "answer")
CUT_WITHIN_SECONDS = 15.0
HONEST_P99_SECONDS = 1.0


@pytest.mark.timeout(90)
def test_500_slow_clients_are_cut_within_15_seconds_and_honest_requests_do_not_feel_them(
    house: Running, admin: Client
) -> None:
    """A third sends a byte of its head a second, a third no body, a third reads none of its answers."""
    address = urlsplit(house.url)
    assert address.hostname
    assert address.port

    with crowd((address.hostname, address.port), SLOW_CLIENTS) as slow:
        dawdling = threading.Thread(target=slow.last, args=(CUT_WITHIN_SECONDS * 2,))
        dawdling.start()
        honest = timed_while(dawdling, admin)

    assert len(slow.held) == SLOW_CLIENTS
    p99, longest = statistics.quantiles(honest, n=100)[98], max(slow.held.values())
    of_kind = {kind: max(slow.held[one] for one in list(slow.sockets)[number::3]) for number, kind in enumerate(KINDS)}
    report(
        f"{len(honest)} honest requests: median {statistics.median(honest) * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms, "
        f"longest {max(honest) * 1000:.1f} ms; {len(slow.held)} slow clients cut, the last of each kind after: "
        + ", ".join(f"{kind} {seconds:.1f} s" for kind, seconds in of_kind.items())
    )
    assert longest < CUT_WITHIN_SECONDS
    assert p99 < HONEST_P99_SECONDS
    assert told_of_cuts(house) >= SLOW_CLIENTS * 2 // 3


def timed_while(dawdling: threading.Thread, client: Client) -> list[float]:
    """How many seconds each request took, each on a connection of its own, as long as the thread lives."""
    seconds = []
    paths = cycle(("/auth/me", "/task-configs"))
    while dawdling.is_alive():
        began = time.monotonic()
        client.get(next(paths))
        seconds.append(time.monotonic() - began)
    return seconds


def told_of_cuts(house: Running) -> int:
    """Slow clients that the log tells of: those cut at their head or their answer, which were not told themselves."""
    told = [event for event in house.events if event["event"] == "api.slow_clients_cut"]
    return sum(event["heads"] + event["answers"] for event in told)
