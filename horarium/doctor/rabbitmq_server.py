"""RabbitMQ: there, new enough, lets us declare, and how long it leaves a message in a worker's hands.

Our queues ask for eight days (`x-consumer-timeout`), longer than any task may take. A RabbitMQ before 3.11.15 does not
read that, and its own setting cannot be asked for over AMQP.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiormq

from horarium.doctor.diagnosis import failed, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from horarium.doctor.diagnosis import Diagnosis
    from horarium.doctor.patient import Patient

__all__ = ["RabbitFacts", "ask_rabbitmq", "judge_rabbitmq"]

OLDEST = (3, 10)
READS_QUEUE_TIMEOUT = (3, 11, 15)
DECLARE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class RabbitFacts:
    """As the server says of itself."""

    product: str = "RabbitMQ"
    version: str = "4.0.0"


async def ask_rabbitmq(patient: Patient) -> RabbitFacts:
    """The facts; raises what it refuses a queue with, which ends with this connection."""
    connection = await aiormq.connect(patient.broker.url)
    try:
        channel = await connection.channel()
        await channel.queue_declare("", exclusive=True, auto_delete=True, timeout=DECLARE_SECONDS)
        properties = connection.server_properties
    finally:
        await connection.close()
    return RabbitFacts(_text(properties.get("product")), _text(properties.get("version")))


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def judge_rabbitmq(facts: RabbitFacts) -> Iterator[Diagnosis]:
    """What to make of them."""
    yield ok("broker rights", "queues can be declared")
    version = tuple(map(int, re.findall(r"\d+", facts.version)[:3]))
    if facts.product != "RabbitMQ" or not version:
        yield warning("broker version", f"{facts.product} {facts.version}", "Horarium is tested with RabbitMQ alone")
        return
    if version < OLDEST:
        yield failed("broker version", facts.version, "upgrade RabbitMQ to 3.10 or newer")
    else:
        yield ok("broker version", facts.version)
    yield _consumer_timeout(version)


def _consumer_timeout(version: tuple[int, ...]) -> Diagnosis:
    check = "broker consumer timeout"
    if version < READS_QUEUE_TIMEOUT:
        summary = "this version does not read the timeout of a queue; its own is 30 min unless set"
        return warning(check, summary, "set consumer_timeout above the longest timeout_seconds of your configs")
    return ok(check, "eight days, as our queues ask for")
