"""What tasks say of themselves: task types that write down each of their runs, and how the file is read back.

The journal is the truth that Horarium's ledger is held against. It shares nothing with it: a task appends a line when
it begins and one when it ends, each in a single write, which outlives the process that made it. A run that was cut off
by a kill -9 has no second line.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from taskiq import Context, TaskiqDepends

from horarium import task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Run", "falters", "limited", "read_journal", "works"]

How = Literal["returned", "raised", "cancelled"]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one attempt, as the task saw it; `ended` and `how` are None when it was cut off."""

    execution: str
    attempt: int
    config: int
    tick: datetime | None
    pid: int
    began: datetime
    ended: datetime | None = None
    how: How | None = None


@task("journal.works")
async def works(journal: str, seconds: float, context: Annotated[Context, TaskiqDepends()]) -> None:
    """Take some time."""
    with _written_down(journal, context):
        await asyncio.sleep(seconds)


@task("journal.limited")
async def limited(journal: str, seconds: float, context: Annotated[Context, TaskiqDepends()]) -> None:
    """Take some time; one at once, where the load has set a limit."""
    with _written_down(journal, context):
        await asyncio.sleep(seconds)


@task("journal.falters")
async def falters(journal: str, seconds: float, context: Annotated[Context, TaskiqDepends()]) -> None:
    """Fail at the first attempt, and not at a later one."""
    with _written_down(journal, context):
        await asyncio.sleep(seconds)
        if int(context.message.labels["attempt"]) == 1:
            raise ValueError("the first attempt is for practice")


def read_journal(path: Path) -> list[Run]:
    """Every run in the journal, in the order they began."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    ends = {line["run"]: line for line in lines if line["how"] is not None}
    return [_run(line, ends.get(line["run"])) for line in lines if line["how"] is None]


def _run(begin: dict[str, Any], end: dict[str, Any] | None) -> Run:
    return Run(
        execution=begin["execution"],
        attempt=begin["attempt"],
        config=begin["config"],
        tick=None if begin["tick"] is None else datetime.fromisoformat(begin["tick"]),
        pid=begin["pid"],
        began=datetime.fromtimestamp(begin["at"], UTC),
        ended=None if end is None else datetime.fromtimestamp(end["at"], UTC),
        how=None if end is None else end["how"],
    )


@contextmanager
def _written_down(journal: str, context: Context) -> Iterator[None]:
    labels = context.message.labels
    run = {
        "run": uuid.uuid4().hex,
        "execution": context.message.task_id,
        "attempt": int(labels["attempt"]),
        "config": int(labels["config_id"]),
        "tick": labels["tick_at"],
        "pid": os.getpid(),
    }
    _append(journal, run, None)
    try:
        yield
    except Exception:
        _append(journal, run, "raised")
        raise
    except BaseException:
        _append(journal, run, "cancelled")
        raise
    _append(journal, run, "returned")


def _append(journal: str, run: dict[str, Any], how: How | None) -> None:
    file = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, json.dumps(run | {"how": how, "at": time.time()}).encode() + b"\n")
    os.close(file)
