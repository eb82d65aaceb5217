"""What nobody has caught, as a line of the log instead of a bare traceback on stderr.

Three things end up with the interpreter: an exception that ends the process, one that ends a thread, and one that has
nowhere to go (in `__del__`, say). asyncio's own, of a task that nobody awaits, goes to its logger anyway. The hooks are
for processes whose stderr is a log: `horarium up`, its workers and their processes for plain functions. A command that
somebody has typed keeps to what its reader understands, and in taskiq's own worker the hooks are the app's.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["log_uncaught"]

log = structlog.get_logger(__name__)


def log_uncaught() -> None:
    """Log what nobody catches, from now on, in this process."""
    sys.excepthook = _at_the_top
    threading.excepthook = _in_a_thread
    sys.unraisablehook = _unraisable


def _at_the_top(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    log.critical("process.crashed", error=kind.__name__, exc_info=(kind, error, traceback))


def _in_a_thread(given: threading.ExceptHookArgs) -> None:
    if given.exc_type is SystemExit:  # a thread that ends itself
        return
    thread = None if given.thread is None else given.thread.name
    known = (given.exc_type, given.exc_value, given.exc_traceback)
    log.error("thread.crashed", thread=thread, error=given.exc_type.__name__, exc_info=known)


def _unraisable(given: sys.UnraisableHookArgs) -> None:
    known = (given.exc_type, given.exc_value, given.exc_traceback)
    where = getattr(given.object, "__qualname__", None)  # its repr would be more of a stranger's code
    log.error("exception.ignored", where=where, error=given.exc_type.__name__, exc_info=known)
