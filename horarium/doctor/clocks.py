"""How far a server's clock is from ours, and when that matters.

A tick is on time up to five seconds after its instant, by the clock of the process that dispatches; leases and pauses
go by Postgres' clock, login tries by that of Redis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from horarium.doctor.diagnosis import failed, ok, warning

if TYPE_CHECKING:
    from datetime import datetime

    from horarium.doctor.diagnosis import Diagnosis

__all__ = ["clock", "offset"]

NOTED_SECONDS = 1.0
WRONG_SECONDS = 5.0


def offset(theirs: datetime, before: datetime, after: datetime) -> float:
    """Seconds that their clock is ahead of ours, which read `before` and `after` around the question."""
    return (theirs - (before + (after - before) / 2)).total_seconds()


def clock(check: str, seconds: float) -> Diagnosis:
    """Whether that is near enough."""
    apart = f"{abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} this machine"
    remedy = "set the clock of both by NTP (timedatectl, chrony)"
    if abs(seconds) >= WRONG_SECONDS:
        return failed(check, apart, remedy)
    if abs(seconds) >= NOTED_SECONDS:
        return warning(check, apart, remedy)
    return ok(check, f"within {NOTED_SECONDS:g} s of this machine")
