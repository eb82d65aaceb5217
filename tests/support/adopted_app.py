"""A taskiq app that knows nothing of Horarium, made anew for each test: a broker belongs to one event loop.

`HORARIUM_BROKER=tests.support.adopted_app:make` has `make` called; what a test wants of the app it says in `WANTED`
first, and finds the app in `MADE`.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from taskiq import AsyncBroker, Context, TaskiqDepends, TaskiqEvents, TaskiqMessage, TaskiqMiddleware
from taskiq_redis import RedisStreamBroker

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MADE", "SPEC", "WANTED", "App", "Witness", "app_over", "greet", "make", "wanted"]

SPEC = "tests.support.adopted_app:make"
WANTED: dict[str, Any] = {}
MADE: list[App] = []


class Witness(TaskiqMiddleware):
    """Notes what passes, marks it, and breaks over messages that say so."""

    def __init__(self) -> None:
        super().__init__()
        self.sending: list[TaskiqMessage] = []
        self.sent: list[str] = []

    def pre_send(self, message: TaskiqMessage) -> TaskiqMessage:
        if message.kwargs.get("message") == "refuse me":
            raise ValueError("no such letter")
        self.sending.append(message)
        message.labels["seen_by"] = "witness"
        return message

    async def post_send(self, message: TaskiqMessage) -> None:
        self.sent.append(message.task_id)


@dataclass
class App:
    """The app and what it has noted."""

    broker: AsyncBroker
    witness: Witness = field(default_factory=Witness)
    events: list[str] = field(default_factory=list)


async def greet(message: str, context: Annotated[Context, TaskiqDepends()]) -> dict[str, Any]:
    """Answer what the app's task knows of itself."""
    return {"message": message, "labels": context.message.labels, "started": context.state.started}


class Handle:
    """Something that only Python has."""


async def cannot_come_from_json(handle: Handle) -> None:
    """Take it."""


def app_over(broker: AsyncBroker, **schedules: Any) -> App:
    """The app over a broker; `greet` has these label schedules."""
    app = App(broker)
    broker.add_middlewares(app.witness)
    labels = {"schedule": schedules["greet"]} if "greet" in schedules else {}
    broker.register_task(greet, "app.greet", team="growth", **labels)
    broker.register_task(cannot_come_from_json, "app.odd")

    async def started(state: Any) -> None:
        app.events.append("worker started")
        state.started = True

    def both(_state: Any) -> None:
        app.events.append("both")

    broker.add_event_handler(TaskiqEvents.WORKER_STARTUP, started)
    broker.add_event_handler(TaskiqEvents.CLIENT_STARTUP, lambda _: app.events.append("client started"))
    broker.add_event_handler(TaskiqEvents.WORKER_STARTUP, both)
    broker.add_event_handler(TaskiqEvents.CLIENT_STARTUP, both)
    broker.add_event_handler(TaskiqEvents.WORKER_SHUTDOWN, lambda _: app.events.append("worker stopped"))
    broker.add_event_handler(TaskiqEvents.CLIENT_SHUTDOWN, lambda _: app.events.append("client stopped"))
    return app


def make() -> AsyncBroker:
    """The broker that HORARIUM_BROKER leads to."""
    broker = RedisStreamBroker(WANTED["url"], queue_name="letters", xread_block=200, additional_streams={"post": ">"})
    MADE.append(app_over(broker, **WANTED["schedules"]))
    return broker


@contextmanager
def wanted(url: str, **schedules: Any) -> Iterator[None]:
    """What `make` makes until the block ends."""
    WANTED.update(url=url, schedules=schedules)
    try:
        yield
    finally:
        WANTED.clear()
        MADE.clear()
