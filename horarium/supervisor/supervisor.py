"""The root of a tree: what an application holds.

`Supervisor` runs the root branch and adds what only the root has: the one hook for events, the ring of the recent
ones, the snapshot, commands by a child's id, and the closing of every mailbox of the tree once nobody is left to read.

The stop is ordered and bounded, but Python cannot abandon a task: if a child ignores its cancellation for ever, `run`
does not return either. `wait_stopped` does, and names such children, so that the host can end the process honestly.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from horarium.supervisor.branch import Branch
from horarium.supervisor.child import Child, Phase
from horarium.supervisor.decision import Exit, LetGo, Requested
from horarium.supervisor.errors import ChildKilled, InvalidSpec, NoSuchChild, NotRunning, StartFailed, StillRunning
from horarium.supervisor.events import EventRing, SupervisionEvent
from horarium.supervisor.judge import Tree
from horarium.supervisor.snapshot import ChildState, TreeNode
from horarium.supervisor.spec import ChildSpec, SupervisorSpec
from horarium.supervisor.watch import Down, Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskStatus

__all__ = ["Supervisor"]


class Supervisor:
    """Runs a tree, once.

    `on_event` is called with every event as it happens, in the event loop; it must neither block nor raise: an error
    in it ends the tree. `random` gives the jitter, 0 to below 1.
    """

    def __init__(
        self,
        spec: SupervisorSpec,
        *,
        on_event: Callable[[SupervisionEvent], None],
        random: Callable[[], float] = random.random,
    ) -> None:
        self.events = EventRing()
        self._on_event = on_event
        self._began_at: float | None = None
        self._branch = Branch(spec, Tree(self._emit, random, self.watch))

    @property
    def spec(self) -> SupervisorSpec:
        """The tree as it stands, with what was added and without what was removed."""
        return self._branch.spec

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Run the tree; `started()` once every child is ready.

        Returns after an ordered stop. Raises `RestartIntensityExceeded` when the root gives up. Cancelling it cancels
        all children at once: for an ordered stop call `stop`.
        """
        self._began_at = anyio.current_time()
        try:
            await self._branch.run(task_status=task_status)
        finally:
            for child in self.spec.workers():
                if child.mailbox is not None:
                    child.mailbox.close()

    def stop(self) -> None:
        """Ask for an ordered stop, last child first; returns at once."""
        self._branch.stop()

    def cancel(self) -> None:
        """Cancel every child at once, without order or drain, each with its `shutdown` to end; returns at once."""
        self._branch.cancel()

    async def wait_stopped(self) -> tuple[str, ...]:
        """Wait for the end of the stop; return the ids of the root's children that ignored it and still run."""
        await self._branch.stopped.wait()
        return self._branch.unstopped

    async def add(self, spec: ChildSpec | SupervisorSpec, *, to: str) -> None:
        """Add a last child to the supervisor `to`, and wait until it is ready.

        It is supervised like any other, and restarted with its supervisor. Raises `InvalidSpec` when it does not fit,
        `NoSuchChild` or `NotRunning` when there is no such supervisor to have it, `StartFailed` when it ended before
        it was ready and is not tried again.
        """
        self._refuse_unless_up(to)
        self._branch.follow(_with_child(self.spec, spec, to=to))
        branch, child = self._find(spec.id)
        while not child.ready_once:
            if child.ended or branch.ending or child not in branch.children:
                raise StartFailed(f"{spec.id} ended before it was ready") from _error_of(child)
            await child.news.wait()

    async def remove(self, child_id: str) -> None:
        """Stop a child in order and forget it, its mailbox too; returns when it is gone.

        Raises `NoSuchChild`, and `StillRunning` when it ignores its cancellation: then it stays, unstopped.
        """
        branch, child = self._find(child_id)
        while child.phase is not Phase.DOWN:
            if child.phase is Phase.UNSTOPPED:
                raise StillRunning(f"{child_id} ignores its cancellation")
            branch.dismiss(child, LetGo("it is removed"))
            await child.news.wait()
        if child in branch.children:
            self._branch.follow(_without_child(self.spec, child_id))
            _close_mailboxes(child)
            child.tell()
            if child.nested is not None:
                child.nested.close()

    def restart(self, child_id: str, *, because: str = "it was asked for") -> None:
        """Stop a child in order and start it again, with those that its supervisor's strategy restarts with it.

        Nothing is counted against any limit. One that waits for its restart is started now. Returns at once. Raises
        `NoSuchChild`; `NotRunning` when it ended for good, or its supervisor does not run; `StillRunning` when it
        ignores its cancellation.
        """
        branch, child = self._restartable(child_id)
        if child.phase is Phase.DOWN:
            branch.hurry(child)
        elif child.up:
            branch.dismiss(child, Requested(because))

    def check_restart(self, child_id: str) -> None:
        """Raise what `restart` would raise now, and do nothing else."""
        self._restartable(child_id)

    def watch(self, child_id: str) -> Watch:
        """Watch a child: one `Down` when its present incarnation ends, or at once if there is none.

        Raises `NoSuchChild`.
        """
        _, child = self._find(child_id)
        watch = Watch()
        if child.life is None or child.life.judged:
            watch.fire(Down(child_id, child.incarnation, "not_running"))
        else:
            child.watches.append(watch)
        return watch

    def kill(self, child_id: str, error: BaseException | None = None) -> None:
        """End a child's task as if it had crashed with `error`, by default `ChildKilled`: for tests.

        Raises `NoSuchChild`, and `NotRunning` when it does not run.
        """
        branch, child = self._find(child_id)
        if not (child.up or child.ending):
            raise NotRunning(child_id, "it does not run")
        branch.fail(child, Exit("error", error or ChildKilled(f"{child_id} was killed")))

    def snapshot(self) -> TreeNode:
        """Return the tree as it stands, from the supervisor's own records."""
        up = self._began_at is not None and not self._branch.stopped.is_set()
        return TreeNode(
            id=self.spec.id,
            kind="supervisor",
            state=self._state(),
            incarnation=0 if self._began_at is None else 1,
            restarts=0,
            uptime=round(anyio.current_time() - self._began_at, 3) if up and self._began_at is not None else None,
            children=self._branch.nodes(),
        )

    def _restartable(self, child_id: str) -> tuple[Branch, Child]:
        if child_id == self.spec.id:
            raise NotRunning(child_id, "the root is only restarted with its process")
        branch, child = self._find(child_id)
        if child.phase is Phase.UNSTOPPED:
            raise StillRunning(f"{child_id} ignores its cancellation")
        if branch.ending or child.ended or child.let_go or not child.incarnation:
            raise NotRunning(child_id, "it does not run, and nothing would start it")
        return branch, child

    def _find(self, child_id: str) -> tuple[Branch, Child]:
        for branch, child in self._branch.records():
            if child.spec.id == child_id:
                return branch, child
        raise NoSuchChild(child_id)

    def _refuse_unless_up(self, supervisor_id: str) -> None:
        """Raise unless that supervisor runs, and so can have a child more."""
        branch = self._branch if supervisor_id == self.spec.id else self._find(supervisor_id)[1].nested
        if branch is None:
            raise InvalidSpec(supervisor_id, ["it is no supervisor, and cannot have children"])
        if branch.ending or self._began_at is None:
            raise NotRunning(supervisor_id, "it does not run, and starts no child")

    def _state(self) -> ChildState:
        if self._began_at is None:
            return "waiting"
        if self._branch.stopped.is_set():
            return "stopped"
        if self._branch.ending:
            return "stopping"
        return "running" if self._branch.started else "starting"

    def _emit(self, event: SupervisionEvent) -> None:
        self.events.record(event)
        self._on_event(event)


def _with_child(spec: SupervisorSpec, child: ChildSpec | SupervisorSpec, *, to: str) -> SupervisorSpec:
    """The spec of a tree with one child more; raises `InvalidSpec` where that breaks a rule."""
    children = tuple(_with_child(c, child, to=to) if isinstance(c, SupervisorSpec) else c for c in spec.children)
    return replace(spec, children=(*children, child) if spec.id == to else children)


def _without_child(spec: SupervisorSpec, child_id: str) -> SupervisorSpec:
    """The spec of a tree with one child less."""
    left = (c for c in spec.children if c.id != child_id)
    return replace(
        spec, children=tuple(_without_child(c, child_id) if isinstance(c, SupervisorSpec) else c for c in left)
    )


def _close_mailboxes(child: Child) -> None:
    below = child.nested.spec.workers() if child.nested is not None else (child.spec,)
    for spec in below:
        if spec.mailbox is not None:
            spec.mailbox.close()


def _error_of(child: Child) -> BaseException | None:
    return None if child.life is None or child.life.exit is None else child.life.exit.error
