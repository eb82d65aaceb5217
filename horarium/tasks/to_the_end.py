"""Work that a cancellation does not cut off: whoever waits for it is cancelled when it is done, and not before.

However often: a worker that is asked to stop while it hands back what it runs, at the end of a drain, cancels again.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from horarium.tasks.intake import whole_context

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["ended", "to_the_end"]


async def to_the_end(work: Coroutine[Any, Any, object]) -> None:
    """Await `work` even when cancelled meanwhile, and be cancelled after it: a result is not left half-written."""
    task = asyncio.get_running_loop().create_task(work, context=whole_context.get())
    try:
        await ended(task)
    except asyncio.CancelledError:
        task.result()
        raise
    task.result()


async def ended(task: asyncio.Future[Any]) -> None:
    """Wait for the end of `task`, however it ends; where we are cancelled meanwhile, raise that after it."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        over: asyncio.Future[None] = task.get_loop().create_future()  # for half the price of asyncio.wait
        tell = partial(_tell, over)
        task.add_done_callback(tell)
        try:
            await over
        except asyncio.CancelledError as error:
            task.remove_done_callback(tell)
            cancelled = error
    if cancelled is not None:
        raise cancelled


def _tell(over: asyncio.Future[None], _: asyncio.Future[Any]) -> None:
    if not over.done():
        over.set_result(None)
