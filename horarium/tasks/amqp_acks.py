"""Acknowledging many messages in one write, as `amqp_publish.py` publishes them: aiormq writes each by itself.

An acknowledgement has no answer. RabbitMQ takes one from the channel that the message came by; where that is closed,
the message has been given to somebody else by then, and the acknowledgement is nothing to anybody.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, cast

from aiormq import spec
from aiormq.abc import ChannelFrame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aio_pika.abc import AbstractIncomingMessage
    from aiormq.channel import Channel

__all__ = ["acknowledge_all"]


async def acknowledge_all(messages: Sequence[AbstractIncomingMessage]) -> None:
    """Acknowledge messages; returns when all is written for which the channel is open still."""
    by_channel: defaultdict[Channel, list[int]] = defaultdict(list)
    for message in messages:
        assert message.delivery_tag is not None, "it was delivered"  # noqa: S101 - narrows a type
        by_channel[cast("Channel", message.channel)].append(message.delivery_tag)
    for channel, tags in by_channel.items():
        if not channel.is_closed:
            await _write(channel, tags)


async def _write(channel: Channel, tags: Sequence[int]) -> None:
    drained = channel.create_future()
    frames = [spec.Basic.Ack(delivery_tag=tag) for tag in tags]
    await channel.write_queue.put(ChannelFrame.marshall(channel.number, frames, drained))
    await drained
