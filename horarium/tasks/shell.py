"""The task type `shell_command`: a program on a worker, for an administrator, where the operator has allowed it.

There is no shell in it: a list of arguments goes to the program as it is, so nothing in a parameter is ever a command.
Who wants one says so (`["sh", "-c", "..."]`). It is off unless `HORARIUM_ALLOW_SHELL` is set: on the side of the API it
is no task type then, and a worker that gets such a message fails it.

The program starts in an environment of its own: `PATH`, `HOME` and `LANG`, what the config gives, and which execution
it belongs to. The worker's own environment holds the passwords of Postgres and Redis, and none of it is handed on.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from taskiq import Context, TaskiqDepends

from horarium.settings import TOLD_TO_PROGRAMS
from horarium.tasks.builtin import TaskFailed
from horarium.tasks.program import run_program
from horarium.tasks.registry import SHELL_COMMAND, task
from horarium.tracing.carried import carried

if TYPE_CHECKING:
    from horarium.tasks.program import Ended

__all__ = ["Shell", "shell_command"]

TAIL_CHARS = 4096
"""How much of a failed program's last words the error shows."""


@dataclass(frozen=True, slots=True)
class Shell:
    """Whether this worker runs programs."""

    allowed: bool = False


@task(SHELL_COMMAND, admin_only=True)
async def shell_command(
    argv: Annotated[list[str], Field(min_length=1)],
    env: dict[Annotated[str, Field(pattern=r"^[^=]+$")], str] | None = None,
    cwd: Annotated[str, Field(pattern=r"^/")] | None = None,
    context: Annotated[Context, TaskiqDepends()] = None,  # type: ignore[assignment]  # taskiq always fills it in
) -> dict[str, Any]:
    """Run a program and fail unless it exits with 0.

    `argv` is the program and its arguments, and is not read by a shell; `env` is added to a bare environment; `cwd`,
    an absolute path, is where it runs. It ends, with all it has started, when its time is up or it is cancelled.
    """
    if not context.broker.custom_dependency_context.get(Shell, Shell()).allowed:
        raise TaskFailed("shell_command is off on this worker; HORARIUM_ALLOW_SHELL=1 turns it on")
    told = _bare_environment() | _identity(context) | _trace() | (env or {})
    ended = await run_program(argv, told, cwd)
    if ended.exit_code != 0:
        raise TaskFailed(_last_words(argv[0], ended))
    return {"exit_code": ended.exit_code, "stdout": ended.stdout, "stderr": ended.stderr}


def _bare_environment() -> dict[str, str]:
    return {"PATH": os.pathsep.join(os.get_exec_path()), "HOME": str(Path.home()), "LANG": "C.UTF-8"}


def _identity(context: Context) -> dict[str, str]:
    labels = context.message.labels
    values = (
        context.message.task_id,
        str(labels.get("config_id", "")),
        str(labels.get("tick_at") or ""),
        str(labels.get("attempt", 1)),
    )
    return dict(zip(TOLD_TO_PROGRAMS, values, strict=True))


def _trace() -> dict[str, str]:
    """The trace of this run, where it has one, by the names that OpenTelemetry gives its headers in an environment."""
    return {name.upper().replace("-", "_"): value for name, value in (carried.get() or {}).items()}


def _last_words(program: str, ended: Ended) -> str:
    """Not the arguments, which may hold secrets; what the program says is its own affair."""
    how = f"exit code {ended.exit_code}" if ended.exit_code > 0 else Signals(-ended.exit_code).name
    tail = ended.stderr.strip()[-TAIL_CHARS:]
    return f"{program} ended with {how}" + (f"; its last words on stderr:\n{tail}" if tail else "")
