"""Who leads: what the actors of a process know of the lease that their `leader` holds, or does not.

Several supervisors may share one database; one of them dispatches, sweeps and cleans up, the others stand by. That
saves work and nothing else: every tick has one row whoever writes it, so two leaders at once are slow and never wrong.

The lease itself is a row in Postgres, dated by Postgres' clock. Here it is held against this machine's monotonic clock,
from the instant at which the renewal was *sent*: the row was dated later than that, so this process never believes in
its lease for longer than Postgres does. And one that was stopped for a while and goes on knows at its first look that
it leads no more, before it has heard so from anybody.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

__all__ = ["ALONE", "LEASE_SECONDS", "MARGIN_SECONDS", "Leadership", "Leads", "Lease"]

LEASE_SECONDS = 6.0
"""How long a lease lasts that is not renewed: whoever is killed is succeeded within this time and one look more."""

MARGIN_SECONDS = 1.0
"""How much earlier the holder takes its lease for ended than Postgres does: time to finish what it is about."""


class Leads(Protocol):
    """What an actor asks before it goes to work."""

    @property
    def leads(self) -> bool:
        """Whether this process leads, now."""


class _Alone:
    leads = True


ALONE: Leads = _Alone()
"""For an actor that is on its own, in a bench or a test: there is nobody else to lead."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease as Postgres last told of it: whose it is, the how manieth take-over, seconds it had left, and ours.

    `since` is when its holder took it, by Postgres' clock; None where nobody knows.
    """

    holder: str
    epoch: int
    seconds: float
    mine: bool
    since: datetime | None = None


@dataclass
class Leadership:
    """What this process knows; `holder` is its own name in the lease. Only the leader actor calls the verbs."""

    holder: str
    clock: Callable[[], float] = time.monotonic
    leader: str | None = None
    epoch: int = 0
    since: datetime | None = None
    _ours_until: float = field(default=-math.inf, repr=False)
    _theirs_until: float = field(default=-math.inf, repr=False)

    @property
    def leads(self) -> bool:
        """Whether this process leads, now."""
        return self.clock() < self._ours_until

    @property
    def is_led(self) -> bool:
        """Whether somebody leads, as far as this process knows."""
        return self.leads or self.clock() < self._theirs_until

    def learn(self, lease: Lease, *, asked_at: float) -> None:
        """Note what Postgres said, to a question that was sent at `asked_at` of this clock."""
        self.leader, self.epoch, self.since = lease.holder, lease.epoch, lease.since
        self._ours_until = asked_at + lease.seconds - MARGIN_SECONDS if lease.mine else -math.inf
        self._theirs_until = -math.inf if lease.mine else self.clock() + lease.seconds

    def resign(self) -> None:
        """Lead no more, from this instant on."""
        self._ours_until = -math.inf
