"""A small OTP for anyio: supervised children, restarts, mailboxes. It knows nothing of what the children do.

The tree is data (`ChildSpec`, `SupervisorSpec`); `Supervisor` runs it on asyncio or trio. Every exit of a child yields
one decision, every fact one event; an actor's messages outlive the actor. Nothing in this package imports anything
else from Horarium.
"""

from __future__ import annotations

from horarium.supervisor.backoff import Backoff
from horarium.supervisor.context import ChildContext
from horarium.supervisor.decision import (
    Bystander,
    Decision,
    Escalate,
    Exit,
    LetGo,
    Reason,
    Requested,
    RestartAfter,
    ShutDown,
)
from horarium.supervisor.errors import (
    AskTimeout,
    ChildFault,
    ChildKilled,
    Hung,
    InvalidSpec,
    MailboxError,
    MailboxFull,
    NeverReady,
    NoSuchChild,
    NotRunning,
    RestartIntensityExceeded,
    StartFailed,
    StartTimeout,
    StillRunning,
    StrayCancellation,
    SupervisionError,
    TargetDown,
)
from horarium.supervisor.events import (
    ChildExited,
    ChildHung,
    ChildRestarted,
    ChildStarted,
    ChildStopped,
    ChildUnstopped,
    EventRing,
    LoopRecovered,
    LoopStalled,
    RecordedEvent,
    RestartScheduled,
    SupervisionEvent,
    SupervisorEscalated,
    SupervisorStarted,
    SupervisorStopped,
)
from horarium.supervisor.inbox import Inbox
from horarium.supervisor.log import log_event
from horarium.supervisor.mailbox import DeadLetter, Mailbox, Overflow
from horarium.supervisor.reply import Reply
from horarium.supervisor.snapshot import ChildState, LastExit, MailboxStatus, TreeNode
from horarium.supervisor.spec import (
    AutoShutdown,
    ChildSpec,
    ChildStart,
    Restart,
    Shutdown,
    Strategy,
    SupervisorSpec,
)
from horarium.supervisor.stall import StallMonitor
from horarium.supervisor.supervisor import Supervisor
from horarium.supervisor.watch import Down, Watch

__all__ = [
    "AskTimeout",
    "AutoShutdown",
    "Backoff",
    "Bystander",
    "ChildContext",
    "ChildExited",
    "ChildFault",
    "ChildHung",
    "ChildKilled",
    "ChildRestarted",
    "ChildSpec",
    "ChildStart",
    "ChildStarted",
    "ChildState",
    "ChildStopped",
    "ChildUnstopped",
    "DeadLetter",
    "Decision",
    "Down",
    "Escalate",
    "EventRing",
    "Exit",
    "Hung",
    "Inbox",
    "InvalidSpec",
    "LastExit",
    "LetGo",
    "LoopRecovered",
    "LoopStalled",
    "Mailbox",
    "MailboxError",
    "MailboxFull",
    "MailboxStatus",
    "NeverReady",
    "NoSuchChild",
    "NotRunning",
    "Overflow",
    "Reason",
    "RecordedEvent",
    "Reply",
    "Requested",
    "Restart",
    "RestartAfter",
    "RestartIntensityExceeded",
    "RestartScheduled",
    "ShutDown",
    "Shutdown",
    "StallMonitor",
    "StartFailed",
    "StartTimeout",
    "StillRunning",
    "Strategy",
    "StrayCancellation",
    "SupervisionError",
    "SupervisionEvent",
    "Supervisor",
    "SupervisorEscalated",
    "SupervisorSpec",
    "SupervisorStarted",
    "SupervisorStopped",
    "TargetDown",
    "TreeNode",
    "Watch",
    "log_event",
]
