"""Task types for tests: declared as a user declares theirs. Importable in a worker's own processes."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import structlog
from taskiq import Context, TaskiqDepends
from taskiq.depends.progress_tracker import ProgressTracker  # noqa: TC002 - taskiq reads the annotation

from horarium import Context as OwnContext
from horarium import task

__all__ = ["NOTHING_SECRET", "labels", "odd", "plain_add", "plain_forever", "quits", "raises", "stray", "waits_for"]

NOTHING_SECRET = "hunter2-the-value-of-a-variable"


class Unspeakable:
    """Has no repr."""

    def __repr__(self) -> str:
        """Raise."""
        raise RuntimeError


def nested(depth: int) -> list[Any]:
    """Lists within lists."""
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


ODD: dict[str, Any] = {
    "a set": {1},
    "bytes": b"\x00\xff",
    "NUL": "a\0b",
    "not a number": float("nan"),
    "huge": "x" * 1_000_000,
    "keys of another type": {1: "one", (1, 2): "two"},
    "a lone surrogate": "\ud800",
    "a large integer": 2**80,
    "nothing": None,
    "nothing one can say": Unspeakable(),
    "deeper than JSON goes": nested(100_000),
}


@task("test.raises")
async def raises(secret: str) -> None:
    """Raise, with a value in a variable that is nobody's business."""
    hidden = secret + NOTHING_SECRET
    raise ValueError(f"{len(hidden)} characters were too many")


@task("test.raises_half_a_character")
async def raises_half_a_character() -> None:
    """Raise what a file name that is no UTF-8 leads to."""
    raise ValueError("no file \udcff here")


class Mute(Exception):
    """Answers nothing."""

    def __bool__(self) -> bool:
        """Raise."""
        raise RuntimeError

    @property
    def __cause__(self) -> None:
        """Raise."""
        raise RuntimeError


@task("test.raises_what_is_not_even_true")
async def raises_what_is_not_even_true(message: str = "") -> None:  # noqa: ARG001 - what the middlewares add
    """Raise an exception that breaks whoever asks whether it is one."""
    raise Mute


@task("test.odd")
async def odd(kind: str) -> Any:
    """Answer what JSON does not know."""
    return ODD[kind]


@task("test.labels")
async def labels(context: Annotated[Context, TaskiqDepends()]) -> dict[str, Any]:
    """Answer what a task may know of itself."""
    return {"task_id": context.message.task_id, **context.message.labels}


@task("test.waits_for")
async def waits_for(path: str, mark: str) -> str:
    """Leave a line in `mark`, then wait for the file `path`."""
    with Path(mark).open("a") as file:  # noqa: ASYNC230 - a line
        file.write("started\n")
    while not Path(path).exists():  # noqa: ASYNC110, ASYNC240 - another process makes it
        await asyncio.sleep(0.02)
    return "came"


@task("test.waits_for_nothing")
async def waits_for_nothing(message: str = "") -> str:
    """Wait for a minute."""
    await asyncio.sleep(60)
    return message


@task("test.finishes_all_the_same")
async def finishes_all_the_same(mark: str) -> str:
    """Leave a line in `mark`, and take a cancellation for a sign to come to an end."""
    with Path(mark).open("a") as file:  # noqa: ASYNC230 - a line
        file.write("started\n")
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        return "finished"
    return "never told"


@task("test.takes_its_time_to_stop")
async def takes_its_time_to_stop(mark: str, path: str) -> None:
    """Leave a line in `mark`, another when cancelled, and end once there is the file `path`."""
    with Path(mark).open("a") as file:  # noqa: ASYNC230 - a line
        file.write("started\n")
    try:
        await asyncio.sleep(60)
    finally:
        with Path(mark).open("a") as file:  # noqa: ASYNC230 - a line
            file.write("stopping\n")
        while not Path(path).exists():  # noqa: ASYNC110, ASYNC240 - another process makes it
            await asyncio.sleep(0.02)


@task("test.breaks_when_cancelled")
async def breaks_when_cancelled(mark: str) -> None:
    """Leave a line in `mark`, and break over its own cleaning up."""
    with Path(mark).open("a") as file:  # noqa: ASYNC230 - a line
        file.write("started\n")
    try:
        await asyncio.sleep(60)
    finally:
        raise ValueError("the cleaning up broke")


