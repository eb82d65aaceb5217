"""What one attempt says of itself while it runs: how far it has come, and the lines that it logs. No I/O.

Whatever a task does in a loop, what is kept of it is bounded: the newest `MOST_LINES` lines, and of those the newest
that make `MOST_BYTES`. The end of a log is what tells why a night went wrong; how many lines went before is counted. A
line is encoded when it is logged, so that the bound is on what is really held, and so that nothing of it is computed
twice however often it is written down.

Who reports is known by `current`, which a coroutine, the tasks that it starts and `asyncio.to_thread` inherit: lines of
tasks that run at once do not mix. A report that is closed takes nothing more: what a task has left running speaks for
nobody. Anything may call from any thread, and in the middle of another call: whatever makes an object may have Python
look for garbage, and a finaliser may log ("Unclosed client session").
"""

from __future__ import annotations

import math
import threading
from collections import deque
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

import orjson

from horarium.logs import redact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from horarium.outcome import Attempt

__all__ = [
    "Marks",
    "NewestLines",
    "News",
    "Report",
    "Reporter",
    "Snapshot",
    "current",
    "encoded_line",
    "known_progress",
]

MOST_LINES = 1000
MOST_BYTES = 64 * 1024
LINE_BYTES = 4096
"""What is kept of a longer line is its beginning."""

LOGGER_CHARS = 200
MESSAGE_CHARS = 300


class Reporter(Protocol):
    """Where what a task says goes, in this process or in the worker's."""

    def log(self, line: bytes) -> None:
        """Take a line, as `encoded_line` makes it."""

    def progress(self, value: float | None, message: str | None) -> None:
        """Take what `known_progress` has checked; None leaves what was said before."""


current: ContextVar[Reporter | None] = ContextVar("horarium_reporter", default=None)
"""Of the attempt on whose behalf the code runs that asks."""


def encoded_line(created: float, level: str, logger: str, text: str) -> bytes:
    """A line as it is kept and stored: a JSON array of its instant, level, logger and text, and no line break in it."""
    cut = text.encode("utf-8", "replace")[:LINE_BYTES].decode("utf-8", "ignore")
    name = logger.encode("utf-8", "replace").decode()[:LOGGER_CHARS]
    line = orjson.dumps((datetime.fromtimestamp(created, UTC), level, name, cut))
    storable = line.replace(b"\\u0000", b"\\ufffd")  # Postgres takes no NUL
    return bytes(memoryview(storable))  # as large as it is: orjson's own holds on to the room it was written in


def known_progress(value: float | None, message: str | None) -> tuple[float | None, str | None]:
    """What a task may say of its progress, the message short and without secrets; raises ValueError."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1):
        raise ValueError(f"progress is a number from 0 to 1, not {value!r}: divide what is done by what there is to do")
    if message is None:
        return value, None
    told = str(redact(str(message)))[:MESSAGE_CHARS].replace("\x00", "\ufffd")
    return value, told.encode("utf-8", "replace").decode()


@dataclass(slots=True)
class NewestLines:
    """The newest lines within the bounds, and how many there have been."""

    kept: deque[bytes] = field(default_factory=deque)
    size: int = 0
    total: int = 0

    @property
    def dropped(self) -> int:
        """How many are kept no more."""
        return self.total - len(self.kept)

    def add(self, line: bytes) -> None:
        """Take a line in, and let go of the oldest that are too many now."""
        self.kept.append(line)
        self.size += len(line)
        self.total += 1
        while len(self.kept) > MOST_LINES or self.size > MOST_BYTES:
            self.take()

    def take(self) -> bytes:
        """The oldest, which is kept no more."""
        line = self.kept.popleft()
        self.size -= len(line)
        return line

    def drop_all(self, *, and_count: int) -> None:
        """Keep none of those before, nor of so many that came after them."""
        self.kept.clear()
        self.size = 0
        self.total += and_count


class Marks(NamedTuple):
    """How much has happened: changes in all, lines among them, and steps of progress."""

    changes: int = 0
    lines: int = 0
    steps: int = 0


class Snapshot(NamedTuple):
    """A report as it is written down; `lines` is a JSON array, None where it stands there already."""

    marks: Marks
    progress: float | None
    message: str | None
    lines: str | None
    dropped: int


class News(NamedTuple):
    """What is to be told live: whether there was progress, and the newest of the lines that are new."""

    progress: float | None
    message: str | None
    has_moved: bool
    lines: Sequence[tuple[str, str, str, str]]
    total: int


class Report:
    """Of one attempt. What it has to say is read by `snapshot` and `news`."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.told_at = self.written_at = -math.inf
        self._lock = threading.RLock()
        self._lines = NewestLines()
        self._progress: float | None = None
        self._message: str | None = None
        self._now = self._written = self._told = Marks()
        self._is_closed = False

    @property
    def is_unwritten(self) -> bool:
        """Whether there is something to write down."""
        return self._now.changes > self._written.changes

    @property
    def is_untold(self) -> bool:
        """Whether there is something to tell."""
        return self._now.changes > self._told.changes

    @property
    def size(self) -> int:
        """How many bytes of lines are kept."""
        return self._lines.size

    def log(self, line: bytes) -> None:
        """Keep a line."""
        with self._lock:
            if not self._is_closed:
                self._lines.add(line)
                self._changed()

    def missed(self, lines: int) -> None:
        """Count lines that another process had to drop: it does when it has as many newer ones as are kept here."""
        with self._lock:
            if not self._is_closed:
                self._lines.drop_all(and_count=lines)
                self._changed()

    def progress(self, value: float | None, message: str | None) -> None:
        """Keep how far the task has come; None leaves what was said before."""
        with self._lock:
            said = (self._progress if value is None else value, self._message if message is None else message)
            if not self._is_closed and said != (self._progress, self._message):
                self._progress, self._message = said
                self._changed(steps=1)

    def close(self) -> None:
        """Take nothing more."""
        with self._lock:
            self._is_closed = True

    def snapshot(self) -> Snapshot:
        """All of it, to be written down."""
        with self._lock:
            known = self._now.lines == self._written.lines
            lines = None if known else (b"[" + b",".join(self._lines.kept) + b"]").decode()
            return Snapshot(self._now, self._progress, self._message, lines, self._lines.dropped)

    def written(self, snapshot: Snapshot) -> None:
        """Take note that a snapshot is stored."""
        self._written = snapshot.marks

    def give_up(self) -> None:
        """Have nothing unwritten, whether or not it was stored."""
        self._written = self._now

    def news(self, most: int) -> News:
        """What has happened since it was asked for last, with `most` lines at most."""
        with self._lock:
            before, self._told = self._told, self._now
            fresh = min(self._now.lines - before.lines, len(self._lines.kept), most)
            newest = list(self._lines.kept)[len(self._lines.kept) - fresh :]
            news = News(self._progress, self._message, self._now.steps > before.steps, (), self._now.lines)
        return news._replace(lines=[orjson.loads(each) for each in newest])

    def _changed(self, *, steps: int = 0) -> None:
        now = self._now
        self._now = Marks(now.changes + 1, self._lines.total, now.steps + steps)
