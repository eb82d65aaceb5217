"""What a plain function says of itself, from its own process to the worker, whose reports take it.

All processes of a pool send over one pair of datagram sockets. A datagram arrives whole or not at all, so a process
that is killed in the middle leaves nothing half-said; what it has sent before is in the kernel's hands and is read.

Nothing here waits for the worker while the function runs. A line is sent at once; where the socket is full, or more
than `MOST_A_SECOND` datagrams have been sent within a second, the newest are kept, as many as a report keeps, and go
together later. So a noisy function costs the worker some hundred reads a second, and one that is killed loses what it
said in that second. At the end of the function the rest is sent, and waits `END_SECONDS` at most for a worker that is
slow to read.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from structlog.contextvars import bound_contextvars

from horarium.logs import configure_logging, configured_logging
from horarium.tasks.log_capture import capture_level, capture_logs, capture_logs_from
from horarium.tasks.report import NewestLines, Report, current
from horarium.uncaught import log_uncaught

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Relay", "RelayConfig", "call_heard", "set_up_relay"]

MOST_A_SECOND = 200
DATAGRAM_BYTES = 32 * 1024
BUFFER_BYTES = 256 * 1024
READS_AT_ONCE = 64
"""Datagrams read in one turn of the event loop."""

END_SECONDS = 1.0


class RelayConfig(NamedTuple):
    """What a process of the pool is told when it starts."""

    end: socket.socket
    logging: Mapping[str, Any]
    capture_level: str


class Relay:
    """The worker's end; made, read and closed in its event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._reports: dict[str, Report] = {}
        self._is_closed = False
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (self._ours, self._theirs):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        loop.add_reader(self._ours, self.read)

    @property
    def config(self) -> RelayConfig:
        """For a process of the pool."""
        return RelayConfig(self._theirs, configured_logging(), capture_level())

    @contextmanager
    def hearing(self, report: Report) -> Iterator[str]:
        """Take what is said by the name that this answers; all that was sent until the end of the block."""
        name = f"{report.attempt.execution_id}:{report.attempt.attempt}"
        self._reports[name] = report
        try:
            yield name
        finally:
            self._read_all()
            del self._reports[name]

    def read(self) -> int:
        """Take what has come, `READS_AT_ONCE` datagrams at most; returns how many."""
        if self._is_closed:
            return 0
        for number in range(READS_AT_ONCE):
            try:
                datagram = self._ours.recv(2 * BUFFER_BYTES)
            except BlockingIOError:
                return number
            self._take(datagram)
        return READS_AT_ONCE

    def close(self) -> None:
        """Take what has come, and hear nothing more."""
        self._read_all()
        self._is_closed = True
        self._loop.remove_reader(self._ours)
        self._ours.close()
        self._theirs.close()

    def _read_all(self) -> None:
        while self.read() == READS_AT_ONCE:
            pass

    def _take(self, datagram: bytes) -> None:
        head, *lines = datagram.split(b"\n")
        name, dropped, value, message = orjson.loads(head)
        report = self._reports.get(name)
        if report is None:  # of a call that has ended: its process was killed
            return
        if dropped:
            report.missed(dropped)
        for line in lines:
            report.log(line)
        report.progress(value, message)


_config: list[RelayConfig] = []
"""Of this process, once it is one of a pool."""


def set_up_relay(config: RelayConfig) -> None:
    """Log as the worker does, and be ready to be heard; in a process of the pool."""
    config.end.setblocking(False)
    config.end.set_inheritable(False)
    if config.logging:
        configure_logging(**config.logging)
        log_uncaught()
    capture_logs_from(config.capture_level)
    _config[:] = [config]


def call_heard(name: str, ids: Mapping[str, object], function: Callable[[bytes], bytes], call: bytes) -> bytes:
    """Call a function, in a process of the pool, and send what it says of itself; its lines carry the `ids`."""
    capture_logs()
    voice = _Voice(name, _config[0].end)
    entered = current.set(voice)
    try:
        with bound_contextvars(**ids):
            return function(call)
    finally:
        current.reset(entered)
        voice.end()


class _Voice:
    """The reporter of a function in this process."""

    def __init__(self, name: str, end: socket.socket) -> None:
        self._name = name
        self._socket = end
        self._lock = threading.RLock()  # a finaliser may log in the middle of anything
        self._is_sending = False
        self._lines = NewestLines()
        self._progress: tuple[float | None, str | None] | None = None
        self._dropped = 0
        self._second_ends = 0.0
        self._sent = 0

    def log(self, line: bytes) -> None:
        """Send a line, now or later."""
        with self._lock:
            self._lines.add(line)
            self._send_rest()

    def progress(self, value: float | None, message: str | None) -> None:
        """Send how far it is, now or later."""
        with self._lock:
            before = self._progress or (None, None)
            self._progress = before[0] if value is None else value, before[1] if message is None else message
            self._send_rest()

    def end(self) -> None:
        """Send what is left, as long as it takes the worker `END_SECONDS` at most to read."""
        deadline = time.monotonic() + END_SECONDS
        with self._lock:
            self._is_sending = True
            while self._has_rest and (left := deadline - time.monotonic()) > 0:
                self._socket.settimeout(left)
                try:
                    self._send_one()
                except OSError:  # it took the worker too long, or it is gone: nobody is there to hear the rest
                    break
            self._socket.setblocking(False)
            self._is_sending = False

    @property
    def _has_rest(self) -> bool:
        return bool(self._lines.kept) or self._progress is not None

    def _send_rest(self) -> None:
        if self._is_sending:
            return
        self._is_sending, now = True, time.monotonic()
        if now >= self._second_ends:
            self._second_ends, self._sent = now + 1.0, 0
        try:
            while self._has_rest and self._sent < MOST_A_SECOND:
                self._send_one()
                self._sent += 1
        except OSError:  # the worker is behind, or about to end this process: it is told the rest later, if at all
            self._sent = MOST_A_SECOND
        finally:
            self._is_sending = False

    def _send_one(self) -> None:
        """Send as many lines as go into a datagram; what the socket does not take is kept."""
        batch: list[bytes] = []
        size = 0
        for line in list(self._lines.kept):
            if batch and size + len(line) > DATAGRAM_BYTES:
                break
            batch.append(line)
            size += len(line)
        dropped = self._lines.dropped - self._dropped
        head = orjson.dumps((self._name, dropped, *(self._progress or (None, None))))
        self._socket.send(b"\n".join((head, *batch)))
        self._progress = None
        for line in batch:
            if self._lines.kept and self._lines.kept[0] is line:  # and was not dropped for one logged meanwhile
                self._lines.take()
        self._dropped = self._lines.dropped
