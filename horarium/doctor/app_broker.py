"""The broker of an adopted app: what it is, whether its server answers, and what of it Horarium would not choose.

It is imported as `horarium up` does it, and not started: its own handlers are for a process that works.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiormq
from anyio import to_thread
from redis.asyncio import Redis
from taskiq_aio_pika import AioPikaBroker
from taskiq_redis.redis_broker import BaseRedisBroker

from horarium.adopting.carriers import UNKNOWN_LOST_AFTER, UnknownCarrier, carrier_of
from horarium.adopting.imported import PICKLE_REMEDY, import_broker, pickles_of
from horarium.doctor.diagnosis import ok, warning
from horarium.errors import ConfigurationError
from horarium.keyspace.pool import redis_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from taskiq import AsyncBroker

    from horarium.doctor.diagnosis import Diagnosis
    from horarium.doctor.patient import Patient

__all__ = ["AppFacts", "ask_app", "judge_app"]


@dataclass(frozen=True, slots=True)
class AppFacts:
    """Where the broker is, its class and queues, what of it is a pickle, and whether its kind is known."""

    spec: str
    kind: str = "RedisStreamBroker"
    queues: tuple[str, ...] = ("default",)
    pickles: tuple[str, ...] = ()
    known: bool = True


async def ask_app(patient: Patient) -> AppFacts | None:
    """The facts; None where it cannot be imported, which the task types tell. Raises what its server says."""
    spec = patient.settings.broker or ""
    try:
        broker = await to_thread.run_sync(import_broker, spec)
    except ConfigurationError:
        return None
    await _reach(broker)
    carrier = carrier_of(broker)
    known = not isinstance(carrier, UnknownCarrier)
    return AppFacts(spec, type(broker).__name__, carrier.queues, tuple(pickles_of(broker)), known)


async def _reach(broker: AsyncBroker) -> None:
    """Say something to its server, where there is a way."""
    if isinstance(broker, BaseRedisBroker):
        with redis_errors("the app's Redis"):
            await Redis(connection_pool=broker.connection_pool).ping()
            await broker.connection_pool.disconnect()
    elif isinstance(broker, AioPikaBroker):
        connection = await aiormq.connect(str(broker.url or "amqp://guest:guest@localhost:5672"))
        await connection.close()


def judge_app(facts: AppFacts | None) -> Iterator[Diagnosis]:
    """What to make of them."""
    if facts is None:
        return
    yield ok("app broker", f"{facts.spec} is {facts.kind}, which reads {', '.join(facts.queues)}")
    for pickle in facts.pickles:
        yield warning("app pickles", pickle, PICKLE_REMEDY)
    if not facts.known:
        minutes = UNKNOWN_LOST_AFTER.total_seconds() / 60
        summary = (
            f"a {facts.kind} does not say what it holds: a message that it loses is sent again {minutes:g} min later"
        )
        yield warning("app messages", summary, "where that is too late, use RedisStreamBroker or AioPikaBroker")
