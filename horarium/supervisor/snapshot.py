"""The tree as it stands, for people and for the API.

A snapshot is built from the supervisors' own records and the mailboxes' counters. No actor is asked anything, so a
snapshot is to be had, and true, when every actor hangs. All of it is frozen: a reader may keep it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import anyio

from horarium.supervisor.child import Phase

if TYPE_CHECKING:
    from datetime import datetime

    from horarium.supervisor.child import Child
    from horarium.supervisor.mailbox import DeadLetter, Mailbox

__all__ = ["ChildState", "LastExit", "MailboxStatus", "TreeNode", "node_of"]

ChildState = Literal["waiting", "starting", "running", "draining", "stopping", "backoff", "unstopped", "stopped"]

_WORDS: dict[Phase, ChildState] = {
    Phase.STARTING: "starting",
    Phase.RUNNING: "running",
    Phase.DRAINING: "draining",
    Phase.STOPPING: "stopping",
    Phase.UNSTOPPED: "unstopped",
}


@dataclass(frozen=True)
class LastExit:
    """The last end of a child: its reason with the error's text, what was decided, and when (UTC)."""

    reason: str
    decision: str
    at: datetime


@dataclass(frozen=True)
class MailboxStatus:
    """A mailbox's counters, since it was made: accepted = taken + depth + dropped, and of those taken some were lost.

    `dead_letters` are the newest of the dropped messages, oldest first.
    """

    name: str
    depth: int
    capacity: int
    overflow: str
    accepted: int
    taken: int
    dropped: int
    lost: int
    dead_letters: tuple[DeadLetter, ...]


@dataclass(frozen=True)
class TreeNode:
    """One child or supervisor; `uptime` and `restart_in` in seconds, None while it is not up or not waiting."""

    id: str
    kind: Literal["supervisor", "worker"]
    state: ChildState
    incarnation: int
    restarts: int
    uptime: float | None = None
    restart_in: float | None = None
    last_exit: LastExit | None = None
    mailbox: MailboxStatus | None = None
    handling: str | None = None
    children: tuple[TreeNode, ...] = ()

    def find(self, child_id: str) -> TreeNode | None:
        """Return the node of that id in this subtree, or None."""
        if self.id == child_id:
            return self
        return next((found for child in self.children if (found := child.find(child_id))), None)


def node_of(child: Child, *, supervisor_ends: bool) -> TreeNode:
    """Return the snapshot of one child, its subtree included."""
    now = anyio.current_time()
    life = child.life
    ready_at = life.ready_at if life is not None and (child.up or child.ending) else None
    state = _state(child, now, supervisor_ends=supervisor_ends)
    return TreeNode(
        id=child.spec.id,
        kind="worker" if child.nested is None else "supervisor",
        state=state,
        incarnation=child.incarnation,
        restarts=child.restarts,
        uptime=None if ready_at is None else round(now - ready_at, 3),
        restart_in=round(child.due - now, 3) if state == "backoff" else None,
        last_exit=child.last_exit,
        mailbox=_status(child.spec.mailbox),
        handling=None if life is None or not life.alive else life.context.handling,
        children=() if child.nested is None else child.nested.nodes(),
    )


def _state(child: Child, now: float, *, supervisor_ends: bool) -> ChildState:
    if child.phase is not Phase.DOWN:
        return _WORDS[child.phase]
    if child.ended or (supervisor_ends and child.incarnation):
        return "stopped"
    return "backoff" if child.due > now else "waiting"


def _status(mailbox: Mailbox[Any] | None) -> MailboxStatus | None:
    if mailbox is None:
        return None
    return MailboxStatus(
        name=mailbox.name,
        depth=mailbox.depth,
        capacity=mailbox.capacity,
        overflow=mailbox.overflow,
        accepted=mailbox.accepted,
        taken=mailbox.taken,
        dropped=mailbox.dropped,
        lost=mailbox.lost,
        dead_letters=tuple(mailbox.dead_letters),
    )
