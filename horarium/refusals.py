"""What a server says that waiting would not mend: no such password, database, virtual host or right.

Once Horarium works, such an answer is waited out as if the server were away: a password that is being changed is good
again in a moment. Where nothing has worked yet it means that a setting is wrong, and whoever has started the process
should hear so at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
from aiormq.exceptions import AuthenticationError as AmqpAuthenticationError
from aiormq.exceptions import ConnectionNotAllowed, ProbableAuthenticationError
from redis.exceptions import AuthenticationError as RedisAuthenticationError
from redis.exceptions import AuthorizationError, NoPermissionError, ResponseError

from horarium.errors import Unavailable
from horarium.troubles import reason

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["refusal"]

OF_POSTGRES = (
    asyncpg.ClientConfigurationError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)
OF_REDIS = (AuthorizationError, NoPermissionError, RedisAuthenticationError)
OF_RABBITMQ = (AmqpAuthenticationError, ConnectionNotAllowed, ProbableAuthenticationError)

SERVERS = {"Postgres": "HORARIUM_DATABASE_URL: Postgres", "Redis": "HORARIUM_REDIS_URL: Redis"}


def refusal(error: BaseException) -> str | None:
    """Who refuses, and why, in one line without anything secret; None where waiting may help."""
    server = error.what if isinstance(error, Unavailable) else "Postgres"
    for each in _chain(error):
        if isinstance(each, OF_POSTGRES + OF_REDIS + OF_RABBITMQ) or _names_no_database(each):
            return f"{SERVERS.get(server, f'the {server}')} refuses: {reason(each)}"
    return None


def _names_no_database(error: BaseException) -> bool:
    """Whether the number in a URL of Redis is beyond its databases, for which redis-py has no type."""
    return isinstance(error, ResponseError) and str(error).startswith("DB index")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what lies under it."""
    under: BaseException | None = error
    while under is not None:
        yield under
        under = under.__cause__
