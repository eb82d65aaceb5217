"""Logs: one line an event, on stderr, from one renderer.

Our own events come from structlog, those of libraries (taskiq, aiohttp, aio_pika, asyncio, ...) from the standard
library's logging; both end in the same handler and look the same. Our loggers, all under `horarium`, speak from the
level that was asked for; everybody else from WARNING, unless that level is debug.

Nothing secret is written, as far as a log can know: values under telling keys are masked, and inside any text whatever
looks like a token, an API key, a password in a URL, or a value that is given a telling name, at whatever depth it sits.
Tracebacks come without local variables, and are rendered before the masking, so that what an exception says is masked
too; that is also why the console gets plain ones: rich's wrapping and colours would cut a URL in pieces that no pattern
finds. Most texts hold none of the marks that go with a secret, and cost no more than looking for those.

A line is never lost to its content: what JSON cannot hold is written as text, and of a line that cannot be made at all
(`log.warning("%d", "three")`) another one tells. What nobody catches is a line as well (`uncaught.py`).
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, cast

import orjson
import structlog
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import JSONRenderer, KeyValueRenderer, StackInfoRenderer, TimeStamper, format_exc_info
from structlog.stdlib import (
    BoundLogger,
    LoggerFactory,
    PositionalArgumentsFormatter,
    ProcessorFormatter,
    add_log_level,
    add_logger_name,
    filter_by_level,
)
from structlog.tracebacks import ExceptionDictTransformer

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

__all__ = ["configure_logging", "configured_logging", "join_logging", "redact"]

log = structlog.get_logger(__name__)

MASK = "***"
MAX_FRAMES = 30

TELLING = r"(?:passw(?:or)?d|passphrase|secret|authorization|api[_-]?key|private[_-]?key|signing[_-]?key)"
SECRET_KEY = re.compile(
    rf"{TELLING}|(?:token|cookie|credentials?)s?$|(?:database|redis|broker|smtp|webhook)_url$", re.IGNORECASE
)

# Each with the marks without which it cannot match, looked for in the text in small letters, and what it leaves.
# Anchored at "://" and not at the scheme's first letter, which would try every letter of a long text.
URL_PASSWORD = ("://",), re.compile(r"(://[^\s/:@]*):[^\s/]+@"), rf"\1:{MASK}@"
ASSIGNED = (
    ("=",),
    re.compile(rf"((?:{TELLING}|token|cookie)\w{{0,30}}=)(?:b?'[^']*'|b?\"[^\"]*\"|[^&\s'\",;)]+)", re.IGNORECASE),
    rf"\1{MASK}",
)
"""`password=x` in a query or a connection string, and `password='x'` where an object is shown."""
QUOTED = (
    ("':", '":'),
    re.compile(rf"((?:{TELLING}|token|cookie)\w{{0,30}}['\"]:\s?)b?(?:'[^']*'|\"(?:[^\"\\]|\\.)*\")", re.IGNORECASE),
    rf"\1{MASK}",
)
"""`'password': 'x'` where a dict is shown, and JSON."""
HEADER = (
    ("authorization:", "cookie:"),
    re.compile(r"((?:authorization|cookie):\s*)[^\r\n]+", re.IGNORECASE),
    rf"\1{MASK}",
)
BEARER = ("bearer ",), re.compile(r"(bearer +)[\w.~+/=-]{16,}", re.IGNORECASE), rf"\1{MASK}"
API_KEY = ("hk_",), re.compile(r"\bhk_[\w-]{8,}"), f"hk_{MASK}"
JWT = ("eyj",), re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)*"), MASK
WEBHOOK_SECRET = ("whsec_",), re.compile(r"\bwhsec_[\w+/]{8,}=*"), f"whsec_{MASK}"
PATTERNS = (URL_PASSWORD, ASSIGNED, QUOTED, HEADER, BEARER, API_KEY, WEBHOOK_SECRET, JWT)

_configured: dict[str, Any] = {}

FIRST_KEYS = ("timestamp", "level", "logger", "event")


class _StderrHandler(logging.StreamHandler):  # type: ignore[type-arg]  # generic in typeshed only
    """Writes what its level lets through, and what comes from a logger that has a level of its own, or is below one.

    A threshold of its own, since the root logger's may be lowered for somebody else: what tasks log is captured from
    INFO on, and is not to turn up here for that.
    """

    threshold = logging.WARNING

    def emit(self, record: logging.LogRecord) -> None:
        """Write what would be here if the root logger had our threshold."""
        if record.levelno >= self.threshold or _has_its_own_level(record.name):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Say that a line cannot be written, and where it comes from; logging's own way prints it, secrets and all.

        Where stderr itself takes nothing (its disk is full, its reader gone) there is nowhere to say so.
        """
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            where = f"{record.name}:{record.lineno}"
            log.error("line.unwritable", where=where, error=type(error).__name__)


