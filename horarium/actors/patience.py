"""How an actor waits out a server that is away.

A lost server is no fault of the actor, and restarting the actor would not bring it back: it is logged, waited for,
and tried again, so that work goes on within a second or two of the server's return. Every other error is the actor's
own and crashes it.

At the first start a server that refuses us is no lost one: nothing has ever worked with these settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import structlog

from horarium.errors import ConfigurationError, Unavailable
from horarium.refusals import refusal
from horarium.troubles import reason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from horarium.supervisor import ChildContext

__all__ = ["first_contact", "patiently"]

log = structlog.get_logger(__name__)

Result = TypeVar("Result")


async def patiently(context: ChildContext, step: Callable[[], Awaitable[Result]], work: str | None = None) -> Result:
    """Do `step` until Postgres, Redis and the broker let it; each try is a sign of life.

    `work` is what the tree shows the actor to be handling meanwhile.
    """
    waited = 0
    while True:
        context.working_on(work)
        try:
            result = await step()
        except (Unavailable, ExceptionGroup) as error:
            away = _unavailable(error)
            waited += 1
            context.working_on(f"waits for {away.what}" if work is None else f"{work}, waits for {away.what}")
            log.warning("actor.waits", child=context.id, server=away.what.lower(), tries=waited, error=reason(away))
            await context.sleep(away.retry_after)
        else:
            context.working_on(None)
            if waited:
                log.info("actor.goes_on", child=context.id, tries=waited)
            return result


async def first_contact(context: ChildContext, step: Callable[[], Awaitable[Result]], work: str) -> Result:
    """`patiently`, but an incarnation that is the first raises ConfigurationError where waiting would mend nothing."""

    async def trying() -> Result:
        try:
            return await step()
        except Exception as error:
            refused = refusal(error) if context.incarnation == 1 else None
            if refused is None:
                raise
            raise ConfigurationError(refused) from error

    return await patiently(context, trying, work)


def _unavailable(error: Unavailable | ExceptionGroup[Exception]) -> Unavailable:
    """The Unavailable that `error` is, or that a group of them holds; any other error in the group is raised on."""
    if isinstance(error, Unavailable):
        return error
    away, rest = error.split(Unavailable)
    if away is None or rest is not None:
        raise error
    first = away.exceptions[0]
    return _unavailable(first) if isinstance(first, Unavailable | ExceptionGroup) else Unavailable("a server")
