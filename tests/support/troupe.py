"""A supervisor over scripted actors, and the records of everybody who has to do with it.

The troupe gives the tree its commands, sends letters, asks and watches, and keeps what each of them came to. The
supervisor's events arrive in `hear`, each with its instant. `promises` compares these records with one another.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import anyio

from horarium.supervisor import (
    AskTimeout,
    ChildSpec,
    Down,
    InvalidSpec,
    Mailbox,
    MailboxFull,
    NoSuchChild,
    NotRunning,
    Reply,
    RestartIntensityExceeded,
    StartFailed,
    StillRunning,
    SupervisionEvent,
    Supervisor,
    SupervisorSpec,
    TargetDown,
)
from tests.support.scripted import Actor, Deed, Incarnation, Letter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

__all__ = ["Errand", "Heard", "Post", "Troupe", "Vigil"]

Sent = Literal["under way", "accepted", "refused"]


@dataclass(eq=False)
class Post:
    """One mailbox as its senders and its actor know it: what each letter came to."""

    mailbox: Mailbox[Letter]
    actor: Actor
    sent: dict[Letter, Sent] = field(default_factory=dict)
    buried: list[Letter] = field(default_factory=list)
    lost: list[Letter] = field(default_factory=list)
    dropped_before: int = 0


@dataclass(eq=False)
class Question:
    """One ask: when it must have come to an end, and to what it came."""

    letter: Letter
    post: Post
    until: float
    came_to: list[object] = field(default_factory=list)


@dataclass(eq=False)
class Vigil:
    """One watch: the incarnation that it was set on, None if there was none, and what it was told."""

    child: str
    on: int | None
    fired: list[Down] = field(default_factory=list)
    told: list[Down] = field(default_factory=list)


@dataclass(eq=False)
class Errand:
    """An `add` or a `remove` that somebody waits for."""

    what: Literal["add", "remove"]
    child: str
    came_to: list[object] = field(default_factory=list)


@dataclass(frozen=True)
class Heard:
    """An event, and when it was heard."""

    at: float
    event: SupervisionEvent


class Troupe:
    """One tree, its actors, and everybody's records."""

    def __init__(self) -> None:
        self.actors: dict[str, Actor] = {}
        self.posts: dict[str, Post] = {}
        self.questions: list[Question] = []
        self.vigils: list[Vigil] = []
        self.errands: list[Errand] = []
        self.removed: set[str] = set()
        self.killed: set[str] = set()
        self.heard: list[Heard] = []
        self.broken: list[str] = []
        self.result: list[BaseException | None] = []
        self.stop_asked_at: float | None = None
        self.cancelled = False
        self.on_event: Callable[[Heard], None] = lambda _: None
        self.on_begin: Callable[[Actor, Incarnation], None] = lambda *_: None
        self.supervisor: Supervisor
        self._group: TaskGroup | None = None
        self._letters = 0

    # What the tree is made of.

    def child(self, child_id: str, mailbox: Mailbox[Letter] | None, **options: Any) -> ChildSpec:
        """A scripted child."""
        actor = self.actors[child_id] = Actor(child_id, self._begins, lambda *_: None)
        if mailbox is not None:
            self.posts[child_id] = Post(mailbox, actor)
        return ChildSpec(child_id, actor.run, mailbox=mailbox, **options)

    def found(self, spec: SupervisorSpec, random: Callable[[], float]) -> None:
        """Make the tree."""
        self.supervisor = Supervisor(spec, on_event=self._hear, random=random)

    # Life in the loop.

    async def main(self) -> None:
        """Run the tree, and everybody who waits for something, until cancelled."""
        async with anyio.create_task_group() as self._group:
            self._group.start_soon(self._run)
            await anyio.sleep_forever()

    async def _run(self) -> None:
        try:
            await self.supervisor.run()
        except RestartIntensityExceeded as error:
            self.result.append(error)
        except Exception as error:  # noqa: BLE001 - whatever else leaves the tree is a broken promise
            self.broken.append(f"the tree raised {error!r}")
            self.result.append(error)
        else:
            self.result.append(None)

    @property
    def over(self) -> bool:
        """Whether the tree has ended."""
        return bool(self.result)

    def start(self, function: Callable[..., Awaitable[None]], *args: object) -> None:
        """Have somebody wait for something."""
        assert self._group is not None
        self._group.start_soon(function, *args)

    # Commands.

    def stop(self) -> None:
        """Stop the tree in order."""
        self.stop_asked_at = self.stop_asked_at or anyio.current_time()
        self.supervisor.stop()

    def cancel(self) -> None:
        """Cancel the tree's children at once."""
        self.cancelled = True
        self.stop_asked_at = self.stop_asked_at or anyio.current_time()
        self.supervisor.cancel()

    def restart(self, child_id: str) -> None:
        """Ask for a restart, which may be refused."""
        self._command(self.supervisor.restart, child_id)

    def kill(self, child_id: str) -> None:
        """Kill a child, which may not be there."""
        self.killed.add(child_id)
        self._command(self.supervisor.kill, child_id)

    def _command(self, command: Callable[[str], None], child_id: str) -> None:
        with suppress(NotRunning, NoSuchChild, StillRunning):
            command(child_id)

    def add(self, spec: ChildSpec | SupervisorSpec, to: str) -> None:
        """Add a child."""
        errand = Errand("add", spec.id)
        self.errands.append(errand)
        self.start(self._wait_for, errand, lambda: self.supervisor.add(spec, to=to))

    def remove(self, child_id: str) -> None:
        """Remove a child."""
        errand = Errand("remove", child_id)
        self.errands.append(errand)
        self.start(self._wait_for, errand, lambda: self.supervisor.remove(child_id))

    async def _wait_for(self, errand: Errand, command: Callable[[], Awaitable[None]]) -> None:
        try:
            await command()
        except (StartFailed, NoSuchChild, NotRunning, StillRunning, InvalidSpec) as error:
            errand.came_to.append(error)
        else:
            errand.came_to.append(None)
            if errand.what == "remove":
                self.removed.add(errand.child)

    # Letters, questions, watches.

    def send_nowait(self, post: Post, deed: Deed) -> None:
        """Send a letter without waiting."""
        letter = self._letter(deed)
        try:
            post.mailbox.send_nowait(letter)
        except (MailboxFull, TargetDown):
            post.sent[letter] = "refused"
        else:
            post.sent[letter] = "accepted"

    def send(self, post: Post, deed: Deed, timeout: float) -> None:
        """Send a letter, waiting for room."""
        letter = self._letter(deed)
        post.sent[letter] = "under way"
        self.start(self._send, post, letter, timeout)

    async def _send(self, post: Post, letter: Letter, timeout: float) -> None:
        try:
            await post.mailbox.send(letter, timeout=timeout)
        except (MailboxFull, TargetDown):
            post.sent[letter] = "refused"
        else:
            post.sent[letter] = "accepted"

    def ask(self, post: Post, deed: Deed, timeout: float) -> None:
        """Ask a question; a letter of deed `note` is answered with its number."""
        question = Question(self._letter(deed), post, anyio.current_time() + timeout)
        self.questions.append(question)
        self.start(self._ask, question, timeout)

    async def _ask(self, question: Question, timeout: float) -> None:
        def build(reply: Reply[int]) -> Letter:
            question.letter.reply = reply
            return question.letter

        try:
            question.came_to.append(await question.post.mailbox.ask(build, timeout=timeout))
        except (TargetDown, AskTimeout, MailboxFull) as error:
            question.came_to.append(error)

    def watch(self, child_id: str) -> None:
        """Watch an actor, and count what the watch is told."""
        last = next(reversed(self.actors[child_id].lives), None)
        vigil = Vigil(child_id, None if last is None or last.judged else last.number)
        try:
            watch = self.supervisor.watch(child_id)
        except NoSuchChild:
            return
        fire = watch.fire

        def counted(down: Down) -> None:
            vigil.fired.append(down)
            fire(down)

        watch.fire = counted  # type: ignore[method-assign]
        self.vigils.append(vigil)

        async def wait() -> None:
            vigil.told.append(await watch.down())

        self.start(wait)

    def _letter(self, deed: Deed) -> Letter:
        self._letters += 1
        return Letter(self._letters, deed)

    # Records.

    def _begins(self, actor: Actor, me: Incarnation) -> None:
        self.on_begin(actor, me)

    def _hear(self, event: SupervisionEvent) -> None:
        heard = Heard(anyio.current_time(), event)
        self.heard.append(heard)
        self.on_event(heard)
