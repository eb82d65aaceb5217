"""The command line: `horarium up` and `horarium worker`; the commands that ask a running Horarium are in `commands`.

Flags win over HORARIUM_* variables. Faults in either are reported together, before anything is started, with exit
code 2; a tree that gave up is exit code 1; an ordered stop is 0.
"""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import typer
from rich.markup import escape

from horarium.actors.api import cannot_listen
from horarium.client.errors import EXIT_CODES
from horarium.commands import (
    api_key,
    apply,
    config,
    doctor,
    execution,
    importing,
    login,
    migrate,
    next_ticks,
    status,
    task_limits,
    tree,
    user,
)
from horarium.commands.console import in_passing, output, refusals
from horarium.demo import create_demo, open_own_api
from horarium.embedded import DataDir
from horarium.errors import ConfigurationError
from horarium.host import Host, calm_collector
from horarium.http.liveness import Liveness
from horarium.logs import configure_logging
from horarium.resources import open_resources
from horarium.settings import Settings, load_settings
from horarium.supervisor import StallMonitor
from horarium.tree import supervisor_tree, worker_tree

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from horarium.resources import Resources

__all__ = ["app", "main"]

app = typer.Typer(name="horarium", no_args_is_help=True, add_completion=True)
app.add_typer(login.app)
app.add_typer(status.app)
app.add_typer(tree.app)
app.add_typer(apply.app)
app.add_typer(next_ticks.app)
app.add_typer(migrate.app)
app.add_typer(doctor.app)
app.add_typer(config.app, name="config")
app.add_typer(execution.app, name="execution")
app.add_typer(user.app, name="user")
app.add_typer(api_key.app, name="api-key")
app.add_typer(task_limits.app, name="limits")
app.add_typer(importing.app, name="import")

DataDirOption = Annotated[Path | None, typer.Option(help="Where embedded servers keep their data.")]


def main() -> None:
    """The entry point of the command `horarium`."""
    app()


@app.callback(epilog=EXIT_CODES)
def _root() -> None:
    """Supervised scheduled work for Python teams."""


@app.command()
def up(
    host: Annotated[str | None, typer.Option(help="Address the API listens on (default: 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="Port the API listens on (default: 8080); 0: a free one.")] = None,
    data_dir: DataDirOption = None,
    demo: Annotated[bool, typer.Option("--demo", help="Make a handful of lively configs.")] = False,
) -> None:
    """Run the supervisor: scheduling, the API, and with no settings at all Postgres, Redis and a worker too."""
    _run(lambda settings: _up(settings, demo=demo), host=host, port=port, data_dir=data_dir)


@app.command()
def worker(
    queues: Annotated[str | None, typer.Option(help="Queues to read, separated by commas (default: default).")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Executions to run at once (default: 100).")] = None,
) -> None:
    """Run tasks. Needs HORARIUM_DATABASE_URL and HORARIUM_REDIS_URL."""
    names = tuple(name.strip() for name in queues.split(",") if name.strip()) if queues else None
    _run(_worker, queues=names, worker_concurrency=concurrency)


def _run(program: Callable[[Settings], Awaitable[int]], **flags: Any) -> None:
    """Read the settings, run the program, exit with its code."""
    with refusals():
        settings = load_settings(**flags)
        configure_logging(settings.log_format, settings.log_level)
        calm_collector()
        code = anyio.run(program, settings, backend_options={"use_uvloop": True})
    raise typer.Exit(code)


async def _up(settings: Settings, *, demo: bool) -> int:
    _refuse_taken_port(settings.host, settings.port)
    passwords: list[str] = []
    ports = [settings.port]
    stalls = StallMonitor(time.monotonic)
    with ExitStack() as stack:
        if settings.embedded:
            stack.enter_context(DataDir(settings.data_dir))
        async with open_resources(settings) as resources:
            spec = supervisor_tree(
                resources,
                supervisor=lambda: host.supervisor,
                tell_password=passwords.append,
                listening=ports.append,
                liveness=Liveness(stalls.stalled_for),
            )
            host = Host(spec, stalls)

            async def when_ready() -> None:
                if demo:
                    open_own_api(resources.receiver, ports[-1])
                    await create_demo(resources.task_configs, now=resources.clock(), port=ports[-1])
                with in_passing():
                    _print_banner(resources, ports[-1], passwords)

            return await host.run(when_ready)


async def _worker(settings: Settings) -> int:
    if settings.embedded:
        raise ConfigurationError(
            "a worker needs HORARIUM_DATABASE_URL and HORARIUM_REDIS_URL; an embedded `horarium up` runs its own"
        )
    async with open_resources(settings) as resources:

        async def when_ready() -> None:
            with in_passing():
                output.print(f"horarium worker {resources.worker_id} reads {', '.join(settings.queues)}", markup=False)

        host = Host(worker_tree(resources, supervisor=lambda: host.supervisor), StallMonitor(time.monotonic))
        return await host.run(when_ready)


def _refuse_taken_port(host: str, port: int) -> None:
    """Fail before servers are started for nothing."""
    try:
        with socket.create_server((host, port), reuse_port=False):
            pass
    except OSError as error:
        raise cannot_listen(host, port, error) from error


def _print_banner(resources: Resources, port: int, passwords: list[str]) -> None:
    """Say where to look; a password that was made up is said this once."""
    settings = resources.settings
    rows = {"API": f"http://{settings.host}:{port}/api/v1", "Health": f"http://{settings.host}:{port}/readyz"}
    if passwords:
        rows["Account"] = f"admin, password {passwords[-1]} (shown only now)"
    if settings.embedded:
        rows["Data"] = str(settings.data_dir)
    if resources.embedded_postgres is not None:
        rows["Postgres"] = resources.embedded_postgres.url
    if resources.embedded_redis is not None:
        rows["Redis"] = resources.embedded_redis.url
    rows["Stop"] = "Ctrl-C"
    output.print(f"\n  [bold]Horarium {version('horarium')} is up[/bold]\n")
    for name, value in rows.items():
        output.print(f"  [bold]{name:<8}[/bold]  {escape(value)}", soft_wrap=True)
    output.print()
