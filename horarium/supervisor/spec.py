"""What a tree is made of: specs, which are data.

A tree is an ordered tuple of `ChildSpec` and nested `SupervisorSpec`. Children start in that order, each ready before
the next begins, and stop in reverse. Ids are unique in the whole tree, so that an id alone finds a child in a log
line, a snapshot or a command. A broken spec fails where it is written, with every fault named at once.

A child is one async function, `run(context, *, task_status)`. It runs inline and never backgrounds itself, calls
`task_status.started()` when its resource works, and ends by returning, raising or being cancelled. Its mailbox
belongs to the tree: each incarnation gets its own `inbox`, so that a crash never closes the shared stream.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from horarium.supervisor.backoff import Backoff
from horarium.supervisor.errors import InvalidSpec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from anyio.abc import TaskStatus

    from horarium.supervisor.context import ChildContext
    from horarium.supervisor.mailbox import Mailbox

__all__ = ["AutoShutdown", "ChildSpec", "ChildStart", "Restart", "Shutdown", "Strategy", "SupervisorSpec"]

BRUTAL_SECONDS = 0.1
"""How long a cancelled child has at least until it is declared unstopped: Python cannot kill a task."""

NESTED_GRACE = 1.0
"""Seconds beyond the summed deadlines of a nested supervisor's children, for its own bookkeeping."""

MAX_FAILURES = 20
"""Failures in a row that are put up with, unless a spec says otherwise."""

Restart = Literal["permanent", "transient", "temporary"]
Strategy = Literal["one_for_one", "rest_for_one", "one_for_all"]
AutoShutdown = Literal["never", "any_significant", "all_significant"]
Shutdown = float | Literal["brutal"]


class ChildStart(Protocol):
    """A child's entry point: runs inline until the child is done."""

    def __call__(self, context: ChildContext, /, *, task_status: TaskStatus[None]) -> Awaitable[None]:
        """Run the child."""


@dataclass(frozen=True)
class ChildSpec:
    """One child.

    `permanent` children are always restarted, `transient` ones after an abnormal exit, `temporary` ones never. All
    times are seconds. To stop, `context.stopping` is set; after `drain` the child is cancelled; after a further
    `shutdown` it is reported as unstopped and its siblings' stop goes on without it. `shutdown="brutal"` cancels at
    once and waits for nobody.

    A child that gives no sign of life for `watchdog` seconds is taken to hang (see `watchdog.py`); None: it is not
    watched. More than `max_failures` failures in a row, without a healthy period between, end its supervisor; None:
    only the supervisor's own limit counts. A `significant` child that is done may end its supervisor well, as that
    one's `auto_shutdown` has it.
    """

    id: str
    start: ChildStart
    restart: Restart = "permanent"
    shutdown: Shutdown = 2.0
    drain: float = 0.0
    start_timeout: float = 30.0
    backoff: Backoff = field(default_factory=Backoff)
    mailbox: Mailbox[Any] | None = None
    watchdog: float | None = None
    significant: bool = False
    max_failures: int | None = MAX_FAILURES

    def __post_init__(self) -> None:
        """Refuse a spec that breaks its rules."""
        rules = {
            "start must be a function": callable(self.start),
            "shutdown must be 0 or more, or 'brutal'": self.brutal or _at_least_0(self.shutdown),
            "drain must be 0 or more": _at_least_0(self.drain),
            "drain must be 0 where shutdown is 'brutal'": not (self.brutal and self.drain),
            "start_timeout must be above 0": self.start_timeout > 0,
            "watchdog must be above 0, or None": self.watchdog is None or self.watchdog > 0,
        }
        _refuse(self.id, _broken(rules) + _common_faults(self))

    @property
    def brutal(self) -> bool:
        """Whether the child is stopped without being asked."""
        return self.shutdown == "brutal"

    @property
    def shutdown_seconds(self) -> float:
        """How long it may take to end once it is cancelled."""
        return BRUTAL_SECONDS if self.shutdown == "brutal" else max(self.shutdown, BRUTAL_SECONDS)

    @property
    def stop_seconds(self) -> float:
        """The longest that an orderly stop of this child takes."""
        return self.drain + self.shutdown_seconds


@dataclass(frozen=True)
class SupervisorSpec:
    """A supervisor and its children, in start order.

    It gives up when more than `intensity` restarts fall within `period` seconds; nested, that is an abnormal exit in
    its parent, judged by `restart`, `backoff` and `max_failures` here. `auto_shutdown` says whether it ends well when
    a significant child is done, or when all of them are. `shutdown` is how long its own ordered stop may take before
    its parent cuts it short; None means as long as its children may take one after the other.
    """

    id: str
    children: tuple[ChildSpec | SupervisorSpec, ...]
    strategy: Strategy = "one_for_one"
    intensity: int = 10
    period: float = 60.0
    auto_shutdown: AutoShutdown = "never"
    restart: Restart = "permanent"
    backoff: Backoff = field(default_factory=Backoff)
    shutdown: float | None = None
    significant: bool = False
    max_failures: int | None = MAX_FAILURES

    def __post_init__(self) -> None:
        """Refuse a spec that breaks its rules."""
        ids = Counter(spec.id for spec in self.walk())
        mailboxes = Counter(id(spec.mailbox) for spec in self.workers() if spec.mailbox is not None)
        rules = {
            f"strategy must be one of {', '.join(get_args(Strategy))}": self.strategy in get_args(Strategy),
            f"auto_shutdown must be one of {', '.join(get_args(AutoShutdown))}": self.auto_shutdown
            in get_args(AutoShutdown),
            "intensity must be 0 or more": self.intensity >= 0,
            "period must be above 0": self.period > 0,
            "shutdown must be 0 or more": self.shutdown is None or _at_least_0(self.shutdown),
            "a mailbox must have one owner": all(count == 1 for count in mailboxes.values()),
        }
        faults = _broken(rules)
        faults += [f"id {name!r} is used {count} times" for name, count in ids.items() if count > 1]
        faults += [fault for child in self.children if (fault := self.objection(child))]
        _refuse(self.id, faults + _common_faults(self))

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

    def objection(self, child: ChildSpec | SupervisorSpec) -> str | None:
        """Say why this supervisor cannot have that child; None if it can."""
        if child.significant and self.auto_shutdown == "never":
            return f"{child.id!r} is significant, which means nothing where auto_shutdown is never"
        return None

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


def _common_faults(spec: ChildSpec | SupervisorSpec) -> list[str]:
    """Name the broken rules of those that workers and supervisors share."""
    rules = {
        "id must not be empty": bool(spec.id),
        f"restart must be one of {', '.join(get_args(Restart))}": spec.restart in get_args(Restart),
        "max_failures must be 0 or more, or None": spec.max_failures is None or spec.max_failures >= 0,
        "a significant child cannot be permanent: it is never done": not (
            spec.significant and spec.restart == "permanent"
        ),
    }
    return _broken(rules) + spec.backoff.faults()


def _at_least_0(seconds: object) -> bool:
    return isinstance(seconds, int | float) and seconds >= 0


def _broken(rules: dict[str, bool]) -> list[str]:
    return [rule for rule, kept in rules.items() if not kept]


def _refuse(spec_id: str, faults: list[str]) -> None:
    if faults:
        raise InvalidSpec(spec_id, faults)
