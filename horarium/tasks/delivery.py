"""What a broker of ours hands to the receiver: a message that can be acknowledged, or given back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable  # noqa: TC003 - pydantic reads the fields of Delivery

from taskiq import AckableMessage

__all__ = ["Delivery"]


class Delivery(AckableMessage):
    """A message that may also be given back, unhandled: `release` has it delivered again, here or elsewhere.

    Whoever takes a delivery calls one of the two. RabbitMQ counts it against this worker's concurrency until then.
    """

    release: Callable[[], Awaitable[None]]
