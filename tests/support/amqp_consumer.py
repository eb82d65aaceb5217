"""Takes one message and keeps it until it is killed: `python amqp_consumer.py URL KEY_PREFIX`."""

from __future__ import annotations

import sys

import anyio

from horarium.keyspace.keys import Keys
from horarium.tasks.amqp_broker import AmqpBroker


async def take_one(url: str, prefix: str) -> None:
    broker = AmqpBroker(url, Keys(prefix))
    await broker.startup()
    async for _ in broker.listen():
        sys.stdout.write("taken\n")
        sys.stdout.flush()


if __name__ == "__main__":
    anyio.run(take_one, sys.argv[1], sys.argv[2])
