"""The root of a tree: what an application holds.

`Supervisor` runs the root branch and adds what only the root has: the one hook for events, the ring of the recent
ones, the snapshot, and the closing of every mailbox of the tree once nobody is left to read.

The stop is ordered and bounded, but Python cannot abandon a task: if a child ignores its cancellation for ever, `run`
does not return either. `wait_stopped` does, and names such children, so that the host can end the process honestly.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import anyio

from horarium.supervisor.branch import Branch
from horarium.supervisor.events import EventRing, SupervisionEvent
from horarium.supervisor.snapshot import ChildState, TreeNode

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskStatus

    from horarium.supervisor.spec import SupervisorSpec

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
        self.spec = spec
        self.events = EventRing()
        self._on_event = on_event
        self._began_at: float | None = None
        self._branch = Branch(spec, emit=self._emit, random=random)

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

    async def wait_stopped(self) -> tuple[str, ...]:
        """Wait for the end of the stop; return the ids of the root's children that ignored it and still run."""
        await self._branch.stopped.wait()
        return self._branch.unstopped

    def snapshot(self) -> TreeNode:
        """Return the tree as it stands, from the supervisor's own records."""
        up = self._began_at is not None and not self._branch.stopped.is_set()
        return TreeNode(
            id=self.spec.id,
            kind="supervisor",
            state=self._state(),
            incarnation=0 if self._began_at is None else 1,
            restarts=0,
            uptime=anyio.current_time() - self._began_at if up and self._began_at is not None else None,
            children=self._branch.nodes(),
        )

    def kill(self, child_id: str, error: BaseException | None = None) -> None:
        """For tests: end a child's task as if it had crashed with `error`, by default `ChildKilled`.

        Raises `NoSuchChild` when no such child is running.
        """
        self._branch.kill(child_id, error)

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
