"""A worker's pool of processes in a process of its own: `python -m tests.support.worker_process MARK`.

It runs `test.plain_family` until it is killed, or stops its pool when it gets SIGTERM.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress

from horarium.tasks.sync_pool import SyncPool
from tests.support.families import plain_family

__all__: list[str] = []


async def main(mark: str) -> None:
    pool = SyncPool(1)
    call = asyncio.create_task(pool.call(plain_family.original_func, [mark], {}))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, call.cancel)
    with suppress(asyncio.CancelledError):
        await call
    pool.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
