"""The private Postgres without the tree around it, for a command that works on its data while nobody else does."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from anyio import create_task_group

from horarium.embedded.datadir import DataDir
from horarium.embedded.postgres import EmbeddedPostgres
from horarium.supervisor import ChildContext

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

__all__ = ["beside_postgres"]

Result = TypeVar("Result")


async def beside_postgres(data_dir: Path, work: Callable[[str], Awaitable[Result]]) -> Result:
    """What `work` returns, which is given the URL of a Postgres that runs for as long as it does.

    Raises ConfigurationError while another process holds the data directory, and what the server ends with.
    """
    server = EmbeddedPostgres(data_dir)
    with DataDir(data_dir):
        try:
            async with create_task_group() as group:
                await group.start(server.run, ChildContext("postgres", 1))
                result = await work(server.url)
                group.cancel_scope.cancel()
        except ExceptionGroup as errors:
            if len(errors.exceptions) == 1:  # the work's own error, or the server's; the group around it is ours
                raise errors.exceptions[0] from None
            raise
    return result
