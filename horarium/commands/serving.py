"""What `horarium up` and `horarium worker` have in common: settings, logs, a loop, and an exit code.

Flags win over HORARIUM_* variables. Faults in either are reported together, before anything is started, with exit
code 2; a tree that gave up is exit code 1; an ordered stop is 0.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import structlog
import typer

from horarium.commands.console import refusals
from horarium.commands.stdout import OutputLost, give_up
from horarium.first_process import step_down
from horarium.host import calm_collector, open_more_files
from horarium.logs import configure_logging
from horarium.settings import load_settings
from horarium.tasks.log_capture import capture_logs_from
from horarium.uncaught import log_uncaught

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from horarium.settings import Settings

__all__ = ["in_passing", "serve"]

log = structlog.get_logger(__name__)


def serve(program: Callable[[Settings], Awaitable[int]], **flags: Any) -> None:
    """Read the settings, run the program, exit with its code."""
    step_down()
    with refusals():
        settings = load_settings(**flags)
        configure_logging(settings.log_format, settings.log_level)
        log_uncaught()
        capture_logs_from(settings.task_log_level)
        calm_collector()
        open_more_files()
        code = anyio.run(program, settings, backend_options={"use_uvloop": True})
    raise typer.Exit(code)


@contextmanager
def in_passing() -> Iterator[None]:
    """Print what the work does not depend on: a stdout whose disk is full, or whose reader is gone, ends nothing."""
    try:
        yield
    except OutputLost as error:
        log.warning("stdout.given_up", error=str(error))
        give_up(sys.stdout)
