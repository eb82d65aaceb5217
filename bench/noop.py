"""The task of `bench/worker.py`, as a user of Horarium declares one."""

from __future__ import annotations

from horarium import task


@task("noop")
async def noop() -> None:
    """Do nothing."""
