"""One supervisor of the tree: the loop that starts, watches, judges, restarts and stops its children.

The loop owns every decision. A child's task only writes down what happened to it and wakes the loop, which then looks
at all its children: who became ready, who ended, whose deadline has passed, who is next to be stopped or started by
the rules of `order`. Nothing in a pass waits, so a stop or another crash is never held up by a slow start, and
everything that takes time is an instant that the loop sleeps towards.

A child that ignores its cancellation cannot be abandoned: its task group has to join it. It is declared unstopped
instead. A stop goes on without it, and `supervisor.stopped` names it, so that the host may end the process. A restart
of it is refused, as a failed start, until it has ended: there is never a second incarnation beside it. If a nested
supervisor is left with such a child, its parent is told its verdict before the join, not after.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import anyio

from horarium.supervisor import events, order
from horarium.supervisor.child import Child, Phase
from horarium.supervisor.decision import Bystander, Decision, Escalate, Exit, LetGo, RestartAfter, decide
from horarium.supervisor.errors import (
    ChildKilled,
    NoSuchChild,
    RestartIntensityExceeded,
    StartTimeout,
    StillRunning,
)
from horarium.supervisor.intensity import Intensity
from horarium.supervisor.life import Life
from horarium.supervisor.snapshot import LastExit, TreeNode, node_of
from horarium.supervisor.spec import ChildContext, ChildSpec, SupervisorSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anyio.abc import TaskGroup, TaskStatus

__all__ = ["Branch"]


class Branch:
    """The supervisor of one `SupervisorSpec`; `Supervisor` is the root's public face, parents hold the others."""

    def __init__(
        self,
        spec: SupervisorSpec,
        *,
        emit: Callable[[events.SupervisionEvent], None],
        random: Callable[[], float],
    ) -> None:
        self.spec = spec
        self.children = [self._record(child, emit, random) for child in spec.children]
        self.unstopped: tuple[str, ...] = ()
        self.started = False
        self.stopped = anyio.Event()
        self._emit = emit
        self._random = random
        self._intensity = Intensity(spec.intensity, spec.period)
        self._wake = anyio.Event()
        self.ending = False
        self._failure: RestartIntensityExceeded | None = None
        self._report: Callable[[BaseException | None], None] = lambda _: None

    async def run(self, context: ChildContext | None = None, *, task_status: TaskStatus[None]) -> None:  # noqa: ARG002 - a nested supervisor is started like any child
        """Supervise until an ordered stop or an escalation; raises `RestartIntensityExceeded` for the latter."""
        try:
            async with anyio.create_task_group() as group:
                await self._supervise(group, task_status)
                self._finish()
        finally:
            self._settle()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Ask for an ordered stop; returns at once."""
        self.ending = True
        for child in self.children:
            child.leaving = child.up or child.ending
        self._wake.set()

    def renew(self, report: Callable[[BaseException | None], None]) -> None:
        """Be as new for the next incarnation; `report` hears the verdict early if a child is left unstopped."""
        self._report = report
        self.ending, self._failure, self.started, self.unstopped = False, None, False, ()
        self.stopped = anyio.Event()
        self._intensity.clear()
        for child in self.children:
            child.forget()

    def kill(self, child_id: str, error: BaseException | None) -> None:
        """End a child's task as if it had crashed."""
        for branch, child in self.records():
            if child.spec.id == child_id and (child.up or child.ending):
                branch.fail(child, Exit("error", error or ChildKilled(f"{child_id} was killed")))
                return
        raise NoSuchChild(child_id)

    def records(self) -> Iterator[tuple[Branch, Child]]:
        """Yield every child of the subtree with the branch that it belongs to."""
        for child in self.children:
            yield self, child
            if child.nested is not None:
                yield from child.nested.records()

    def fail(self, child: Child, exit_: Exit) -> None:
        """Cancel a running child as a failure, with the exit that it is to be given."""
        if child.life is not None:
            self._cancel_child(child, child.life, exit_)

    def nodes(self) -> tuple[TreeNode, ...]:
        """Return the snapshot of every child."""
        return tuple(node_of(child, supervisor_ends=self.ending) for child in self.children)

    async def _supervise(self, group: TaskGroup, task_status: TaskStatus[None]) -> None:
        began_at = anyio.current_time()
        while True:
            self._wake = anyio.Event()
            self._look()
            if self.ending and order.all_down(self.children):
                return
            self._act(group)
            if not self.started and order.all_started(self.children):
                self.started = True
                self._emit(events.SupervisorStarted(self.spec.id, _ms(anyio.current_time() - began_at)))
                task_status.started()
            with anyio.CancelScope(deadline=order.next_instant(self.children, anyio.current_time())):
                await self._wake.wait()

    def _look(self) -> None:
        """Take in what the children's tasks wrote down, and the deadlines that have passed."""
        now = anyio.current_time()
        for child in self.children:
            life = child.life
            if life is None:
                continue
            if child.phase is Phase.STARTING and life.ready_at is not None:
                self._became_ready(child, life)
            if life.exit is not None and not life.judged:
                self._ended(child, life, life.exit)
            elif child.phase is Phase.UNSTOPPED and not life.alive:
                child.enter(Phase.DOWN)
            elif child.deadline <= now:
                self._expired(child, life)

    def _act(self, group: TaskGroup) -> None:
        """Stop and start whose turn has come."""
        if (leaver := order.next_to_stop(self.children)) is not None:
            self._stop_child(leaver)
        while not self.ending and (
            starter := order.next_to_start(self.children, self.spec.strategy, anyio.current_time())
        ):
            self._start_child(starter, group)

    def _became_ready(self, child: Child, life: Life) -> None:
        child.enter(Phase.RUNNING)
        child.ready_once = True
        ready_at = life.ready_at or life.began_at
        self._emit(events.ChildStarted(*self._who(child), _ms(ready_at - life.began_at)))
        if child.exited_at is not None:
            downtime = _ms(ready_at - child.exited_at)
            self._emit(events.ChildRestarted(*self._who(child), downtime, child.carried))

    def _ended(self, child: Child, life: Life, exit_: Exit) -> None:
        child.enter(Phase.UNSTOPPED if life.alive else Phase.DOWN)
        self._judge(child, life, exit_)
        if life.asked_at is not None and life.ended_at is not None:
            self._emit(events.ChildStopped(*self._who(child), _ms(life.ended_at - life.asked_at)))

    def _expired(self, child: Child, life: Life) -> None:
        match child.phase:
            case Phase.STARTING:
                seconds = child.spec.start_timeout
                self.fail(child, Exit("start_timeout", StartTimeout(f"not ready within {seconds:g} s")))
            case Phase.DRAINING:
                self._cancel_child(child, life)
            case Phase.STOPPING:
                self._declare_unstopped(child, life)

    def _declare_unstopped(self, child: Child, life: Life) -> None:
        child.enter(Phase.UNSTOPPED)
        child.leaving = False
        child.exited_at = anyio.current_time()
        after = _ms(child.exited_at - life.cancelled_at)
        self._emit(events.ChildUnstopped(*self._who(child), after, life.context.handling))
        if life.sentence is not None:
            self._judge(child, life, life.sentence)

    def _stop_child(self, child: Child) -> None:
        life = child.life
        if life is None:
            return
        life.ask_to_stop()
        if child.nested is not None:
            child.nested.stop()
        if child.spec.drain > 0 and (child.nested is not None or child.phase is Phase.RUNNING):
            child.enter(Phase.DRAINING, within=child.spec.drain)
        else:
            self._cancel_child(child, life)

    def _cancel_child(self, child: Child, life: Life, sentence: Exit | None = None) -> None:
        life.cancel(sentence)
        if child.phase is not Phase.STOPPING:
            child.enter(Phase.STOPPING, within=child.spec.shutdown)
        self._wake.set()

    def _start_child(self, child: Child, group: TaskGroup) -> None:
        if child.life is not None and child.life.alive:
            child.leader = None
            self._judge(child, child.life, Exit("start_failed", StillRunning("the last incarnation has not ended")))
            return
        child.incarnation += 1
        mailbox = child.spec.mailbox
        inbox = None if mailbox is None else mailbox.bind()
        child.carried = 0 if mailbox is None else mailbox.depth
        context = ChildContext(child.spec.id, child.incarnation, inbox)
        life = child.life = Life(context, inbox, wake=self._rouse)
        if child.nested is not None:
            child.nested.renew(report=life.conclude)
        child.enter(Phase.STARTING, within=child.spec.start_timeout)
        group.start_soon(life.run, child.spec.start, name=child.spec.id)

    def _judge(self, child: Child, life: Life, exit_: Exit) -> None:
        """Decide about one exit, tell it, and carry the decision out."""
        life.judged = True
        child.exited_at = life.ended_at if life.ended_at is not None else anyio.current_time()
        decision = decide(
            exit_,
            child.spec.restart,
            supervisor_ends=self.ending,
            leader=child.leader,
            schedule=partial(self._schedule, child),
        )
        child.leaving, child.leader = False, None
        child.last_exit = LastExit(str(exit_), str(decision), datetime.now(UTC))
        uptime = 0.0 if life.ready_at is None else child.exited_at - life.ready_at
        self._emit(events.ChildExited(*self._who(child), exit_.reason, decision, _ms(uptime), error=exit_.error))
        if child.spec.mailbox is not None:
            child.spec.mailbox.owner_down(exit_.error)
        self._carry_out(decision, child, exit_)
        self._wake.set()

    def _schedule(self, child: Child, because: str) -> RestartAfter | Escalate:
        now = anyio.current_time()
        if not self._intensity.admit(now):
            limit = f"more than {self.spec.intensity} restarts in {self.spec.period:g} s"
            return Escalate(f"{limit}; {because}")
        child.attempt = 1 if child.was_healthy() else child.attempt + 1
        return RestartAfter(because, child.spec.backoff.delay(child.attempt, self._random), child.attempt)

    def _carry_out(self, decision: Decision, child: Child, exit_: Exit) -> None:
        now = anyio.current_time()
        match decision:
            case RestartAfter(delay=delay, attempt=attempt):
                child.restarts += 1
                child.due = now + delay
                self._emit(events.RestartScheduled(*self._who(child), _ms(delay), attempt, child.restarts))
                self._involve(child)
            case Bystander():
                child.restarts += 1
                child.due = now
            case LetGo():
                child.ended = True
                if child.spec.mailbox is not None and not self.ending:
                    child.spec.mailbox.close(exit_.error)
            case Escalate():
                self._escalate(child, exit_)

    def _involve(self, leader: Child) -> None:
        for other in order.affected(self.children, leader, self.spec.strategy):
            if other.up or other.ending:
                other.leaving, other.leader = True, leader.spec.id
            elif other.ended and other.spec.restart == "transient":
                other.ended, other.due = False, anyio.current_time()

    def _escalate(self, child: Child, exit_: Exit) -> None:
        child.ended = True
        spec = self.spec
        self._failure = RestartIntensityExceeded(spec.id, child.spec.id, spec.intensity, spec.period)
        self._failure.__cause__ = exit_.error
        self._emit(events.SupervisorEscalated(spec.id, child.spec.id, spec.intensity, spec.period))
        self.stop()

    def _finish(self) -> None:
        self.unstopped = tuple(child.spec.id for child in self.children if child.phase is Phase.UNSTOPPED)
        self._emit(events.SupervisorStopped(self.spec.id, self.unstopped))
        self.stopped.set()
        if self.unstopped:
            self._report(self._failure)

    def _settle(self) -> None:
        """Account for the exits that came after the loop: latecomers, or all of them when it was cancelled."""
        self.ending = True
        self._look()
        if not self.stopped.is_set():
            self._finish()

    def _rouse(self) -> None:
        self._wake.set()

    def _who(self, child: Child) -> tuple[str, str, int]:
        return self.spec.id, child.spec.id, child.incarnation

    def _record(
        self,
        spec: ChildSpec | SupervisorSpec,
        emit: Callable[[events.SupervisionEvent], None],
        random: Callable[[], float],
    ) -> Child:
        if isinstance(spec, ChildSpec):
            return Child(spec)
        nested = Branch(spec, emit=emit, random=random)
        as_child = ChildSpec(
            id=spec.id,
            start=nested.run,
            restart=spec.restart,
            shutdown=spec.stop_seconds - spec.drain,
            drain=spec.drain,
            start_timeout=math.inf,
            backoff=spec.backoff,
        )
        return Child(as_child, nested)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
