"""What a death at some places must leave behind: otherwise it proves nothing, because there was nothing to lose.

`dispatcher.ticks_committed` is passed too when all that was committed are ticks that do not run. So at these places the
launcher counts only the passes at which a row is there, and the suite looks for one once the process is dead. Of ticks
it must be one of the config `every`: no later tick takes its place, and nobody edits or deletes the config, so that the
row gets to its end by being sent, or not at all.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LEAVINGS", "leaves"]

SQL_SECONDS = 30.0
UNSENT_TICKS = """
SELECT e.id FROM executions AS e JOIN task_configs AS c ON c.id = e.config_id
WHERE e.status = 'pending' AND NOT e.buffered AND e.trigger = 'schedule' AND e.attempt = 1 AND c.name = 'every'
"""
UNSENT_RUNS = (
    "SELECT id FROM executions WHERE status = 'pending' AND NOT buffered AND trigger = 'manual' AND attempt = 1"
)
UNSENT_RETRIES = "SELECT id FROM executions WHERE status = 'pending' AND trigger = 'retry' AND attempt = 1"
UNSETTLED_MESSAGES = "SELECT id FROM notifications WHERE status = 'pending' AND attempts > 0"
UNSENT_BACKFILLS = "SELECT id FROM executions WHERE status = 'pending' AND trigger = 'backfill' AND attempt = 1"

LEAVINGS = {
    "backfill.committed": UNSENT_BACKFILLS,
    "dispatcher.ticks_committed": UNSENT_TICKS,
    "executions.retry_committed": UNSENT_RETRIES,
    "lifecycle.run_committed": UNSENT_RUNS,
    "notifier.sent": UNSETTLED_MESSAGES,
}
"""The rows of which there must be one, by the name of the place."""


def leaves(name: str, database_url: str) -> Callable[[], bool]:
    """Tells whoever passes a place whether a death just here would leave something.

    It has a thread and a connection of its own, for it is asked in the middle of somebody's event loop, which waits.
    """
    statement = LEAVINGS.get(name)
    if statement is None:
        return lambda: True

    def ask() -> bool:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, _is_there(database_url, statement)).result(SQL_SECONDS)

    return ask


async def _is_there(database_url: str, statement: str) -> bool:
    connection = await asyncpg.connect(database_url, timeout=SQL_SECONDS, command_timeout=SQL_SECONDS)
    try:
        return await connection.fetchrow(statement) is not None
    finally:
        await connection.close(timeout=SQL_SECONDS)
