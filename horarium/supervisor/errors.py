"""Every error of the supervision library, on one page.

The library stands alone, so it has a base of its own. Errors that describe how a child ended are carried in that
child's `Exit` and never cross into a sibling; only `RestartIntensityExceeded` leaves `Supervisor.run`. The tree:

    SupervisionError
    ├─ InvalidSpec                a spec breaks a rule; `faults` names every one
    ├─ RestartIntensityExceeded   a supervisor gave up: too many restarts within its period
    ├─ NoSuchChild                no child of that id, or none that runs
    ├─ ChildFault                 how a child ended when it raised nothing of its own
    │   ├─ ChildKilled            a test's kill
    │   ├─ NeverReady             returned without calling `task_status.started()`
    │   ├─ StartTimeout           not ready within its `start_timeout`
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
    "InvalidSpec",
    "MailboxError",
    "MailboxFull",
    "NeverReady",
    "NoSuchChild",
    "RestartIntensityExceeded",
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
    """A supervisor stopped its children and gave up; the error of the last exit is the cause."""

    def __init__(self, supervisor: str, child: str, intensity: int, period: float) -> None:
        super().__init__(f"{supervisor}: more than {intensity} restarts in {period:g} s, the last of {child}")
        self.supervisor = supervisor
        self.child = child
        self.intensity = intensity
        self.period = period


class NoSuchChild(SupervisionError):
    """The tree has no child of that id, or it is not running."""

    def __init__(self, child: str) -> None:
        super().__init__(f"no running child {child!r}")
        self.child = child


class ChildFault(SupervisionError):
    """How a child ended when it raised no exception of its own."""


class ChildKilled(ChildFault):
    """A test ended the child's task from outside."""


class NeverReady(ChildFault):
    """The child returned without ever calling `task_status.started()`."""


class StartTimeout(ChildFault):
    """The child was not ready within its `start_timeout`."""


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
