"""When what did not arrive is tried again: after 5 s, then twice as long each time, up to 15 minutes, for a day.

Pure. Each delay is spread over plus or minus a tenth, so that what failed together does not return together.
"""

from __future__ import annotations

from datetime import timedelta

__all__ = ["GIVE_UP_AFTER", "retry_delay"]

FIRST_SECONDS = 5.0
LONGEST_SECONDS = 900.0
JITTER = 0.1
GIVE_UP_AFTER = timedelta(hours=24)
"""From when a message is made, or sent for by hand."""


def retry_delay(attempts: int, spread: float) -> timedelta:
    """How long after the try of this number, from 1 on, the next one follows; `spread` is in [0, 1)."""
    plain = min(FIRST_SECONDS * 2.0 ** min(attempts - 1, 30), LONGEST_SECONDS)
    return timedelta(seconds=plain * (1 + JITTER * (2 * spread - 1)))
