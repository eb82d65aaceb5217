"""Work on the database itself, for commands that ask no API: the one of the settings, or the private one.

The private one is started for as long as the work lasts, and so must not be in use by an `up`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

import asyncpg

from horarium.client.errors import ApiAway, ApiError
from horarium.embedded import EmbeddedServerDied, beside_postgres
from horarium.errors import ConfigurationError, Unavailable
from horarium.sql.database import Database
from horarium.troubles import reason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from horarium.settings import Settings

__all__ = ["asking", "with_postgres"]

Result = TypeVar("Result")


async def with_postgres(settings: Settings, work: Callable[[Database], Awaitable[Result]]) -> Result:
    """What `work` returns for the database of the settings; raises ApiError and ConfigurationError."""
    if settings.database_url is not None:
        return await asking(work, settings.database_url.get_secret_value(), "HORARIUM_DATABASE_URL")
    try:
        return await beside_postgres(settings.data_dir, partial(asking, work, given_by="the embedded Postgres"))
    except EmbeddedServerDied as error:
        raise ApiError(str(error)) from error


async def asking(work: Callable[[Database], Awaitable[Result]], url: str, given_by: str) -> Result:
    """What `work` returns for the database at this URL, which this setting or flag gave."""
    try:
        async with Database(url) as database:
            return await work(database)
    except Unavailable as error:
        raise ApiAway(f"{given_by}: Postgres is away: {reason(error)}") from error
    except asyncpg.PostgresError as error:
        raise ApiError(f"{given_by}: Postgres refuses: {reason(error)}") from error
    except (asyncpg.InterfaceError, ValueError) as error:  # asyncpg says either of a URL that it cannot read
        raise ConfigurationError(f"{given_by}: {reason(error)}") from error
