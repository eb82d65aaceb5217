"""Plain functions that are given, or give back, what does not travel between processes."""

from __future__ import annotations

import threading
from typing import Annotated, Any

from taskiq import Context, TaskiqDepends

from horarium import task

__all__ = ["plain_context", "plain_given_a_lock", "plain_raises_oddly", "plain_rejects", "plain_returns_a_lock"]


class Odd(Exception):
    """Cannot be made again of what it keeps."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(one)
        self.other = other


def a_lock() -> Any:
    """A dependency that stays where it is."""
    return threading.Lock()


@task("test.plain_context")
def plain_context(context: Annotated[Context, TaskiqDepends()]) -> dict[str, Any]:
    """Answer what it is run for."""
    return {"task_id": context.message.task_id, "attempt": context.message.labels["attempt"]}


@task("test.plain_wants_the_broker")
def plain_wants_the_broker(context: Context) -> str:
    """Ask for what is not there."""
    return str(context.broker)


@task("test.plain_rejects")
def plain_rejects(context: Annotated[Context, TaskiqDepends()]) -> None:
    """Reject the message."""
    context.reject()


@task("test.plain_given_a_lock")
def plain_given_a_lock(lock: Annotated[Any, TaskiqDepends(a_lock)]) -> str:
    """Be given what no other process can have."""
    return str(lock)


@task("test.plain_returns_a_lock")
def plain_returns_a_lock() -> Any:
    """Give back what no other process can have."""
    return threading.Lock()


@task("test.plain_raises_oddly")
def plain_raises_oddly() -> None:
    """Raise what cannot be read back."""
    raise Odd("one", "other")
