"""Measures what supervision costs: messages through a supervised mailbox, and the restart of a crashed actor.

Sends messages to an actor of a running tree (with a watchdog, as every actor of ours has) and, in turns in the same
run, through a bare anyio memory stream of the same capacity; `each` awaits every send, `burst` fills the queue at once.
Then crashes an actor again and again, and takes from the time until it is ready the pause that its backoff asks for.

    ratio     mailbox messages per second / bare ones      aim: at least 0.7
    restart   crash to ready, beyond the backoff           aim: within 20 ms

Prints figures, the medians of several rounds; it never fails because a machine is slow.
"""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
from anyio.lowlevel import checkpoint

from horarium.supervisor import Backoff, ChildContext, ChildSpec, Mailbox, Supervisor, SupervisorSpec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Fill = Callable[[Any, int], Awaitable[None]]

CAPACITY = 1024
WATCHDOG_SECONDS = 60.0
PAUSE = Backoff(initial=0.01, maximum=0.01, jitter=0.0, reset_after=0.0)


@asynccontextmanager
async def running(child: ChildSpec) -> AsyncIterator[None]:
    """A tree of one child, ready; stopped at the end."""
    supervisor = Supervisor(SupervisorSpec("root", (child,), intensity=1_000_000), on_event=lambda _: None)
    async with anyio.create_task_group() as group:
        await group.start(lambda *, task_status: supervisor.run(task_status=task_status))
        yield
        supervisor.stop()


async def through_stream(fill: Fill, messages: int) -> float:
    """Seconds that so many messages take through a bare memory stream."""
    sender, receiver = anyio.create_memory_object_stream[int](CAPACITY)
    async with sender, receiver, anyio.create_task_group() as group:
        began = time.perf_counter()
        group.start_soon(fill, sender, messages)
        await read(receiver, messages)
        return time.perf_counter() - began


async def through_mailbox(fill: Fill, messages: int) -> float:
    """The same to an actor."""
    mailbox: Mailbox[int] = Mailbox("figures", capacity=CAPACITY)
    read_all = anyio.Event()

    async def actor(context: ChildContext, *, task_status: Any) -> None:
        task_status.started()
        await read(context.inbox, messages)
        read_all.set()
        await context.stopping.wait()

    async with running(ChildSpec("actor", actor, mailbox=mailbox, drain=1.0, watchdog=WATCHDOG_SECONDS)):
        began = time.perf_counter()
        await fill(mailbox, messages)
        await read_all.wait()
        return time.perf_counter() - began


async def read(stream: Any, messages: int) -> None:
    """Take so many messages."""
    left = messages
    async for _ in stream:
        left -= 1
        if not left:
            return


async def each(stream: Any, messages: int) -> None:
    """Send one after the other, waiting for room."""
    for number in range(messages):
        await stream.send(number)


async def burst(stream: Any, messages: int) -> None:
    """Send as many at once as there is room for, then let the reader read."""
    for first in range(0, messages, CAPACITY):
        for number in range(first, min(first + CAPACITY, messages)):
            stream.send_nowait(number)
        while _depth(stream):
            await checkpoint()


def _depth(stream: Any) -> int:
    return stream.depth if isinstance(stream, Mailbox) else stream.statistics().current_buffer_used


async def restarts(times: int) -> list[float]:
    """Seconds from each crash to ready, less the backoff."""
    crashed_at = 0.0
    took: list[float] = []
    crashed_enough = anyio.Event()

    async def actor(context: ChildContext, *, task_status: Any) -> None:
        nonlocal crashed_at
        task_status.started()
        if context.incarnation > 1:
            took.append(time.perf_counter() - crashed_at - PAUSE.initial)
        await checkpoint()
        if len(took) == times:
            crashed_enough.set()
            await context.stopping.wait()
            return
        crashed_at = time.perf_counter()
        raise RuntimeError("as ordered")

    async with running(ChildSpec("actor", actor, backoff=PAUSE, max_failures=None)):
        await crashed_enough.wait()
    return took


async def main(options: argparse.Namespace) -> None:
    """Measure and print."""
    for fill in (each, burst):
        rounds = [
            (await through_stream(fill, options.messages), await through_mailbox(fill, options.messages))
            for _ in range(options.rounds)
        ]
        bare, ours = (statistics.median(seconds) for seconds in zip(*rounds, strict=True))
        ratio = statistics.median(bare_seconds / our_seconds for bare_seconds, our_seconds in rounds)
        ours_a_second, bare_a_second = options.messages / ours, options.messages / bare
        print(
            f"{fill.__name__:<8}  mailbox {ours_a_second:>9,.0f}/s   bare stream {bare_a_second:>9,.0f}/s"
            f"   ratio {ratio:.2f} (aim: at least 0.7)"
        )
    took = sorted(seconds * 1000 for seconds in await restarts(options.restarts))
    print(
        f"restart   crash to ready beyond the backoff: median {statistics.median(took):.2f} ms,"
        f" p99 {took[int(len(took) * 0.99)]:.2f} ms, max {took[-1]:.2f} ms (aim: within 20 ms)"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--restarts", type=int, default=200)
    parser.add_argument("--short", action="store_true", help="small: to see that it runs, not how fast")
    given = parser.parse_args()
    if given.short:
        given.messages, given.rounds, given.restarts = 20_000, 3, 20
    anyio.run(main, given, backend_options={"use_uvloop": True})
