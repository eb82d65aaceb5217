"""Signs of life of a child that is there to answer others: it is asked now and then, as a client would.

A server process, or the API, can run and yet answer nobody, and nothing in it would notice. Each answer is a heartbeat;
what to make of a silence is for the supervisor's watchdog to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import structlog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Never

    from horarium.supervisor import ChildContext

__all__ = ["keep_asking"]

log = structlog.get_logger(__name__)

EVERY_SECONDS = 5.0
ANSWER_SECONDS = 5.0


async def keep_asking(
    context: ChildContext, ask: Callable[[], Awaitable[object]], silence: tuple[type[Exception], ...]
) -> Never:
    """Ask for ever; `silence` is what `ask` raises when there is no answer, besides taking too long."""
    silent: tuple[type[Exception], ...] = (TimeoutError, *silence)
    while True:
        await anyio.sleep(EVERY_SECONDS)
        try:
            with anyio.fail_after(ANSWER_SECONDS):
                await ask()
        except silent as error:
            log.warning("child.silent", child=context.id, error=type(error).__name__)
        else:
            context.beat()
