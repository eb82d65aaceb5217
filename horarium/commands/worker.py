"""`horarium worker`: one worker in this process, or several processes under this one."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from horarium.commands.console import output
from horarium.commands.serving import in_passing, serve
from horarium.host import Host
from horarium.lifeline import end_with_parent
from horarium.supervisor import StallMonitor
from horarium.worker_processes import STOP_SECONDS, WorkerProcesses

if TYPE_CHECKING:
    from horarium.settings import Settings

__all__ = ["app"]

app = typer.Typer()


@app.command()
def worker(
    queues: Annotated[str | None, typer.Option(help="Queues to read, separated by commas (default: default).")] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Executions that each process runs at once (default: 100).")
    ] = None,
    processes: Annotated[int | None, typer.Option(help="Processes to run, under one parent (default: 1).")] = None,
    lifeline: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run tasks. Needs HORARIUM_DATABASE_URL and HORARIUM_REDIS_URL."""
    names = tuple(name.strip() for name in queues.split(",") if name.strip()) if queues else None
    serve(partial(_work, lifeline=lifeline), queues=names, worker_concurrency=concurrency, worker_processes=processes)


async def _work(settings: Settings, *, lifeline: int | None) -> int:
    settings.check_servers()
    if lifeline is not None:
        end_with_parent(lifeline, stop_seconds=settings.drain_seconds + STOP_SECONDS)
    if settings.worker_processes > 1:
        return await _run_processes(settings)
    from horarium.commands.one_worker import run_worker  # noqa: PLC0415 - a parent needs none of what tasks need

    return await run_worker(settings)


async def _run_processes(settings: Settings) -> int:
    async def when_ready() -> None:
        with in_passing():
            output.print(f"horarium worker: {settings.worker_processes} processes", markup=False)

    processes = WorkerProcesses(settings)
    return processes.exit_code(await Host(processes.tree(), StallMonitor(time.monotonic)).run(when_ready))
