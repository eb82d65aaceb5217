"""Questions and their answers: a message that carries the way back for one reply.

A question is answered at most once. Its asker hears nothing after it has stopped waiting, and does not wait for an
actor that can no longer answer: when that one goes down with the question in its hands, the asker learns so at once.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio

from horarium.supervisor.errors import AskTimeout, TargetDown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Questions", "Reply"]

R = TypeVar("R")


class Reply(Generic[R]):
    """The way back for one answer. The first of `set` and `fail` counts; whatever comes later is dropped."""

    def __init__(self) -> None:
        self._settled = anyio.Event()
        self._values: list[R] = []
        self._error: BaseException | None = None

    @property
    def settled(self) -> bool:
        """True once an answer would go nowhere: it was given already, or nobody waits any more."""
        return self._settled.is_set()

    def set(self, value: R) -> None:
        """Answer with a value."""
        if not self.settled:
            self._values.append(value)
            self._settled.set()

    def fail(self, error: BaseException) -> None:
        """Answer with an error, which is raised where the question was asked."""
        if not self.settled:
            self._error = error
            self._settled.set()

    async def wait(self) -> R:
        """Wait for the answer and return it, or raise the error."""
        await self._settled.wait()
        if self._error is not None:
            raise self._error
        return self._values[0]


@dataclass(eq=False)
class _Question:
    """A message that waits for its answer, and whether an incarnation has taken it out of the queue."""

    message: Any
    reply: Reply[Any]
    taken: bool = False


class Questions:
    """The questions of one mailbox that are not answered yet, by the identity of their message."""

    def __init__(self, mailbox: str) -> None:
        self._mailbox = mailbox
        self._open: dict[int, _Question] = {}

    @contextmanager
    def asked(self, message: object, reply: Reply[Any], timeout: float) -> Iterator[None]:
        """Count as asked for the length of a block; raises `AskTimeout` when that passes `timeout` seconds."""
        self._open[id(message)] = _Question(message, reply)
        try:
            with anyio.move_on_after(timeout) as scope:
                yield
            if scope.cancelled_caught:
                raise AskTimeout(f"{self._mailbox}: no answer within {timeout:g} s")
        finally:
            del self._open[id(message)]
            reply.fail(AskTimeout("nobody waits for this answer any more"))

    def taken(self, message: object) -> None:
        """Note that the message has left the queue."""
        if self._open and (question := self._open.get(id(message))):
            question.taken = True

    def refuse(self, message: object, error: BaseException) -> None:
        """Fail the question that this message is, if it is one."""
        if question := self._open.get(id(message)):
            question.reply.fail(error)

    def fail_taken(self, what: str, cause: BaseException | None) -> None:
        """Fail the questions that were taken and not answered."""
        self._fail([question for question in self._open.values() if question.taken], what, cause)

    def fail_all(self, what: str, cause: BaseException | None) -> None:
        """Fail every question."""
        self._fail(list(self._open.values()), what, cause)

    def _fail(self, questions: Iterable[_Question], what: str, cause: BaseException | None) -> None:
        for question in questions:
            error = TargetDown(f"{self._mailbox} {what}")
            error.__cause__ = cause
            question.reply.fail(error)
