"""Work that a cancellation does not cut off: whoever waits for it is cancelled when it is done, and not before."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from horarium.tasks.intake import whole_context

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["to_the_end"]


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await `work` even when cancelled meanwhile, and be cancelled after it: a result is not left half-written."""
    task = asyncio.get_running_loop().create_task(work, context=whole_context.get())
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
