"""What a server says at the first start: what waiting would not mend ends the process, all else is waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
from aiormq.exceptions import ConnectionNotAllowed, ProbableAuthenticationError
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from structlog.testing import capture_logs

from horarium.actors.patience import first_contact
from horarium.errors import ConfigurationError, Unavailable
from horarium.supervisor import ChildContext

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.anyio

REFUSED = "password authentication failed"


def away(what: str, cause: Exception) -> Unavailable:
    """As a pool says it."""
    error = Unavailable(what, retry_after=0.0)
    error.__cause__ = cause
    return error


def answering(*errors: Exception) -> Callable[[], Awaitable[str]]:
    """What raises these errors, one after the other, and then is done."""
    left = list(errors)

    async def step() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return step


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            away("Postgres", asyncpg.InvalidPasswordError(REFUSED)),
            f"HORARIUM_DATABASE_URL: Postgres refuses: {REFUSED}",
        ),
        (asyncpg.InvalidCatalogNameError("no x"), "HORARIUM_DATABASE_URL: Postgres refuses: no x"),
        (asyncpg.InsufficientPrivilegeError("not you"), "HORARIUM_DATABASE_URL: Postgres refuses: not you"),
        (asyncpg.ClientConfigurationError("what?"), "HORARIUM_DATABASE_URL: Postgres refuses: what?"),
        (away("Redis", AuthenticationError("WRONGPASS")), "HORARIUM_REDIS_URL: Redis refuses: WRONGPASS"),
        (away("Redis", ResponseError("DB index 99")), "HORARIUM_REDIS_URL: Redis refuses: DB index 99"),
        (away("broker", NoPermissionError("NOPERM")), "the broker refuses: NOPERM"),
        (away("broker", ConnectionNotAllowed("no vhost")), "the broker refuses: no vhost"),
        (away("broker", ProbableAuthenticationError("go away")), "the broker refuses: go away"),
    ],
    ids=lambda case: type(getattr(case, "__cause__", None) or case).__name__,
)
async def test_a_refusal_ends_the_first_start_and_names_the_setting(error: Exception, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        await first_contact(ChildContext("bootstrap", 1), answering(error), "the start")

    assert str(refused.value) == said


async def test_a_server_that_is_not_there_yet_is_waited_for_and_it_is_said_why() -> None:
    with capture_logs() as logs:
        done = await first_contact(
            ChildContext("bootstrap", 1),
            answering(away("Postgres", ConnectionRefusedError(111, "refused"))),
            "the start",
        )

    assert done == "done"
    assert [(each["event"], each.get("server"), each.get("error")) for each in logs] == [
        ("actor.waits", "postgres", "connection refused"),
        ("actor.goes_on", None, None),
    ]


async def test_later_a_refusal_is_waited_out_as_a_password_that_is_being_changed() -> None:
    refused = away("Postgres", asyncpg.InvalidPasswordError(REFUSED))

    assert await first_contact(ChildContext("worker", 2), answering(refused), "the start") == "done"
