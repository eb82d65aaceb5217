"""Commands are imported when they are called, and what only a server needs is not imported for a client."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import typer.main

from horarium.cli import COMMANDS, app
from tests.support.processes import environment

SERVERS = {"aio_pika", "asyncpg", "horarium.model.identity", "horarium.resources", "horarium.tree", "redis", "taskiq"}
HEAVY = SERVERS | {"aiohttp", "pydantic"}
PROGRAM = """
import atexit, sys
heavy = set(sys.argv.pop(1).split(","))
atexit.register(lambda: print("imported:", *sorted(heavy & sys.modules.keys())))
from horarium.cli import main
main()
"""
NOWHERE = ("--url", "http://127.0.0.1:1", "--token", "none")


def imported(*words: str, of: set[str], **settings: object) -> list[str]:
    """Which of these modules a command has imported when it ends, however it does."""
    run = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-c", PROGRAM, ",".join(of), *words],
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=45,
        check=False,
    )
    (line,) = [line for line in run.stdout.splitlines() if line.startswith("imported:")] or [run.stderr]
    return line.removeprefix("imported:").split()


def test_the_help_imports_no_command() -> None:
    assert imported("--help", of=HEAVY) == []


@pytest.mark.parametrize(
    "words",
    [
        ("status", *NOWHERE),
        ("workers", "list", *NOWHERE),
        ("config", "list", *NOWHERE),
        ("execution", "list", *NOWHERE),
        ("user", "list", *NOWHERE),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_command_that_asks_a_server_imports_none(words: tuple[str, ...]) -> None:
    assert imported(*words, of=SERVERS) == []


def test_the_parent_of_worker_processes_imports_nothing_of_what_they_need() -> None:
    """It ends at once here: its processes refuse their settings."""
    servers = {"database_url": "postgresql://nobody/x", "redis_url": "redis://nobody", "task_modules": "no.such.module"}

    assert imported("worker", "--processes", "2", of=SERVERS, **servers) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_says_of_each_command_what_the_command_says_itself(name: str) -> None:
    command: Any = COMMANDS[name].load(name)

    assert COMMANDS[name].help == " ".join(command.help.split("\n\n")[0].split())
    assert (command.name, hasattr(command, "commands")) == (name, COMMANDS[name].is_group)


COLLECTOR = """
import gc, importlib
from horarium.cli import COMMANDS
real, on = importlib.import_module, set()
importlib.import_module = lambda *name, **of: (on.add(gc.isenabled()), real(*name, **of))[1]
COMMANDS["status"].load("status")
print(*on, gc.isenabled(), gc.get_freeze_count() > 10_000)
"""


def test_the_collector_is_off_while_a_command_is_imported_and_then_passes_over_what_that_made() -> None:
    ran = subprocess.run([sys.executable, "-c", COLLECTOR], capture_output=True, text=True, check=True, timeout=45)  # noqa: S603 - ours

    assert ran.stdout.split() == ["False", "True", "True"]


def test_a_command_that_nobody_knows_is_refused() -> None:
    root: Any = typer.main.get_command(app)

    assert root.get_command(None, "no-such-command") is None
    assert list(root.commands) == list(COMMANDS)
