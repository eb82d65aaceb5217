"""Ids of executions are UUIDv7, whose first 48 bits are the Unix milliseconds at which they were made (RFC 9562 5.7).

So an instant is a place in the primary key, and what came after it is read from there on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from horarium.schedule.instants import MILLISECOND, micros

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["least_id"]


def least_id(instant: datetime) -> UUID:
    """What no id is less than that is made from `instant` on."""
    return UUID(int=max(micros(instant) // MILLISECOND, 0) << 80)
