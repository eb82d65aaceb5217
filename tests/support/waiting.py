"""Waiting for a state, with a deadline: the only place where a test sleeps. And what was seen meanwhile, in figures.

`until` is for tests that drive a process from outside, `eventually` for tests inside an event loop. Both return the
first answer of the probe that is true, and say what they last saw when the deadline passes.

A deadline is there to end what will never be so, and says nothing of how fast the product is: it is `WAIT_SECONDS`
wherever a test waits, for a machine that runs four test processes at once may take ten times as long as an idle one.
What must be quick is measured, by what the product itself has written down where that can be.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["WAITING_FOR_A_LOCK", "WAIT_SECONDS", "eventually", "report", "until"]

T = TypeVar("T")

POLL_SECONDS = 0.05
WAIT_SECONDS = 30.0

WAITING_FOR_A_LOCK = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
"""How many statements stand before another's lock: more than none, once somebody has come upon what a test holds."""


def until(probe: Callable[[], T], *, within: float = WAIT_SECONDS) -> T:
    """The first true answer of `probe`, asked again and again for `within` seconds."""
    deadline = time.monotonic() + within
    while not (answer := probe()):
        assert time.monotonic() < deadline, f"still {answer!r} after {within:g} s"
        time.sleep(POLL_SECONDS)
    return answer


async def eventually(probe: Callable[[], Awaitable[T]], *, within: float = WAIT_SECONDS) -> T:
    """The same for a coroutine function."""
    deadline = anyio.current_time() + within
    while not (answer := await probe()):
        assert anyio.current_time() < deadline, f"still {answer!r} after {within:g} s"
        await anyio.sleep(POLL_SECONDS)
    return answer


def report(figures: str) -> None:
    """Print what a test has seen: shown with `pytest -rP` or `-s`, and when the test fails."""
    sys.stdout.write(f"{figures}\n")
