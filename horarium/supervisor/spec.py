"""What a tree is made of: specs, which are data, and the context in which a child runs.

A tree is an ordered tuple of `ChildSpec` and nested `SupervisorSpec`. Children start in that order, each ready before
the next begins, and stop in reverse. Ids are unique in the whole tree, so that an id alone finds a child in a log
line, a snapshot or a kill. A broken spec fails where it is written, with every fault named at once.

A child is one async function, `run(context, *, task_status)`. It runs inline and never backgrounds itself, calls
`task_status.started()` when its resource works, and ends by returning, raising or being cancelled. Its mailbox
belongs to the tree: each incarnation gets its own `inbox`, a clone, so that a crash never closes the shared stream.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import anyio

from horarium.supervisor.backoff import Backoff
from horarium.supervisor.errors import InvalidSpec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from anyio.abc import TaskStatus
    from anyio.streams.memory import MemoryObjectReceiveStream

    from horarium.supervisor.mailbox import Mailbox

__all__ = ["ChildContext", "ChildSpec", "ChildStart", "Restart", "Strategy", "SupervisorSpec"]

NESTED_GRACE = 1.0  # seconds beyond the summed deadlines of a nested supervisor's children, for its own bookkeeping

Restart = Literal["permanent", "transient", "temporary"]
Strategy = Literal["one_for_one", "rest_for_one", "one_for_all"]


@dataclass(eq=False)
class ChildContext:
    """What one incarnation is given: who it is, its inbox if it has a mailbox, and the word that it should stop."""

    id: str
    incarnation: int
    inbox: MemoryObjectReceiveStream[Any] | None = None
    stopping: anyio.Event = field(default_factory=anyio.Event)
    handling: str | None = None

    def working_on(self, text: str | None) -> None:
        """Note what the child is handling, for whoever reads the tree; None when it is idle."""
        self.handling = text


class ChildStart(Protocol):
    """A child's entry point: runs inline until the child is done."""

    def __call__(self, context: ChildContext, /, *, task_status: TaskStatus[None]) -> Awaitable[None]:
        """Run the child."""


@dataclass(frozen=True)
class ChildSpec:
    """One child.

    `permanent` children are always restarted, `transient` ones after an abnormal exit, `temporary` ones never. All
    times are seconds. To stop, `context.stopping` is set; after `drain` the child is cancelled; after a further
    `shutdown` it is reported as unstopped and its siblings' stop goes on without it.
    """

    id: str
    start: ChildStart
    restart: Restart = "permanent"
    shutdown: float = 2.0
    drain: float = 0.0
    start_timeout: float = 30.0
    backoff: Backoff = field(default_factory=Backoff)
    mailbox: Mailbox[Any] | None = None

    def __post_init__(self) -> None:
        """Refuse a spec that breaks its rules."""
        rules = {
            "id must not be empty": bool(self.id),
            "shutdown must be 0 or more": self.shutdown >= 0,
            "drain must be 0 or more": self.drain >= 0,
            "start_timeout must be above 0": self.start_timeout > 0,
        }
        _refuse(self.id, [rule for rule, kept in rules.items() if not kept] + self.backoff.faults())

    @property
    def stop_seconds(self) -> float:
        """The longest that an orderly stop of this child takes."""
        return self.drain + self.shutdown


@dataclass(frozen=True)
class SupervisorSpec:
    """A supervisor and its children, in start order.

    It gives up when more than `intensity` restarts fall within `period` seconds; nested, that is an abnormal exit in
    its parent, judged by `restart` and `backoff` here. `shutdown` is how long its own ordered stop may take before
    its parent cuts it short; None means as long as its children may take one after the other.
    """

    id: str
    children: tuple[ChildSpec | SupervisorSpec, ...]
    strategy: Strategy = "one_for_one"
    intensity: int = 10
    period: float = 60.0
    restart: Restart = "permanent"
    backoff: Backoff = field(default_factory=Backoff)
    shutdown: float | None = None

    def __post_init__(self) -> None:
        """Refuse a spec that breaks its rules."""
        ids = Counter(spec.id for spec in self.walk())
        mailboxes = Counter(id(spec.mailbox) for spec in self.workers() if spec.mailbox is not None)
        rules = {
            "id must not be empty": bool(self.id),
            "intensity must be 0 or more": self.intensity >= 0,
            "period must be above 0": self.period > 0,
            "shutdown must be 0 or more": self.shutdown is None or self.shutdown >= 0,
            "a mailbox must have one owner": all(count == 1 for count in mailboxes.values()),
        }
        faults = [rule for rule, kept in rules.items() if not kept]
        faults += [f"id {name!r} is used {count} times" for name, count in ids.items() if count > 1]
        _refuse(self.id, faults + self.backoff.faults())

    @property
    def drain(self) -> float:
        """How long its own ordered stop may take."""
        if self.shutdown is not None:
            return self.shutdown
        return sum(child.stop_seconds for child in self.children) + NESTED_GRACE

    @property
    def stop_seconds(self) -> float:
        """The longest that a stop of this subtree takes, when the ordered one has to be cut short."""
        return self.drain + NESTED_GRACE

    def walk(self) -> Iterator[ChildSpec | SupervisorSpec]:
        """Yield this spec and every one below it, in start order."""
        yield self
        for child in self.children:
            if isinstance(child, SupervisorSpec):
                yield from child.walk()
            else:
                yield child

    def workers(self) -> Iterator[ChildSpec]:
        """Yield every child of the subtree that is no supervisor."""
        return (spec for spec in self.walk() if isinstance(spec, ChildSpec))


def _refuse(spec_id: str, faults: list[str]) -> None:
    if faults:
        raise InvalidSpec(spec_id, faults)
