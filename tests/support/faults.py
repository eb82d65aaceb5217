"""Which kinds of faults a run of the state machine must have done to a tree, told by what became of them.

A fault counts when the tree has met it: an exit, an event, a loss; not when a step has asked for it.
"""

from __future__ import annotations

from horarium.supervisor import (
    ChildExited,
    ChildKilled,
    ChildRestarted,
    ChildUnstopped,
    Requested,
    ShutDown,
    StillRunning,
    SupervisionEvent,
    SupervisorEscalated,
)

__all__ = ["FAULTS", "fault_in"]

ANYWHERE = {
    "crash",
    "escalation",
    "exception group",
    "hang",
    "ignored its cancellation",
    "kill",
    "letter dropped or refused",
    "never ready",
    "question lost with its reader",
    "restart asked for",
    "restart with letters waiting",
    "returned",
    "shut down by a significant child",
    "start failed",
    "start refused beside a zombie",
}
FAULTS = {"asyncio": ANYWHERE | {"stray cancellation"}, "trio": ANYWHERE}
"""What each run must have done to a tree; a stray cancellation is asyncio's own."""


def fault_in(event: SupervisionEvent) -> str | None:  # noqa: PLR0911 - a table that needs patterns
    """Name the fault that an event tells of, if it does."""
    match event:
        case ChildExited(error=StillRunning()):
            return "start refused beside a zombie"
        case ChildExited(reason="error", error=ExceptionGroup()):
            return "exception group"
        case ChildExited(decision=ShutDown()):
            return "shut down by a significant child"
        case ChildExited(decision=Requested()):
            return "restart asked for"
        case ChildExited(reason=reason, error=error):
            return "kill" if isinstance(error, ChildKilled) else _EXITS.get(reason)
        case ChildUnstopped():
            return "ignored its cancellation"
        case SupervisorEscalated():
            return "escalation"
        case ChildRestarted(mailbox_carried=carried) if carried:
            return "restart with letters waiting"
    return None


_EXITS = {
    "error": "crash",
    "normal": "returned",
    "watchdog": "hang",
    "start_failed": "start failed",
    "start_timeout": "never ready",
    "stray_cancellation": "stray cancellation",
}