def configure_logging(format: Literal["auto", "json", "console"], level: str) -> None:  # noqa: A002  # the setting's name
    """Set up logging for the whole process; `auto` is `console` on a terminal and `json` elsewhere.

    May be called again: the later call wins, for loggers in use as well. `configured_logging` says how it was called.
    """
    terminal = sys.stderr.isatty()
    as_json = format == "json" or (format == "auto" and not terminal)
    _configured.update(format=format, level=level)
    handler = _StderrHandler(sys.stderr)
    handler.setFormatter(_formatter(_json() if as_json else _console(colors=terminal)))
    _install(handler, level.upper())
    processors = structlog.get_config()["processors"]
    # The list is kept and filled anew: loggers that were cached, and structlog.testing.capture_logs, hold on to it.
    processors[:] = [filter_by_level, *_common(), PositionalArgumentsFormatter(), ProcessorFormatter.wrap_for_formatter]
    structlog.configure(
        processors=processors,
        wrapper_class=BoundLogger,
        logger_factory=LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def join_logging(level: str) -> None:
    """Log in a process whose logging is somebody else's: our events are lines of the standard library's, masked.

    Where structlog is configured, it is the app's, and what it makes of our events is the app's choice.
    """
    logging.getLogger("horarium").setLevel(level.upper())
    if structlog.is_configured():
        return
    as_text: list[Processor] = [format_exc_info, _redact_event, KeyValueRenderer(key_order=["event"])]
    structlog.configure(
        processors=[filter_by_level, structlog.contextvars.merge_contextvars, _in_trace, *as_text],
        wrapper_class=BoundLogger,
        logger_factory=LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def configured_logging() -> Mapping[str, Any]:
    """How `configure_logging` was called last, for another process to do the same; empty: it was not."""
    return _configured.copy()


def redact(value: object) -> object:
    """A copy of `value`, of JSON types only, with every secret that can be told from its place or shape masked."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _redact_text(value)
        case Mapping():
            return {
                str(key): MASK if held is not None and _is_secret(str(key)) else redact(held)
                for key, held in value.items()
            }
        case list() | tuple() | AbstractSet():
            return [redact(held) for held in value]
        case date():
            return value.isoformat()
        case _:
            return _redact_text(str(value))


def _redact_text(text: str) -> str:
    small = text.lower()
    for marks, pattern, masked in PATTERNS:
        for mark in marks:
            if mark in small:
                text = pattern.sub(masked, text)
                break
    return text


@lru_cache(maxsize=1024)
def _is_secret(key: str) -> bool:
    """Whether what stands under this key is masked; keys come back in every line."""
    return SECRET_KEY.search(key) is not None


def _has_its_own_level(name: str) -> bool:
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None and logger.parent is not None:
        if logger.level != logging.NOTSET:
            return True
        logger = logger.parent
    return False


def _install(handler: _StderrHandler, level: str) -> None:
    root = logging.getLogger()
    for earlier in [found for found in root.handlers if isinstance(found, _StderrHandler)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(level if level in {"DEBUG", "ERROR"} else "WARNING")
    handler.threshold = root.level
    logging.getLogger("horarium").setLevel(level)
    logging.captureWarnings(capture=True)


def _common() -> list[Processor]:
    """What every event gets, ours or a library's."""
    return [
        structlog.contextvars.merge_contextvars,
        _in_trace,
        add_logger_name,
        add_log_level,
        TimeStamper(fmt="iso", utc=True),
        StackInfoRenderer(),
    ]


def _formatter(renderers: list[Processor]) -> ProcessorFormatter:
    return ProcessorFormatter(
        foreign_pre_chain=_common(),
        processors=[ProcessorFormatter.remove_processors_meta, *renderers],
    )


def _json() -> list[Processor]:
    traceback = ExceptionDictTransformer(show_locals=False, use_rich=False, max_frames=MAX_FRAMES)
    return [structlog.processors.ExceptionRenderer(traceback), _redact_event, _in_order, JSONRenderer(_dumps)]


def _console(*, colors: bool) -> list[Processor]:
    console = ConsoleRenderer(colors=colors, sort_keys=False, exception_formatter=plain_traceback)
    return [format_exc_info, _redact_event, console]


def _in_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Say in which trace it happened, where that is kept. OpenTelemetry is asked only if somebody traces with it."""
    if "opentelemetry.sdk.trace" not in sys.modules:
        return event
    context = sys.modules["opentelemetry.trace"].get_current_span().get_span_context()
    if context.trace_flags.sampled:
        event["trace_id"], event["span_id"] = f"{context.trace_id:032x}", f"{context.span_id:016x}"
    return event


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return cast("EventDict", redact(event))


def _in_order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {key: event[key] for key in FIRST_KEYS if key in event} | dict(event)


def _dumps(event: EventDict, **_options: object) -> str:
    try:
        return orjson.dumps(event).decode()
    except TypeError:
        return json.dumps(event)  # knows integers beyond 64 bits and lone surrogates, and is ten times slower