@task("test.plain_add")
def plain_add(a: int, b: int = 1) -> int:
    """Add, in a process of its own."""
    return a + b


@task("test.plain_pid")
def plain_pid() -> int:
    """Answer the process it runs in."""
    return os.getpid()


@task("test.plain_forever")
def plain_forever(mark: str) -> None:
    """Leave the pid in `mark`, and never come back."""
    Path(mark).write_text(str(os.getpid()))
    while True:
        time.sleep(60)


@task("test.plain_dies")
def plain_dies() -> None:
    """End the process from inside."""
    os._exit(7)


@task("test.quits")
async def quits() -> None:
    """Ask the whole process to end."""
    sys.exit("enough")


@task("test.stray")
async def stray() -> None:
    """Await something that somebody else has cancelled."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


@task("test.timeout_of_its_own")
async def timeout_of_its_own() -> None:
    """Run into a timeout that is not the execution's."""
    async with asyncio.timeout(0.01):
        await asyncio.sleep(60)


@task("test.group")
async def group() -> None:
    """Fail in two places at once."""
    raise ExceptionGroup("both", [ValueError("one"), KeyError("two")])


@task("test.reports")
async def reports(mark: str, name: str, ctx: Annotated[OwnContext, TaskiqDepends()]) -> None:
    """Say how far it is and log, in a thread as well, and wait for the file `mark`."""
    ctx.progress(0.25, f"{name} begins")
    logging.getLogger("app.reports").info("%s speaks", name)
    await asyncio.to_thread(logging.getLogger("app.thread").warning, "%s speaks from a thread", name)
    structlog.get_logger("app.events").warning("spoke", who=name, password=NOTHING_SECRET)
    logging.getLogger("app.reports").debug("%s mumbles", name)
    while not Path(mark).exists():  # noqa: ASYNC110, ASYNC240 - another process makes it
        await asyncio.sleep(0.02)
    ctx.progress(1)


@task("test.reports_then_fails")
async def reports_then_fails(taskiq_ctx: Annotated[Context, TaskiqDepends()]) -> None:
    """Log which attempt this is and what went wrong, and fail."""
    log = logging.getLogger("app.reports")
    log.info("attempt %s", taskiq_ctx.message.labels["attempt"])
    try:
        _connect(f"postgresql://app:{NOTHING_SECRET}@db/app")
    except ValueError:
        log.exception("it broke")
        raise


def _connect(url: str) -> None:
    raise ValueError(f"cannot reach {url}")


@task("test.tracks")
async def tracks(tracker: Annotated[ProgressTracker[Any], TaskiqDepends()]) -> None:
    """Tell taskiq's own tracker."""
    await tracker.set_progress("loading", 0.5)


@task("test.noisy")
async def noisy(lines: int, mark: str | None = None) -> int:
    """Log that many lines, more until there is a file `mark`, and let others run now and then; how many it were."""
    log, number = logging.getLogger("app.noisy"), 0
    while number < lines or (mark is not None and not Path(mark).exists()):  # noqa: ASYNC240 - another makes it
        for _ in range(50):
            number += 1
            log.info("line %06d of many", number)
        await asyncio.sleep(0)
    return number


@task("test.plain_reports")
def plain_reports(name: str, lines: int, ctx: Annotated[OwnContext, TaskiqDepends()]) -> str:
    """Say how far it is and log, in a process of its own."""
    ctx.progress(0.5, f"{name} half-way")
    for number in range(1, lines + 1):
        logging.getLogger("app.plain").info("%s line %d", name, number)
    return ctx.message.task_id


@task("test.plain_reports_forever")
def plain_reports_forever(mark: str, ctx: Annotated[OwnContext, TaskiqDepends()]) -> None:
    """Say how far it is and log, and never come back."""
    logging.getLogger("app.plain").info("the last words")
    ctx.progress(0.9)
    Path(mark).write_text("said")
    while True:
        time.sleep(60)


@task("test.plain_speaks")
def plain_speaks() -> None:
    """Log in both ways, in a process of its own."""
    logging.getLogger("app.plain").info("plain words")
    structlog.get_logger("app.plain").warning("plain.event", size=3, token=NOTHING_SECRET)
