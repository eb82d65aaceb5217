"""Tasks of a night that is looked at in the dashboard: they say how far they are, log, and fail as tasks do."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Annotated, Any

from taskiq import TaskiqDepends

from horarium import Context, task

__all__ = ["breaks", "loads", "talks"]

log = logging.getLogger("warehouse.night")


@task("night.loads")
async def loads(mark: str, ctx: Annotated[Context, TaskiqDepends()]) -> dict[str, int]:
    """Say how far it is, and wait for the file `mark`."""
    ctx.progress(0.4, "4,000 of 10,000 rows")
    log.info("reading the rows of yesterday")
    while not Path(mark).exists():  # noqa: ASYNC110, ASYNC240 - the test makes it
        await asyncio.sleep(0.02)
    log.info("all rows are there")
    return {"rows": 10_000}


@task("night.breaks")
async def breaks(answer: str = "{") -> Any:
    """Fail over an answer that is no JSON."""
    log.info("asking the warehouse")
    log.warning("the answer is %d characters long", len(answer))
    return _read(answer)


@task("night.talks")
async def talks(lines: int, mark: str) -> None:
    """Log that many lines, and one more for each line of the file `mark`, until that one says so."""
    for number in range(1, lines + 1):
        log.info("row %d is as it was", number)
    told = 0
    while True:
        wanted = Path(mark).read_text().splitlines() if Path(mark).exists() else []  # noqa: ASYNC240 - a short file
        for text in wanted[told:]:
            log.error("%s", text)
        told = len(wanted)
        if "the end" in wanted:
            return
        await asyncio.sleep(0.02)


def _read(answer: str) -> Any:
    return json.loads(answer)
