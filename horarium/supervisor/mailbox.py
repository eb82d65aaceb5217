"""A mailbox: the bounded queue in front of an actor, owned by the tree and not by the actor.

An actor that crashes must not take its messages with it, nor tell its senders that the stream is closed. So the
mailbox is made by the tree's author, handed to the child's spec and to the senders, and each incarnation reads from
its own clone. What lies in the queue waits for the next incarnation; what was in the crashed actor's hands is lost,
as in Erlang, and if it was a question, its asker learns so at once (`TargetDown`) instead of waiting out the timeout.

Every mailbox has a bound and says what happens at it: `block` the sender for a while, `reject` the message, drop the
oldest or drop the newest. Nothing is lost uncounted: `dropped` counts what the policy threw away and what was left
when the mailbox closed. It closes when its owner is gone for good; a later `bind` opens it anew.

Built on anyio's memory object streams. Meant for one event loop: no method may be called from another thread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import anyio
from anyio.lowlevel import checkpoint
from anyio.streams.memory import MemoryObjectReceiveStream

from horarium.supervisor.errors import AskTimeout, InvalidSpec, MailboxFull, TargetDown

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Inbox", "Mailbox", "Overflow", "Reply"]

T = TypeVar("T")
R = TypeVar("R")

Overflow = Literal["block", "reject", "drop_oldest", "drop_newest"]


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


class Inbox(MemoryObjectReceiveStream[T]):
    """The receiving end of one incarnation; tells the mailbox what was taken out of the queue."""

    def __init__(self, origin: MemoryObjectReceiveStream[T], taken: Callable[[T], None]) -> None:
        super().__init__(origin._state)  # noqa: SLF001 - clone() makes the base class; the state is its only argument
        self._taken = taken

    def receive_nowait(self) -> T:
        """Take the next message; as anyio's, raising `WouldBlock` on an empty queue."""
        message = super().receive_nowait()
        self._taken(message)
        return message

    async def receive(self) -> T:
        """Wait for the next message and take it."""
        message = await super().receive()
        self._taken(message)
        return message


class Mailbox(Generic[T]):
    """A bounded queue with a stated overflow policy; see the module for who owns it and when it closes."""

    def __init__(self, name: str, *, capacity: int = 1024, overflow: Overflow = "block") -> None:
        if capacity < 1:
            raise InvalidSpec(name, ["a mailbox's capacity must be 1 or more"])
        self.name = name
        self.capacity = capacity
        self.overflow = overflow
        self._dropped = 0
        self._questions: dict[int, _Question] = {}
        self._open()

    def __repr__(self) -> str:
        return f"<Mailbox {self.name} {self.depth}/{self.capacity} {self.overflow}>"

    def __del__(self) -> None:
        # A mailbox of a tree that never ran holds nothing but memory: no reason for anyio's ResourceWarning.
        if hasattr(self, "_sender"):
            self._sender.close()
            self._keeper.close()

    @property
    def depth(self) -> int:
        """How many messages wait in the queue."""
        return self._sender.statistics().current_buffer_used

    @property
    def dropped(self) -> int:
        """How many messages were thrown away by the policy or left behind at the close."""
        return self._dropped

    async def send(self, message: T, *, timeout: float = 5.0) -> None:
        """Put a message in the queue; with policy `block`, wait up to `timeout` seconds for room.

        Raises `MailboxFull` when there was no room in time or the policy is `reject`, `TargetDown` when the owner is
        gone for good.
        """
        await checkpoint()
        if self._offer(message):
            return
        if self.overflow != "block":
            self._overflow(message)
            return
        with anyio.move_on_after(timeout):
            await self._wait_for_room(message)
            return
        raise MailboxFull(f"{self.name}: no room within {timeout:g} s")

    def send_nowait(self, message: T) -> None:
        """Put a message in the queue without waiting; a full one of policy `block` raises `MailboxFull`."""
        if not self._offer(message):
            self._overflow(message)

    async def ask(self, build: Callable[[Reply[R]], T], *, timeout: float = 5.0) -> R:
        """Send the message that `build` makes around a reply, and wait for the answer.

        The `timeout`, in seconds, covers both. Raises `AskTimeout` past it, `TargetDown` as soon as the owner goes
        down with the question in its hands or is gone for good, `MailboxFull` when the policy refuses or drops the
        question, and whatever error the actor answers with.
        """
        reply: Reply[R] = Reply()
        message = build(reply)
        self._questions[id(message)] = _Question(message, reply)
        try:
            with anyio.move_on_after(timeout):
                await self.send(message, timeout=math.inf)
                return await reply.wait()
            raise AskTimeout(f"{self.name}: no answer within {timeout:g} s")
        finally:
            del self._questions[id(message)]
            reply.fail(AskTimeout("nobody waits for this answer any more"))

    def bind(self) -> Inbox[T]:
        """Return the receiving end for one incarnation, which closes it; opens a closed mailbox."""
        if self.closed:
            self._open()
        return Inbox(self._keeper, self._note_taken)

    @property
    def closed(self) -> bool:
        """True when the owner is gone for good."""
        return self._closed

    def owner_down(self, cause: BaseException | None = None) -> None:
        """Fail the questions that the ended incarnation held; what is still queued waits for the next one."""
        self._fail_questions([q for q in self._questions.values() if q.taken], "went down with the question", cause)

    def close(self, cause: BaseException | None = None) -> None:
        """Close for good: fail every question, refuse senders, count what is left as dropped."""
        if self.closed:
            return
        self._closed = True
        self._dropped += self.depth
        self._sender.close()
        self._keeper.close()
        self._fail_questions(list(self._questions.values()), "is gone", cause)

    def _open(self) -> None:
        self._closed = False
        # The keeper never receives: it keeps the stream open while no incarnation is there.
        self._sender, self._keeper = anyio.create_memory_object_stream[T](self.capacity)

    def _offer(self, message: T) -> bool:
        if self.closed:
            raise TargetDown(f"{self.name} is gone")
        try:
            self._sender.send_nowait(message)
        except anyio.WouldBlock:
            return False
        return True

    def _overflow(self, message: T) -> None:
        match self.overflow:
            case "drop_oldest":
                self._lose(self._keeper.receive_nowait())
                self._sender.send_nowait(message)
            case "drop_newest":
                self._lose(message)
            case "block" | "reject":
                raise MailboxFull(f"{self.name}: {self.capacity} messages are waiting")

    async def _wait_for_room(self, message: T) -> None:
        try:
            await self._sender.send(message)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise TargetDown(f"{self.name} is gone") from error

    def _lose(self, message: T) -> None:
        self._dropped += 1
        if question := self._questions.get(id(message)):
            question.reply.fail(MailboxFull(f"{self.name}: the question was dropped ({self.overflow})"))

    def _note_taken(self, message: T) -> None:
        if question := self._questions.get(id(message)):
            question.taken = True

    def _fail_questions(self, questions: list[_Question], what: str, cause: BaseException | None) -> None:
        for question in questions:
            error = TargetDown(f"{self.name} {what}")
            error.__cause__ = cause
            question.reply.fail(error)
