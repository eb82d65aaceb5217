"""Publishing many messages in few writes, and awaiting the confirms of all.

aiormq's `basic_publish` writes every message by itself: a system call and half a dozen turns of the loop each, which
made ten thousand messages take three seconds. Here a page of them is one write. What the channel must know of a
message (its delivery tag, the future that its confirm resolves, its id in case it is returned) is entered as
`aiormq.Channel.basic_publish` enters it, under the same lock, and taken out again if the page was never written.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from aiormq import spec
from aiormq.abc import ChannelFrame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiormq.abc import FrameType
    from aiormq.channel import Channel

    from horarium.tasks.amqp_topology import Topology

__all__ = ["Letter", "publish_all"]

PAGE = 100
"""Messages in one write; the socket is drained after each, so that no more than this waits in our memory."""

PERSISTENT = 2


@dataclass(frozen=True, slots=True)
class Letter:
    """A message, its id unique, and the queue it is for; `delay` is how many seconds it is not to be delivered."""

    queue: str
    id: str
    body: bytes
    priority: int
    delay: float = 0.0


async def publish_all(channel: Channel, topology: Topology, letters: Sequence[Letter]) -> None:
    """Return when every letter is confirmed; raises the first error of aiormq, whatever became of the others."""
    confirms: list[asyncio.Future[object]] = []
    for first in range(0, len(letters), PAGE):
        confirms += await _write(channel, topology, letters[first : first + PAGE])
    for answer in await asyncio.gather(*confirms, return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer


async def _write(channel: Channel, topology: Topology, page: Sequence[Letter]) -> list[asyncio.Future[object]]:
    async with channel.lock:
        before = channel.delivery_tag
        confirms = [_expect(channel, letter.id) for letter in page]
        drained = channel.create_future()
        try:
            frames = [frame for letter in page for frame in _frames(channel, topology, letter)]
            await channel.write_queue.put(ChannelFrame.marshall(channel.number, frames, drained))
        except BaseException:
            _forget(channel, before)
            raise
        await drained
    return confirms


def _expect(channel: Channel, message_id: str) -> asyncio.Future[object]:
    """The confirm of the channel's next message."""
    channel.delivery_tag += 1
    confirm = channel.create_future()
    channel.confirmations[channel.delivery_tag] = confirm
    channel.message_id_delivery_tag[message_id] = channel.delivery_tag
    confirm.add_done_callback(partial(_confirmed, channel, message_id, channel.delivery_tag))
    return confirm


def _confirmed(channel: Channel, message_id: str, tag: int, _: asyncio.Future[object]) -> None:
    if channel.message_id_delivery_tag.get(message_id) == tag:
        del channel.message_id_delivery_tag[message_id]


def _forget(channel: Channel, before: int) -> None:
    """Give the delivery tags back that RabbitMQ has not seen used."""
    for tag in range(before + 1, channel.delivery_tag + 1):
        channel.confirmations.pop(tag).cancel()
    channel.delivery_tag = before


def _frames(channel: Channel, topology: Topology, letter: Letter) -> Iterator[FrameType | ContentBody]:
    exchange, routing_key = topology.exchange, topology.queue(letter.queue)
    if letter.delay:
        exchange, routing_key = topology.way_of(letter.queue, letter.delay)
    yield spec.Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=True)
    properties = spec.Basic.Properties(
        content_type="application/json", delivery_mode=PERSISTENT, priority=letter.priority, message_id=letter.id
    )
    yield ContentHeader(body_size=len(letter.body), properties=properties)
    for first in range(0, len(letter.body), channel.max_content_size):
        yield ContentBody(letter.body[first : first + channel.max_content_size])
