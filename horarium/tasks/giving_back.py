"""What becomes of a message that a worker has taken and does not handle, whoever's broker it came by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from aio_pika.abc import AbstractIncomingMessage

from horarium.errors import Unavailable
from horarium.tasks.amqp_broker import release_held
from horarium.tasks.app_side import acknowledge
from horarium.tasks.delivery import Delivery

if TYPE_CHECKING:
    from taskiq import AckableMessage
    from taskiq.acks import AckController

__all__ = ["drop", "give_back"]

log = structlog.get_logger(__name__)


async def give_back(message: bytes | AckableMessage) -> None:
    """Have it delivered again, here or elsewhere; a broker that cannot be told so finds out by itself, in minutes.

    taskiq-aio-pika hands on the `ack` of the message that RabbitMQ has sent, and so the message, which RabbitMQ leaves
    to this worker until it is told otherwise, or until its channel closes.
    """
    if isinstance(message, Delivery):
        await message.release()
        return
    held = getattr(getattr(message, "ack", None), "__self__", None)
    if isinstance(held, AbstractIncomingMessage):
        await release_held(held)


async def drop(ack: AckController) -> None:
    """Acknowledge what nobody is to handle; while its server is away it stays, comes again, and is dropped then."""
    try:
        await acknowledge(ack)
    except Unavailable as error:
        log.warning("message.not_dropped", error=type(error).__name__)
