"""One supervisor of the tree: the loop that starts, watches, restarts and stops its children.

The loop owns every decision. A child's task only writes down what happened to it and wakes the loop, which then looks
at all its children: who became ready, who ended, who hangs, whose deadline has passed, who is next to be stopped or
started by the rules of `order`. Nothing in a pass waits, so a stop or another crash is never held up by a slow start,
and everything that takes time is an instant that the loop sleeps towards.

A child that ignores its cancellation cannot be abandoned: its task group has to join it. It is declared unstopped
instead, with its stack. A stop goes on without it, and `supervisor.stopped` names it, so that the host may end the
process. A restart of it is refused, as a failed start, until it has ended: there is never a second incarnation beside
it. If a nested supervisor is left with such a child, its parent is told its verdict before the join, not after.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import anyio

from horarium.supervisor import events, order
from horarium.supervisor.child import Child, Phase
from horarium.supervisor.context import ChildContext
from horarium.supervisor.decision import Escalate, Exit, Fate, LetGo, ShutDown
from horarium.supervisor.errors import Hung, RestartIntensityExceeded, StartTimeout, StillRunning
from horarium.supervisor.events import ms
from horarium.supervisor.judge import Judge, Tree
from horarium.supervisor.life import Life
from horarium.supervisor.snapshot import TreeNode, node_of
from horarium.supervisor.spec import NESTED_GRACE, ChildSpec, SupervisorSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anyio.abc import TaskGroup, TaskStatus

__all__ = ["Branch"]


class Branch:
    """The supervisor of one `SupervisorSpec`; `Supervisor` is the root's public face, parents hold the others."""

    def __init__(self, spec: SupervisorSpec, tree: Tree) -> None:
        self.spec = spec
        self.children: list[Child] = [self._record(child, tree) for child in spec.children]
        self.unstopped: tuple[str, ...] = ()
        self.started = False
        self.ending = False
        self.stopped = anyio.Event()
        self._tree = tree
        self._judge = Judge(spec, self.children, tree)
        self._wake = anyio.Event()
        self._failure: RestartIntensityExceeded | None = None
        self._done = False
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

    def cancel(self) -> None:
        """Cancel all children at once, each with the time that its spec gives it to end; returns at once."""
        self.ending = True
        for child in self.children:
            if child.life is None or not (child.up or child.phase is Phase.DRAINING):
                continue
            child.life.ask_to_stop()
            if child.nested is None:
                self._cancel_child(child, child.life)
            else:
                child.nested.cancel()
                child.enter(Phase.DRAINING, within=child.nested.spec.drain)
        self._wake.set()

    def follow(self, spec: SupervisorSpec) -> None:
        """Be the supervisor of a spec that has children more or less than the one before; theirs are followed too."""
        known = {child.spec.id: child for child in self.children}
        self.spec = self._judge.spec = spec
        self.children[:] = [known.get(child.id) or self._record(child, self._tree) for child in spec.children]
        for child, child_spec in zip(self.children, spec.children, strict=True):
            if child.nested is not None and isinstance(child_spec, SupervisorSpec):
                child.nested.follow(child_spec)
        self._wake.set()

    def dismiss(self, child: Child, fate: Fate) -> None:
        """Stop a running child in order for the sake of `fate`, which is then the decision about its exit."""
        child.leaving, child.fate = True, fate
        self._wake.set()

    def hurry(self, child: Child) -> None:
        """Let a child that waits for its restart wait no longer."""
        child.due = anyio.current_time()
        self._wake.set()

    def fail(self, child: Child, exit_: Exit) -> None:
        """Cancel a running child as a failure, with the exit that it is to be given."""
        if child.life is not None:
            self._cancel_child(child, child.life, exit_)

    def renew(self, report: Callable[[BaseException | None], None]) -> None:
        """Be as new for the next incarnation; `report` hears the verdict early if a child is left unstopped."""
        self._report = report
        self.ending, self._failure, self.started, self.unstopped = False, None, False, ()
        self._done = False
        self.stopped = anyio.Event()
        self._judge.forget()
        for child in self.children:
            child.forget()

    def records(self) -> Iterator[tuple[Branch, Child]]:
        """Yield every child of the subtree with the branch that it belongs to."""
        for child in self.children:
            yield self, child
            if child.nested is not None:
                yield from child.nested.records()

    def close(self) -> None:
        """Tell everybody below that nothing more comes, those too whose turn to start never came."""
        self.ending = True
        for child in self.children:
            child.tell()
            if child.nested is not None:
                child.nested.close()

    def nodes(self) -> tuple[TreeNode, ...]:
        """Return the snapshot of every child."""
        return tuple(node_of(child, supervisor_ends=self.ending) for child in self.children)

    async def _supervise(self, group: TaskGroup, task_status: TaskStatus[None]) -> None:
        began_at = anyio.current_time()
        while True:
            self._wake = anyio.Event()
            now = anyio.current_time()  # one for the whole pass: an instant that passes meanwhile is for the next one
            self._look(now)
            if self.ending and order.all_down(self.children):
                if self._done and not self.started:
                    task_status.started()  # done before all were ready: that is no failed start
                return
            self._act(group, now)
            if not self.started and order.all_started(self.children):
                self.started = True
                self._tree.emit(events.SupervisorStarted(self.spec.id, ms(anyio.current_time() - began_at)))
                task_status.started()
            with anyio.CancelScope(deadline=order.next_instant(self.children, now)):
                await self._wake.wait()

    def _look(self, now: float) -> None:
        """Take in what the children's tasks wrote down, and the instants that have passed."""
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
                child.tell()
            elif child.deadline <= now:
                self._expired(child, life)
            elif child.phase is Phase.RUNNING and life.watchdog is not None and life.watchdog.barks(now):
                self._hung(child, life, life.watchdog.silence(now))

    def _act(self, group: TaskGroup, now: float) -> None:
        """Stop and start whose turn has come."""
        in_order = self.ending or self.spec.strategy != "one_for_one"
        while (leaver := order.next_to_stop(self.children, in_order=in_order)) is not None:
            self._stop_child(leaver)
        while not self.ending and (starter := order.next_to_start(self.children, self.spec.strategy, now)):
            self._start_child(starter, group)

    def _became_ready(self, child: Child, life: Life) -> None:
        child.enter(Phase.RUNNING)
        child.ready_once = True
        ready_at = life.ready_at or life.began_at
        who = self._judge.who(child)
        self._tree.emit(events.ChildStarted(*who, ms(ready_at - life.began_at)))
        if child.exited_at is not None:
            self._tree.emit(events.ChildRestarted(*who, ms(ready_at - child.exited_at), child.carried))
        child.tell()

    def _ended(self, child: Child, life: Life, exit_: Exit) -> None:
        child.enter(Phase.UNSTOPPED if life.alive else Phase.DOWN)
        self._pass_judgement(child, life, exit_)
        if life.asked_at is not None and life.ended_at is not None:
            self._tree.emit(events.ChildStopped(*self._judge.who(child), ms(life.ended_at - life.asked_at)))

    def _expired(self, child: Child, life: Life) -> None:
        match child.phase:
            case Phase.STARTING:
                seconds = child.spec.start_timeout
                self.fail(child, Exit("start_timeout", StartTimeout(f"not ready within {seconds:g} s")))
            case Phase.DRAINING:
                self._cancel_child(child, life)
            case Phase.STOPPING:
                self._declare_unstopped(child, life)

    def _hung(self, child: Child, life: Life, silence: float) -> None:
        handling = life.context.handling
        self._tree.emit(events.ChildHung(*self._judge.who(child), ms(silence), handling, life.stack()))
        busy = "" if handling is None else f", handling {handling}"
        self.fail(child, Exit("watchdog", Hung(f"no sign of life for {silence:g} s{busy}")))

    def _declare_unstopped(self, child: Child, life: Life) -> None:
        child.enter(Phase.UNSTOPPED)
        child.leaving, child.ended = False, isinstance(child.fate, LetGo)
        child.exited_at = anyio.current_time()
        after = ms(child.exited_at - life.cancelled_at)
        self._tree.emit(events.ChildUnstopped(*self._judge.who(child), after, life.context.handling, life.stack()))
        child.tell()
        if life.sentence is not None:
            self._pass_judgement(child, life, life.sentence)

    def _stop_child(self, child: Child) -> None:
        life = child.life
        if life is None:
            return
        life.ask_to_stop()
        drain = child.spec.drain
        if child.nested is not None:
            child.nested.stop()
            drain = child.nested.spec.drain
        if drain > 0 and (child.nested is not None or child.phase is Phase.RUNNING):
            child.enter(Phase.DRAINING, within=drain)
        else:
            self._cancel_child(child, life)

    def _cancel_child(self, child: Child, life: Life, sentence: Exit | None = None) -> None:
        life.cancel(sentence)
        if child.phase is not Phase.STOPPING:
            child.enter(Phase.STOPPING, within=child.spec.shutdown_seconds)
        self._wake.set()

    def _start_child(self, child: Child, group: TaskGroup) -> None:
        if child.life is not None and child.life.alive:
            still_running = Exit("start_failed", StillRunning("the last incarnation has not ended"))
            self._pass_judgement(child, child.life, still_running)
            return
        child.incarnation += 1
        context = ChildContext(child.spec.id, child.incarnation, watch=self._tree.watch)
        if (mailbox := child.spec.mailbox) is not None:
            context.inbox = mailbox.bind(context.pulse)
            child.carried = mailbox.depth
        life = child.life = Life(child.spec, context, wake=self._rouse)
        if child.nested is not None:
            child.nested.renew(report=life.conclude)
        child.enter(Phase.STARTING, within=child.spec.start_timeout)
        group.start_soon(life.run, name=child.spec.id)

    def _pass_judgement(self, child: Child, life: Life, exit_: Exit) -> None:
        """Have the judge decide about one exit, and obey where the verdict is about this supervisor."""
        decision = self._judge.judge(child, life, exit_, supervisor_ends=self.ending)
        match decision:
            case Escalate(limit=limit):
                self._failure = RestartIntensityExceeded(self.spec.id, child.spec.id, limit)
                self._failure.__cause__ = exit_.error
                self._tree.emit(events.SupervisorEscalated(self.spec.id, child.spec.id, limit))
                self.stop()
            case ShutDown():
                self._done = True
                self.stop()
        self._wake.set()

    def _finish(self) -> None:
        self.unstopped = tuple(child.spec.id for child in self.children if child.phase is Phase.UNSTOPPED)
        self._tree.emit(events.SupervisorStopped(self.spec.id, self.unstopped))
        self.stopped.set()
        if self.unstopped:
            self._report(self._failure)

    def _settle(self) -> None:
        """Account for the exits that came after the loop: latecomers, or all of them when it was cancelled."""
        self.ending = True
        self._look(anyio.current_time())
        if not self.stopped.is_set():
            self._finish()
        self.close()

    def _rouse(self) -> None:
        self._wake.set()

    def _record(self, spec: ChildSpec | SupervisorSpec, tree: Tree) -> Child:
        if isinstance(spec, ChildSpec):
            return Child(spec)
        nested = Branch(spec, tree)
        as_child = ChildSpec(
            id=spec.id,
            start=nested.run,
            restart=spec.restart,
            shutdown=NESTED_GRACE,
            start_timeout=math.inf,
            backoff=spec.backoff,
            significant=spec.significant,
            max_failures=spec.max_failures,
        )
        return Child(as_child, nested)
