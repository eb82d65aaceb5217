"""A small OTP for anyio: supervised children, restarts, mailboxes. It knows nothing of what the children do.

The tree is data (`ChildSpec`, `SupervisorSpec`); `Supervisor` runs it on asyncio or trio. Every exit of a child yields
one decision, every fact one event; an actor's messages outlive the actor. Nothing in this package imports anything
else from Horarium.
"""

from __future__ import annotations

from horarium.supervisor.backoff import Backoff
from horarium.supervisor.decision import Bystander, Decision, Escalate, Exit, LetGo, Reason, RestartAfter
from horarium.supervisor.errors import (
    AskTimeout,
    ChildFault,
    ChildKilled,
    InvalidSpec,
    MailboxError,
    MailboxFull,
    NeverReady,
    NoSuchChild,
    RestartIntensityExceeded,
    StartTimeout,
    StillRunning,
    StrayCancellation,
    SupervisionError,
    TargetDown,
)
from horarium.supervisor.events import (
    ChildExited,
    ChildRestarted,
    ChildStarted,
    ChildStopped,
    ChildUnstopped,
    EventRing,
    RecordedEvent,
    RestartScheduled,
    SupervisionEvent,
    SupervisorEscalated,
    SupervisorStarted,
    SupervisorStopped,
)
from horarium.supervisor.log import log_event
from horarium.supervisor.mailbox import Inbox, Mailbox, Overflow, Reply
from horarium.supervisor.snapshot import ChildState, LastExit, MailboxStatus, TreeNode
from horarium.supervisor.spec import ChildContext, ChildSpec, ChildStart, Restart, Strategy, SupervisorSpec
from horarium.supervisor.supervisor import Supervisor

__all__ = [
    "AskTimeout",
    "Backoff",
    "Bystander",
    "ChildContext",
    "ChildExited",
    "ChildFault",
    "ChildKilled",
    "ChildRestarted",
    "ChildSpec",
    "ChildStart",
    "ChildStarted",
    "ChildState",
    "ChildStopped",
    "ChildUnstopped",
    "Decision",
    "Escalate",
    "EventRing",
    "Exit",
    "Inbox",
    "InvalidSpec",
    "LastExit",
    "LetGo",
    "Mailbox",
    "MailboxError",
    "MailboxFull",
    "MailboxStatus",
    "NeverReady",
    "NoSuchChild",
    "Overflow",
    "Reason",
    "RecordedEvent",
    "Reply",
    "Restart",
    "RestartAfter",
    "RestartIntensityExceeded",
    "RestartScheduled",
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
    "log_event",
]
