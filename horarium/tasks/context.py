"""taskiq's `Context`, which also goes along into the process of a plain function.

A broker holds connections and locks, and stays where it is. So there a context has the message, `reject()`, and says of
all else why it is not there, instead of failing the task before it has begun.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Never

from taskiq import Context

if TYPE_CHECKING:
    from taskiq.message import TaskiqMessage

__all__ = ["DetachedContext", "TaskContext"]


class TaskContext(Context):
    """What a task is told of itself."""

    def __reduce__(self) -> tuple[type[DetachedContext], tuple[TaskiqMessage]]:
        """As it arrives in another process."""
        return DetachedContext, (self.message,)


class DetachedContext(Context):
    """What a plain function is told of itself, in a process of its own."""

    def __init__(self, message: TaskiqMessage) -> None:
        self.message = message
        self._ack_controller = None

    @property
    def broker(self) -> Never:  # type: ignore[override]  # taskiq sets it, and here it cannot be
        """Raise RuntimeError."""
        raise _not_here("broker")

    @property
    def state(self) -> Never:  # type: ignore[override]  # as above
        """Raise RuntimeError."""
        raise _not_here("state")


def _not_here(what: str) -> RuntimeError:
    return RuntimeError(
        f"a plain function runs in a process of its own, and the {what} of the context is not there; make it async"
    )
