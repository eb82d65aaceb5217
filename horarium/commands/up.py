"""`horarium up`: the supervisor in a process, and the banner that says where to look."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from pathlib import Path  # noqa: TC003 - typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from horarium.actors.api import cannot_listen
from horarium.commands.console import output
from horarium.commands.serving import in_passing, serve
from horarium.demo import create_demo, open_own_api
from horarium.embedded import DataDir
from horarium.host import Host
from horarium.http.liveness import Liveness
from horarium.resources import open_resources
from horarium.supervisor import StallMonitor
from horarium.tasks.broker import taskiq_broker
from horarium.tree import supervisor_tree

if TYPE_CHECKING:
    from horarium.resources import Resources
    from horarium.settings import Settings

__all__ = ["app"]

app = typer.Typer()


@app.command()
def up(
    host: Annotated[str | None, typer.Option(help="Address the API listens on (default: 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="Port the API listens on (default: 8080); 0: a free one.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where embedded servers keep their data.")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Make a handful of lively configs.")] = False,
) -> None:
    """Run the supervisor: scheduling, the API, and with no settings at all Postgres, Redis and a worker too."""
    serve(partial(_up, demo=demo), host=host, port=port, data_dir=data_dir)


async def _up(settings: Settings, *, demo: bool) -> int:
    _refuse_taken_port(settings.host, settings.port)
    passwords: list[str] = []
    ports = [settings.port]
    with ExitStack() as stack:
        stack.callback(_print_untold, passwords)
        if settings.embedded:
            stack.enter_context(DataDir(settings.data_dir))
        async with open_resources(settings) as resources:
            stalls = StallMonitor(time.monotonic, on_lag=resources.measures.lag)
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
                    open_own_api(taskiq_broker(resources.receiver), ports[-1])
                    await create_demo(resources.task_configs, now=resources.clock(), port=ports[-1])
                with in_passing():
                    _print_banner(resources, ports[-1], passwords)

            return await host.run(when_ready)


def _refuse_taken_port(host: str, port: int) -> None:
    """Fail before servers are started for nothing."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family, reuse_port=False):
            pass
    except OSError as error:
        raise cannot_listen(host, port, error) from error


def _print_untold(passwords: list[str]) -> None:
    """Say the password of an account that was made by a process which ends before it could say so; nobody else can."""
    if passwords:
        with in_passing():
            output.print(f"  [bold]Account [/bold]  {_account(passwords)}", soft_wrap=True)


def _account(passwords: list[str]) -> str:
    """The account that was made, this once: what is said is taken out."""
    said = f"admin, password {passwords[-1]} (shown only now)"
    passwords.clear()
    return said


def _print_banner(resources: Resources, port: int, passwords: list[str]) -> None:
    """Say where to look."""
    settings = resources.settings
    base = f"http://[{settings.host}]:{port}" if ":" in settings.host else f"http://{settings.host}:{port}"
    rows = {"Page": f"{base}/", "API": f"{base}/api/v1", "Health": f"{base}/readyz"}
    if passwords:
        rows["Account"] = _account(passwords)
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
