"""Every error of the supervision library, on one page.

The library stands alone, so it has a base of its own. Errors that describe how a child ended are carried in that
child's `Exit` and never cross into a sibling; only `RestartIntensityExceeded` leaves `Supervisor.run`. The tree:

    SupervisionError
    ├─ InvalidSpec                a spec breaks a rule; `faults` names every one
    ├─ RestartIntensityExceeded   a supervisor gave up: too many restarts within its period, or failures in a row
    ├─ NoSuchChild                no child of that id
    ├─ NotRunning                 the child does not run, or its supervisor does not
    ├─ StartFailed                a child that was added ended before it was ready
    ├─ ChildFault                 how a child ended when it raised nothing of its own
    │   ├─ ChildKilled            a test's kill
    │   ├─ NeverReady             returned without calling `task_status.started()`
    │   ├─ StartTimeout           not ready within its `start_timeout`
    │   ├─ Hung                   gave no sign of life for longer than its watchdog allows
    │   ├─ StrayCancellation      awaited something already cancelled; nobody cancelled the child
    │   └─ StillRunning           the previous incarnation ignores its cancellation, so no next one may start
    └─ MailboxError
        ├─ MailboxFull            the overflow policy refused the message
        ├─ AskTimeout             no answer within the timeout
        └─ TargetDown             the owner is gone, or went down with the question in its hands
"""

from __future__ import annotations

__all__ = [
    "AskTimeout",
    "ChildFault",
    "ChildKilled",
    "Hung",
    "InvalidSpec",
    "MailboxError",
    "MailboxFull",
    "NeverReady",
    "NoSuchChild",
    "NotRunning",
    "RestartIntensityExceeded",
    "StartFailed",
    "StartTimeout",
    "StillRunning",
    "StrayCancellation",
    "SupervisionError",
    "TargetDown",
]


class SupervisionError(Exception):
    """Base of all errors that the library raises on purpose."""


class InvalidSpec(SupervisionError):
    """A spec breaks its rules; `faults` holds one sentence for each."""

    def __init__(self, spec_id: str, faults: list[str]) -> None:
        super().__init__(f"spec {spec_id!r}: {'; '.join(faults)}")
        self.spec_id = spec_id
        self.faults = faults


class RestartIntensityExceeded(SupervisionError):
    """A supervisor stopped its children and gave up; `limit` is the one that was passed.

    The error of the last exit is the cause.
    """

    def __init__(self, supervisor: str, child: str, limit: str) -> None:
        super().__init__(f"{supervisor}: {limit}, the last of {child}")
        self.supervisor = supervisor
        self.child = child
        self.limit = limit


class NoSuchChild(SupervisionError):
    """The tree has no child of that id."""

    def __init__(self, child: str) -> None:
        super().__init__(f"no child {child!r}")
        self.child = child


class NotRunning(SupervisionError):
    """The child does not run and will not by itself, or its supervisor is not there to obey."""

    def __init__(self, child: str, why: str) -> None:
        super().__init__(f"{child}: {why}")
        self.child = child
        self.why = why


class StartFailed(SupervisionError):
    """A child that was added ended before it was ready and is not tried again; its error is the cause."""


class ChildFault(SupervisionError):
    """How a child ended when it raised no exception of its own."""


class ChildKilled(ChildFault):
    """A test ended the child's task from outside."""


class NeverReady(ChildFault):
    """The child returned without ever calling `task_status.started()`."""


class StartTimeout(ChildFault):
    """The child was not ready within its `start_timeout`."""


class Hung(ChildFault):
    """The child gave no sign of life for longer than its watchdog allows."""


class StrayCancellation(ChildFault):
    """The child awaited something already cancelled though nobody had cancelled the child."""


class StillRunning(ChildFault):
    """The previous incarnation ignores its cancellation; a second one beside it is refused."""


class MailboxError(SupervisionError):
    """Base of what a sender or asker can meet."""


class MailboxFull(MailboxError):
    """The mailbox had no room and its overflow policy refused or dropped the message."""


class AskTimeout(MailboxError):
    """The question was not answered in time; a later answer is dropped."""


class TargetDown(MailboxError):
    """The mailbox's owner is gone for good, or went down with the question in its hands."""
