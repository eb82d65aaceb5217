"""An exit, and the one decision that it yields.

Every end of an incarnation becomes one `Exit`, and every `Exit` yields exactly one decision object, which knows its
reason and prints it: the same words stand in the log line, in the tree and in the events. Deciding is a plain
function over the exit, the child's restart type and what its supervisor is doing; the waiting lies elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from horarium.supervisor.spec import Restart

__all__ = ["Bystander", "Decision", "Escalate", "Exit", "LetGo", "Reason", "RestartAfter", "decide"]

Reason = Literal["normal", "shutdown", "error", "start_failed", "start_timeout", "stray_cancellation"]


@dataclass(frozen=True)
class Exit:
    """How an incarnation ended: returned, was stopped, or failed; `error` is set for every abnormal end."""

    reason: Reason
    error: BaseException | None = None

    @property
    def abnormal(self) -> bool:
        """True unless the child returned of itself or was asked to stop."""
        return self.reason not in {"normal", "shutdown"}

    def __str__(self) -> str:
        return self.reason if self.error is None else f"{self.reason}: {self.error!r}"


@dataclass(frozen=True)
class RestartAfter:
    """The child comes back after `delay` seconds; `attempt` counts restarts since it was last healthy."""

    because: str
    delay: float
    attempt: int

    def __str__(self) -> str:
        return f"restart in {self.delay:.3g} s, attempt {self.attempt}: {self.because}"


@dataclass(frozen=True)
class Bystander:
    """The child was stopped for the sake of `leader` and comes back in its turn."""

    leader: str

    def __str__(self) -> str:
        return f"restart in turn: stopped because {self.leader} restarts"


@dataclass(frozen=True)
class LetGo:
    """The child is not started again by this supervisor."""

    because: str

    def __str__(self) -> str:
        return f"not restarted: {self.because}"


@dataclass(frozen=True)
class Escalate:
    """The supervisor gives up, stops its children and leaves the decision to its parent."""

    because: str

    def __str__(self) -> str:
        return f"escalate: {self.because}"


Decision = RestartAfter | Bystander | LetGo | Escalate


def decide(
    exit_: Exit,
    restart: Restart,
    *,
    supervisor_ends: bool,
    leader: str | None,
    schedule: Callable[[str], RestartAfter | Escalate],
) -> Decision:
    """Return the decision for one exit.

    `leader` is the child for whose restart this one was being stopped, if any. `schedule` is only called when a
    restart is due: it counts that restart against the supervisor's intensity.
    """
    if supervisor_ends:
        return LetGo("its supervisor is stopping")
    if restart == "temporary":
        return LetGo("temporary children are never restarted")
    if leader is not None:
        return Bystander(leader)
    if restart == "transient" and not exit_.abnormal:
        return LetGo("a transient child that ended well is done")
    return schedule(f"{restart} child, exit {exit_}")
