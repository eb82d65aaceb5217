"""A mailbox: the bounded queue in front of an actor, owned by the tree and not by the actor.

An actor that crashes must not take its messages with it, nor tell its senders that the stream is closed. So the
mailbox is made by the tree's author, handed to the child's spec and to the senders, and each incarnation reads from
an inbox of its own. What lies in the queue waits for the next incarnation; what was in the crashed actor's hands is
lost, as in Erlang, and if it was a question, its asker learns so at once (`TargetDown`) instead of waiting out the
timeout.

Every mailbox has a bound and says what happens at it: `block` the sender for a while, `reject` the message, drop the
oldest or drop the newest. Nothing is lost uncounted. A message that was accepted is waiting (`depth`), was taken, or
is a dead letter (`dropped`): thrown away by the policy, or left when the mailbox closed. Of those taken, `lost` were
in the hands of an incarnation that crashed or was cancelled; the rest was handled. A mailbox closes when its owner is
gone for good; a later `bind` opens it anew.

The queue is its own and no anyio memory object stream, which hands a message over while its reader or its sender may
still be cancelled, so that one of the two cannot be told the truth (docs/decisions/0015). Meant for one event loop: no
method may be called from another thread.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, get_args

import anyio
from anyio.lowlevel import checkpoint

from horarium.supervisor.errors import InvalidSpec, MailboxFull, TargetDown
from horarium.supervisor.inbox import Inbox
from horarium.supervisor.reply import Questions, Reply
from horarium.supervisor.watchdog import Pulse

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DeadLetter", "Mailbox", "Overflow"]

T = TypeVar("T")
R = TypeVar("R")

Overflow = Literal["block", "reject", "drop_oldest", "drop_newest"]

DEAD_LETTERS_KEPT = 100


@dataclass(frozen=True)
class DeadLetter:
    """A message that nobody will read, why, and since when (UTC). It may hold secrets, so it is not printed."""

    at: datetime
    why: Literal["overflow", "closed"]
    message: Any = field(repr=False)


@dataclass(eq=False)
class _Waiting:
    """A sender that waits for room; `settled` without being `accepted` means that the mailbox has closed."""

    message: Any
    settled: anyio.Event = field(default_factory=anyio.Event)
    accepted: bool = False


class Mailbox(Generic[T]):
    """A bounded queue with a stated overflow policy; see the module for who owns it and when it closes."""

    def __init__(self, name: str, *, capacity: int = 1024, overflow: Overflow = "block") -> None:
        rules = {
            "a mailbox's capacity must be 1 or more": capacity >= 1,
            f"a mailbox's overflow must be one of {', '.join(get_args(Overflow))}": overflow in get_args(Overflow),
        }
        if faults := [rule for rule, kept in rules.items() if not kept]:
            raise InvalidSpec(name, faults)
        self.name = name
        self.capacity = capacity
        self.overflow = overflow
        self.taken = 0
        self.lost = 0
        self.dropped = 0
        self.dead_letters: deque[DeadLetter] = deque(maxlen=DEAD_LETTERS_KEPT)
        self.closed = False
        self._queue: deque[T] = deque()
        self._in_hand = 0
        self._questions = Questions(name)
        self._arrival: anyio.Event | None = None
        self._waiting: deque[_Waiting] = deque()

    def __repr__(self) -> str:
        return f"<Mailbox {self.name} {self.depth}/{self.capacity} {self.overflow}>"

    @property
    def depth(self) -> int:
        """How many messages wait in the queue."""
        return len(self._queue)

    @property
    def accepted(self) -> int:
        """How many messages were ever put in; what was refused with an error is not among them."""
        return self.taken + self.dropped + self.depth

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
        await self._wait_for_room(message, timeout)

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
        with self._questions.asked(message, reply, timeout):
            await self.send(message, timeout=math.inf)
            return await reply.wait()

    def bind(self, pulse: Pulse | None = None) -> Inbox[T]:
        """Return the receiving end for one incarnation, which closes it; opens a closed mailbox.

        The incarnation's `pulse` beats with every message.
        """
        self.closed = False
        return Inbox(self, pulse or Pulse())

    async def arrival(self) -> None:
        """Wait until something has come, or never will; for its inbox."""
        self._arrival = self._arrival or anyio.Event()
        await self._arrival.wait()

    def rouse(self) -> None:
        """Wake whoever waits for an arrival."""
        if self._arrival is not None:
            self._arrival.set()
            self._arrival = None

    def take(self) -> T:
        """Take the next message out of the queue, for an inbox; raises `WouldBlock`, or `EndOfStream` once closed."""
        if not self._queue:
            raise anyio.EndOfStream if self.closed else anyio.WouldBlock
        message = self._queue.popleft()
        self.taken += 1
        self._in_hand += 1
        self._questions.taken(message)
        if self._waiting:
            self._move_up()
        return message

    def done(self) -> None:
        """Note that what was taken so far has been handled; for its inbox."""
        self._in_hand = 0

    def owner_down(self, cause: BaseException | None = None, *, dropped_work: bool) -> None:
        """Fail the questions that the ended incarnation held; what is still queued waits for the next one."""
        if dropped_work:
            self.lost += self._in_hand
        self._in_hand = 0
        self._questions.fail_taken("went down with the question", cause)

    def close(self, cause: BaseException | None = None) -> None:
        """Close for good: fail every question, refuse senders, bury what is left."""
        if self.closed:
            return
        self.closed = True
        while self._waiting:
            self._waiting.popleft().settled.set()  # turned away
        while self._queue:
            self._bury(self._queue.popleft(), "closed")
        self.rouse()
        self._questions.fail_all("is gone", cause)

    def _offer(self, message: T) -> bool:
        if self.closed:
            raise TargetDown(f"{self.name} is gone")
        if len(self._queue) >= self.capacity:
            return False
        self._queue.append(message)
        self.rouse()
        return True

    def _overflow(self, message: T) -> None:
        match self.overflow:
            case "drop_oldest":
                self._bury(self._queue.popleft(), "overflow")
                self._queue.append(message)
            case "drop_newest":
                self._bury(message, "overflow")
            case "block" | "reject":
                raise MailboxFull(f"{self.name}: {self.capacity} messages are waiting")

    async def _wait_for_room(self, message: T, timeout: float) -> None:
        waiting = _Waiting(message)
        self._waiting.append(waiting)
        try:
            with anyio.move_on_after(timeout):
                await waiting.settled.wait()
        finally:
            if not waiting.settled.is_set():
                self._waiting.remove(waiting)
        if not waiting.settled.is_set():
            raise MailboxFull(f"{self.name}: no room within {timeout:g} s")
        if not waiting.accepted:
            raise TargetDown(f"{self.name} is gone")

    def _move_up(self) -> None:
        """Let who waited longest have the room that there is."""
        while self._waiting and self.depth < self.capacity:
            waiting = self._waiting.popleft()
            waiting.accepted = self._offer(waiting.message)
            waiting.settled.set()

    def _bury(self, message: T, why: Literal["overflow", "closed"]) -> None:
        self.dropped += 1
        self.dead_letters.append(DeadLetter(datetime.now(UTC), why, message))
        if why == "overflow":
            self._questions.refuse(message, MailboxFull(f"{self.name}: the question was dropped ({self.overflow})"))
