"""A message on its way into a worker, from whichever broker: what may be done with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable  # noqa: TC003 - pydantic reads the fields of Delivery

from taskiq import AckableMessage

__all__ = ["Delivery"]


class Delivery(AckableMessage):
    """A message that may also be given back, unhandled: `release` has it delivered again, here or elsewhere.

    Whoever takes a delivery calls one of the two. Until then the broker leaves it to this worker: RabbitMQ counts it
    against its concurrency, and in a stream it is kept from those who look for orphans.
    """

    release: Callable[[], Awaitable[None]]
