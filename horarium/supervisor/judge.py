"""What a supervisor makes of the end of a child: the decision, and what it means for the others.

Every exit is judged once. The limits live here: restarts within the supervisor's window, and failures of one child in
a row, which the window alone would miss when the pauses between them are longer than it. Past either, and when a
significant child is done, the verdict is about the supervisor itself, and its `Branch` carries it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import anyio

from horarium.supervisor import events, order
from horarium.supervisor.decision import (
    Bystander,
    Decision,
    Escalate,
    Exit,
    LetGo,
    Requested,
    RestartAfter,
    ShutDown,
    decide,
)
from horarium.supervisor.errors import StillRunning
from horarium.supervisor.events import ms
from horarium.supervisor.intensity import Intensity
from horarium.supervisor.snapshot import LastExit
from horarium.supervisor.watch import Down

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from horarium.supervisor.child import Child
    from horarium.supervisor.life import Life
    from horarium.supervisor.spec import SupervisorSpec
    from horarium.supervisor.watch import Watch

__all__ = ["Judge", "Tree"]


@dataclass(frozen=True)
class Tree:
    """What all supervisors of one tree share: the hook for events, the source of jitter, and watching by id."""

    emit: Callable[[events.SupervisionEvent], None]
    random: Callable[[], float]
    watch: Callable[[str], Watch]


class Judge:
    """The judge of one supervisor's children; `spec` is the supervisor's, as it stands."""

    def __init__(self, spec: SupervisorSpec, children: Sequence[Child], tree: Tree) -> None:
        self.spec = spec
        self._children = children
        self._tree = tree
        self._intensity = Intensity(spec.intensity, spec.period)

    def forget(self) -> None:
        """Begin to count anew, for a supervisor that is started anew."""
        self._intensity.clear()

    def judge(self, child: Child, life: Life, exit_: Exit, *, supervisor_ends: bool) -> Decision:
        """Decide about one exit, tell it, and put the child and its siblings in order accordingly.

        A start that is refused beside an incarnation that will not end is judged like an exit, and is none: that one's
        own exit, and what was in store for it, are still to come.
        """
        refused = isinstance(exit_.error, StillRunning)
        decision = decide(
            exit_,
            "permanent" if refused else child.spec.restart,
            supervisor_ends=supervisor_ends,
            fate=None if refused else child.fate,
            closes=self._closes(child),
            schedule=partial(self._schedule, child),
        )
        if not refused:
            life.judged = True
            child.exited_at = life.ended_at if life.ended_at is not None else anyio.current_time()
            child.leaving, child.fate = False, None
        child.last_exit = LastExit(str(exit_), str(decision), datetime.now(UTC))
        exited_at = anyio.current_time() if child.exited_at is None else child.exited_at
        uptime = 0.0 if life.ready_at is None else exited_at - life.ready_at
        self._tree.emit(events.ChildExited(*self.who(child), exit_.reason, decision, ms(uptime), error=exit_.error))
        if not refused:
            self._tell(child, life, exit_)
        self._carry_out(decision, child, exit_, supervisor_ends=supervisor_ends)
        return decision

    def bring_back(self, child: Child, *, delay: float = 0.0, attempt: int = 0) -> None:
        """Set the child's next start, and stop the siblings that the supervisor's strategy makes start with it."""
        child.restarts += 1
        child.due = anyio.current_time() + delay
        self._tree.emit(events.RestartScheduled(*self.who(child), ms(delay), attempt, child.restarts))
        for other in order.affected(self._children, child, self.spec.strategy):
            if other.up or other.ending:
                other.leaving, other.fate = True, other.fate or Bystander(child.spec.id)
            elif other.ended and other.fate is None and other.spec.restart == "transient":
                other.ended, other.due = False, anyio.current_time()

    def who(self, child: Child) -> tuple[str, str, int]:
        """The fields that every event of a child begins with."""
        return self.spec.id, child.spec.id, child.incarnation

    def _closes(self, child: Child) -> bool:
        if not child.spec.significant:
            return False
        others = (other for other in self._children if other.spec.significant and other is not child)
        return self.spec.auto_shutdown == "any_significant" or all(other.ended for other in others)

    def _schedule(self, child: Child, because: str) -> RestartAfter | Escalate:
        child.attempt = 1 if child.was_healthy() else child.attempt + 1
        most = child.spec.max_failures
        if most is not None and child.attempt > most:
            return Escalate(f"more than {most} failures in a row", because)
        if not self._intensity.admit(anyio.current_time()):
            return Escalate(f"more than {self.spec.intensity} restarts in {self.spec.period:g} s", because)
        return RestartAfter(because, child.spec.backoff.delay(child.attempt, self._tree.random), child.attempt)

    def _tell(self, child: Child, life: Life, exit_: Exit) -> None:
        if child.spec.mailbox is not None:
            if life.context.inbox is not None:
                life.context.inbox.close()  # one that is given up and still runs takes no more letters
            child.spec.mailbox.owner_down(exit_.error, dropped_work=life.unfinished)
        down = Down(child.spec.id, child.incarnation, exit_.reason, exit_.error)
        for watch in child.watches:
            watch.fire(down)
        child.watches.clear()

    def _carry_out(self, decision: Decision, child: Child, exit_: Exit, *, supervisor_ends: bool) -> None:
        match decision:
            case RestartAfter(delay=delay, attempt=attempt):
                self.bring_back(child, delay=delay, attempt=attempt)
            case Requested():
                self.bring_back(child)
            case Bystander():
                child.restarts += 1
                child.due = anyio.current_time()
            case LetGo() | ShutDown() | Escalate():
                child.ended = True
                if child.spec.mailbox is not None and not supervisor_ends:
                    child.spec.mailbox.close(exit_.error)
        child.tell()
