"""Gives what a task logs to its report, besides where it goes anyway.

One handler at the root logger takes every record that reaches it while a task runs (`report.current`), from the level
of `HORARIUM_TASK_LOG_LEVEL` on. So that a task's INFO gets that far, the root logger lets it through; what is written
to stderr stays as it was, since our handler there keeps to the old level (`logs.py`). A logger that does not propagate
is not heard. structlog, as Horarium sets it up, goes through the standard library, and so comes by here.

A line is the message, with the exception and the stack below it, masked like every line of the log: values under
telling keys, and whatever looks like a secret.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, cast

from structlog.contextvars import get_contextvars
from structlog.processors import format_exc_info

from horarium.logs import redact
from horarium.stages import BOUND
from horarium.tasks.report import current, encoded_line

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["capture_level", "capture_logs", "capture_logs_from"]

OFF = logging.CRITICAL + 10
TEXT_CHARS = 64 * 1024
"""How much of a text is looked through for secrets: many times what is kept of it."""

NOT_SHOWN = frozenset({"event", "exception", "stack", "timestamp", "level", "logger", "trace_id", "span_id"})


class _CaptureHandler(logging.Handler):
    """Marks the handler, of which there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Give the record to whoever runs here."""
        reporter = current.get()
        if reporter is None:
            return
        try:
            reporter.log(encoded_line(record.created, record.levelname.lower(), record.name, _text(record)))
        except Exception as error:  # noqa: BLE001 - not swallowed: kept in place of the line
            # not by logging's own way, which prints the arguments as they are
            told = f"a line of {record.name} cannot be written: {type(error).__name__}"
            reporter.log(encoded_line(time.time(), "error", __name__, told))


_handler = _CaptureHandler(logging.INFO)


def capture_logs_from(level: str) -> None:
    """Capture what tasks of this process log from `level` on, or nothing: `off`."""
    _handler.setLevel(OFF if level == "off" else level.upper())


def capture_level() -> str:
    """What `capture_logs_from` was told."""
    return "off" if _handler.level == OFF else logging.getLevelName(_handler.level).lower()


def capture_logs() -> None:
    """See to it that lines are captured; again for each task, since an application may set up logging anew."""
    root = logging.getLogger()
    if _handler not in root.handlers:
        if not root.handlers and logging.lastResort is not None:
            root.addHandler(logging.lastResort)  # which speaks only where there is no other
        root.addHandler(_handler)
    if root.level > _handler.level:
        root.setLevel(_handler.level)


def _text(record: logging.LogRecord) -> str:
    if isinstance(record.msg, dict) and "event" in record.msg:
        return _event_text(record.msg)
    trace = logging.Formatter().formatException(record.exc_info) if record.exc_info and record.exc_info[0] else None
    return _masked(record.getMessage(), trace, record.stack_info)


def _event_text(event: Mapping[str, Any]) -> str:
    """An event of structlog: its name, and what goes with it as `key=value`."""
    known = format_exc_info(cast("Any", None), "", dict(event))
    bound = get_contextvars()
    said = {key: held for key, held in known.items() if not _is_hidden(key, held, bound)}
    shown = cast("dict[str, Any]", redact(said))
    words = [str(known["event"]), *(f"{key}={_word(held)}" for key, held in shown.items())]
    return _masked(" ".join(words), known.get("exception"), known.get("stack"))


def _is_hidden(key: str, held: object, bound: Mapping[str, object]) -> bool:
    """Whether it is no word of the task's: what every line has, and the ids of the attempt whose line it is."""
    return key in NOT_SHOWN or key.startswith("_") or (key in BOUND and held == bound.get(key))


def _word(value: object) -> str:
    return value if isinstance(value, str) and value.isprintable() and " " not in value else repr(value)


def _masked(*texts: object) -> str:
    return str(redact("\n".join(str(text) for text in texts if text)[:TEXT_CHARS]))
