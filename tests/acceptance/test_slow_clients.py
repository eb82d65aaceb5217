"""Clients that drip, dawdle or never read are cut, and nobody else notices that they were there."""

from __future__ import annotations

import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.support.slow import KINDS, crowd
from tests.support.waiting import report, until

if TYPE_CHECKING:
    from tests.support.processes import Client, Running

SLOW_CLIENTS = 500
CUT_WITHIN_SECONDS = 15.0
HONEST_SECONDS = 5.0
"""In which all but one in twenty honest requests are answered: a busy machine delays one now and then by itself."""
PACE_SECONDS = 0.05
PATIENCE_SECONDS = 60.0
MOST_AT_ONCE = 64


@pytest.mark.timeout(300)
def test_500_slow_clients_are_cut_within_15_seconds_and_honest_requests_do_not_feel_them(
    house: Running, admin: Client
) -> None:
    """A third sends a byte of its head a second, a third no body, a third reads none of its answers."""
    address = urlsplit(house.url)
    assert address.hostname
    assert address.port

    with crowd((address.hostname, address.port), SLOW_CLIENTS) as slow:
        dawdling = threading.Thread(target=slow.last, args=(PATIENCE_SECONDS,))
        dawdling.start()
        honest = timed_while(dawdling, admin)

    p95, longest = statistics.quantiles(honest, n=20)[18], max(slow.held)
    by_kind = {kind: max(each.held or 0.0 for each in slow.clients.values() if each.kind == kind) for kind in KINDS}
    report(
        f"{len(honest)} honest requests: median {statistics.median(honest) * 1000:.1f} ms, p95 {p95 * 1000:.1f} ms, "
        f"longest {max(honest) * 1000:.1f} ms; {len(slow.held)} slow clients cut, the last of each kind after: "
        + ", ".join(f"{kind} {seconds:.1f} s" for kind, seconds in by_kind.items())
    )
    assert len(slow.held) == SLOW_CLIENTS
    assert longest < CUT_WITHIN_SECONDS
    assert p95 < HONEST_SECONDS
    until(lambda: told_of_cuts(house) >= SLOW_CLIENTS * 2 // 3)


def timed_while(dawdling: threading.Thread, client: Client) -> list[float]:
    """How many seconds each request took from when it was due, on a connection of its own, as long as the thread lives.

    They come at a steady pace and do not wait for each other, so that a hiccup is felt by all that fall into it.
    """
    paths = cycle(("/auth/me", "/task-configs"))
    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        requests = []
        while dawdling.is_alive():
            requests.append(pool.submit(timed, client, next(paths), time.monotonic()))
            dawdling.join(PACE_SECONDS)
        return [request.result() for request in requests]


def timed(client: Client, path: str, due_at: float) -> float:
    client.get(path)
    return time.monotonic() - due_at


def told_of_cuts(house: Running) -> int:
    """Slow clients that the log tells of: those cut at their head or their answer, which were not told themselves."""
    told = [event for event in house.events if event["event"] == "api.slow_clients_cut"]
    return sum(event["heads"] + event["answers"] for event in told)
