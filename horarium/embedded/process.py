"""One server process, from its start to its end, as a supervised child.

`serve` returns only by raising: EmbeddedServerDied when the server ends by itself, or the cancellation, after the
server was stopped in order. Either way its process is gone by then.

The process is a `subprocess.Popen`, not one of the event loop's: uvloop cannot start a process under another account,
and the loop's child watcher belongs to one thread. A thread waits for its end, so that the end is seen at once and
no loop has to poll. A server that runs and answers nobody is found by asking it now and then: each answer is a sign
of life, and the supervisor's watchdog does the rest. The process runs in a session of its own: Ctrl-C in our terminal
reaches us and not the server, which has to outlive everybody who still writes to it.
"""

from __future__ import annotations

import subprocess
from contextlib import suppress
from dataclasses import dataclass
from signal import SIGKILL
from typing import TYPE_CHECKING

import structlog
from anyio import CancelScope, CapacityLimiter, create_task_group, fail_after, move_on_after, sleep, to_thread

from horarium.asking import keep_asking
from horarium.errors import HorariumError
from horarium.files import open_private

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path
    from signal import Signals
    from typing import Never

    from anyio.abc import TaskStatus

    from horarium.embedded.accounts import Account
    from horarium.supervisor import ChildContext

__all__ = [
    "START_SECONDS",
    "STOP_SECONDS",
    "EmbeddedServerDied",
    "Server",
    "serve",
    "server_environment",
    "tell_refusal",
]

START_SECONDS = 300.0
"""How long a start may take; it includes recovery after a crash, which starts over if it is cut short."""

PROBE_SECONDS = 0.05
"""Pause between two questions whether a starting server answers."""

KILL_SECONDS = 1.0

STOP_SECONDS = 7.0
"""The longest that a stop takes, every signal of `Server.stops` and SIGKILL included."""

LOG_BYTES = 10 * 2**20
"""A log longer than this is put aside (one generation) at the next start."""

TAIL_LINES = 10
TAIL_BYTES = 64 * 1024

log = structlog.get_logger(__name__)


class EmbeddedServerDied(HorariumError):
    """An embedded server ended by itself, or never answered; `code` is its exit code, `tail` its last log lines."""

    def __init__(self, name: str, code: int | None, tail: str) -> None:
        what = "does not answer" if code is None else f"ended by itself with exit code {code}"
        super().__init__(f"the embedded {name} {what}; its last words:\n{tail}")
        self.name = name
        self.code = code
        self.tail = tail


@dataclass(frozen=True)
class Server:
    """How to start, ask and stop one server."""

    name: str
    argv: Sequence[str]
    home: Path
    """Its working directory, by which a later start recognises it."""
    log: Path
    ask: Callable[[], Awaitable[None]]
    """Gets one answer from it, as a client does; a refusal is one, and is not raised."""
    not_yet: tuple[type[Exception], ...]
    """What `ask` raises while the server is still starting, and when it has stopped answering."""
    stops: Sequence[tuple[Signals, float]]
    """Signals that end it, the politest first, and how many seconds each is given. SIGKILL follows by itself."""
    account: Account


async def serve(server: Server, context: ChildContext, *, task_status: TaskStatus[None]) -> Never:
    """Run `server` until it ends or until cancelled; started once it answers."""
    process, begin = await to_thread.run_sync(_spawn, server)
    try:
        await _answering(server, process, begin)
        task_status.started()
        async with create_task_group() as asking:
            asking.start_soon(keep_asking, context, server.ask, server.not_yet)
            await _ended(process)
            asking.cancel_scope.cancel()
    finally:
        with CancelScope(shield=True):
            await _stop(server, process)
    raise await _died(server, process.returncode, begin)


def tell_refusal(server: str, error: str) -> None:
    """Log that a server answers, and that the answer is no."""
    log.warning("embedded.refuses", server=server, error=error)


def server_environment() -> dict[str, str]:
    """What a server gets to know of our environment: nothing, since it holds secrets, PGPORT and the like."""
    return {"LC_ALL": "C", "TZ": "UTC"}


def _spawn(server: Server) -> tuple[subprocess.Popen[bytes], int]:
    """The process, and where its own words begin in its log."""
    if server.log.exists() and server.log.stat().st_size > LOG_BYTES:
        server.log.replace(server.log.with_suffix(".log.1"))
    with open_private(server.log, "a") as output:
        begin = output.tell()
        process = subprocess.Popen(  # noqa: S603  # our own words only
            server.argv,
            cwd=server.home,
            env=server_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=server.account.uid,
            group=server.account.gid,
            extra_groups=server.account.extra_groups,
        )
    return process, begin


async def _answering(server: Server, process: subprocess.Popen[bytes], begin: int) -> None:
    """Return as soon as `server` gave an answer, or ended."""
    try:
        with fail_after(START_SECONDS):
            while process.poll() is None:
                with suppress(*server.not_yet):
                    return await server.ask()
                await sleep(PROBE_SECONDS)
    except TimeoutError:
        raise await _died(server, None, begin) from None
    raise await _died(server, process.returncode, begin)


async def _ended(process: subprocess.Popen[bytes]) -> None:
    # A limiter of its own: this thread waits for as long as the server lives, and must not take anybody's place.
    await to_thread.run_sync(process.wait, abandon_on_cancel=True, limiter=CapacityLimiter(1))


async def _stop(server: Server, process: subprocess.Popen[bytes]) -> None:
    for signum, seconds in (*server.stops, (SIGKILL, KILL_SECONDS)):
        if process.poll() is not None:
            return
        process.send_signal(signum)
        with move_on_after(seconds):
            await _ended(process)
    if process.poll() is None:
        log.error("embedded.unkillable", server=server.name, pid=process.pid)


async def _died(server: Server, code: int | None, begin: int) -> EmbeddedServerDied:
    return EmbeddedServerDied(server.name, code, await to_thread.run_sync(_tail, server.log, begin))


def _tail(path: Path, begin: int) -> str:
    """The last lines after `begin`: what a process before this one has said is not about its end."""
    with path.open("rb") as log_file:
        log_file.seek(max(begin, path.stat().st_size - TAIL_BYTES))
        lines = log_file.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-TAIL_LINES:])
