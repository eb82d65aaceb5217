"""Work that a cancellation does not cut off: whoever waits for it is cancelled when it is done, and not before.

However often: a worker that is asked to stop while it hands back what it runs, at the end of a drain, cancels again.
"""

from __future__ import annotations

import asyncio
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
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
