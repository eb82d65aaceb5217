"""Serves HTTP: the last to start, since it answers for all others, and the first to stop.

aiohttp's own runner does the listening; `run_app` would take the signals, which are the supervisor's. A client that
sends nothing, or half a request, is cut off after a while.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio
import structlog
from aiohttp import web

from horarium.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskStatus

    from horarium.supervisor import ChildContext

__all__ = ["Api", "cannot_listen"]

log = structlog.get_logger(__name__)

KEEPALIVE_SECONDS = 75.0
LINGERING_SECONDS = 2.0
SHUTDOWN_SECONDS = 2.0
"""How long requests under way may take once the API stops."""


class Api:
    """The actor; `listening` is told the port once it is bound."""

    def __init__(
        self, make_app: Callable[[], web.Application], host: str, port: int, listening: Callable[[int], None]
    ) -> None:
        self._make_app = make_app
        self._host = host
        self._port = port
        self._listening = listening

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Serve until asked to stop."""
        runner = web.AppRunner(
            self._make_app(),
            handle_signals=False,
            access_log=None,
            keepalive_timeout=KEEPALIVE_SECONDS,
            lingering_time=LINGERING_SECONDS,
            shutdown_timeout=SHUTDOWN_SECONDS,
        )
        await runner.setup()
        try:
            await self._bind(runner)
            task_status.started()
            await context.stopping.wait()
        finally:
            with anyio.CancelScope(shield=True):
                await runner.cleanup()

    async def _bind(self, runner: web.AppRunner) -> None:
        site = web.TCPSite(runner, self._host, self._port)
        try:
            await site.start()
        except OSError as error:
            raise cannot_listen(self._host, self._port, error) from error
        self._port = runner.addresses[0][1]  # a free port was asked for: keep it over restarts
        log.info("api.listening", host=self._host, port=self._port)
        self._listening(self._port)


def cannot_listen(host: str, port: int, error: OSError) -> ConfigurationError:
    """The refusal of an address; in the system's own words, which `socket` and asyncio each wrap in theirs."""
    number = error.errno or 0  # a name that does not resolve has a number below zero, of another kind
    why = os.strerror(number) if number > 0 else error.strerror or str(error)
    return ConfigurationError(f"cannot listen on {host}:{port}: {why}; choose another with --port")
