"""The peers of `bench/burst.py`: other schedulers with as many schedules due at one instant, each in its own process.

taskiq's own scheduler (schedules in Redis, messages on Redis streams), Celery beat (in memory, to RabbitMQ where it is
here) and APScheduler 3 (jobs in Redis, each adds a message to a stream). Each is set up so that it does well; what that
took stands in its file. What they say while they work is told in `peers/tally.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio.streams.text import TextReceiveStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["PEERS", "Published", "peer"]

PEERS = {
    "taskiq scheduler": "taskiq_scheduler.py",
    "Celery beat": "celery_beat.py",
    "APScheduler 3": "apscheduler_redis.py",
}
FOLDER = Path(__file__).parent / "peers"
START_SECONDS = 6.0
MADE_A_SECOND = 400
FIRST_SECOND = 8
"""taskiq's source reads a minute's schedules at once: those of its first seconds would be read too late."""


@dataclass(frozen=True, slots=True)
class Published:
    """How many messages a peer has published, and how long after they were due it had; `all`: every one of them."""

    messages: int
    seconds: float
    all: bool

    def beside(self, due: int, ours: float) -> str:
        """In words, and as a ratio to our seconds."""
        ratio = (
            f"{self.seconds / ours:.0f} times ours" if self.seconds > 3 * ours else f"{self.seconds / ours:.1f} of ours"
        )
        if self.all:
            return f"{self.seconds:.3f} s   {ratio}"
        return f"{self.messages:,} of {due:,} after {self.seconds:.0f} s, when it was stopped   more than {ratio}"


async def peer(name: str, environ: dict[str, str], due: int, *, limit: float) -> Published:
    """Run one until it has published all, or `limit` seconds after they were due."""
    due_at = _instant(START_SECONDS + due / MADE_A_SECOND)
    command = [sys.executable, PEERS[name], str(due_at), str(due)]
    last = {"published": 0, "at": due_at}
    with anyio.move_on_after(due_at + limit - time.time()):
        async with await anyio.open_process(
            command, cwd=FOLDER, env=os.environ | environ, stdin=subprocess.DEVNULL, stderr=None
        ) as process:
            assert process.stdout is not None
            try:
                async for line in _lines(TextReceiveStream(process.stdout)):
                    last = json.loads(line)
                    if last["published"] >= due:
                        break
            finally:
                process.kill()
    everything = last["published"] >= due
    if everything:
        assert last["at"] >= due_at, f"{name} was early"
    return Published(last["published"], last["at"] - due_at if everything else limit, everything)


def _instant(head_start: float) -> float:
    """A whole second, so far from now or a little later."""
    due_at = int(time.time() + head_start) + 1.0
    return due_at if due_at % 60 >= FIRST_SECOND else due_at - due_at % 60 + FIRST_SECOND


async def _lines(stream: TextReceiveStream) -> AsyncIterator[str]:
    rest = ""
    async for text in stream:
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            yield line
