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

__all__ = [
    "Bystander",
    "Decision",
    "Escalate",
    "Exit",
    "Fate",
    "LetGo",
    "Reason",
    "Requested",
    "RestartAfter",
    "ShutDown",
    "decide",
]

Reason = Literal["normal", "shutdown", "error", "start_failed", "start_timeout", "watchdog", "stray_cancellation"]


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
    """The child comes back after `delay` seconds; `attempt` counts its failures since it was last healthy."""

    because: str
    delay: float
    attempt: int

    def __str__(self) -> str:
        return f"restart in {self.delay:.3g} s, attempt {self.attempt}: {self.because}"


@dataclass(frozen=True)
class Requested:
    """The child was stopped because somebody asked for its restart; it comes back at once, and nothing is counted."""

    because: str

    def __str__(self) -> str:
        return f"restart at once: {self.because}"


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
class ShutDown:
    """The child is done, and being significant, its supervisor is too: it stops the others and ends well."""

    because: str

    def __str__(self) -> str:
        return f"shut down: {self.because}"


@dataclass(frozen=True)
class Escalate:
    """A `limit` is passed: the supervisor gives up, stops its children and leaves the decision to its parent."""

    limit: str
    because: str

    def __str__(self) -> str:
        return f"escalate: {self.limit}; {self.because}"


Decision = RestartAfter | Requested | Bystander | LetGo | ShutDown | Escalate

Fate = Requested | Bystander | LetGo
"""What a supervisor has in mind for a child when it begins to stop it."""


def decide(
    exit_: Exit,
    restart: Restart,
    *,
    supervisor_ends: bool,
    fate: Fate | None,
    closes: bool,
    schedule: Callable[[str], RestartAfter | Escalate],
) -> Decision:
    """Return the decision for one exit.

    `fate` is what the child was being stopped for, if it was. `closes` says that its supervisor shuts down once this
    child is done. `schedule` is only called when a restart is due: it counts it against the limits.
    """
    if supervisor_ends:
        return LetGo("its supervisor is stopping")
    if isinstance(fate, LetGo | Requested):
        return fate
    if restart == "temporary":
        return _done("temporary children are never restarted", closes=closes and fate is None)
    if fate is not None:
        return fate
    if restart == "transient" and not exit_.abnormal:
        return _done("a transient child that ended well is done", closes=closes)
    return schedule(f"{restart} child, exit {exit_}")


def _done(because: str, *, closes: bool) -> LetGo | ShutDown:
    return ShutDown(f"a significant child is done; {because}") if closes else LetGo(because)
