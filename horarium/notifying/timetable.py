"""When what did not arrive is tried again: after 5 s, then twice as long each time, up to 15 minutes, for a day.

Pure. Each delay is spread over plus or minus a tenth, so that what failed together does not return together. A receiver
may ask for more time (`Retry-After`, RFC 9110), and gets as much as an hour, so that nobody is silenced by a slip.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

__all__ = ["GIVE_UP_AFTER", "asked_delay", "retry_delay"]

FIRST_SECONDS = 5.0
LONGEST_SECONDS = 900.0
JITTER = 0.1
GIVE_UP_AFTER = timedelta(hours=24)
"""From when a message is made, or sent for by hand."""
MOST_ASKED = timedelta(hours=1)
MOST_DIGITS = 9


def retry_delay(attempts: int, spread: float) -> timedelta:
    """How long after the try of this number, from 1 on, the next one follows; `spread` is in [0, 1)."""
    plain = min(FIRST_SECONDS * 2.0 ** min(attempts - 1, 30), LONGEST_SECONDS)
    return timedelta(seconds=plain * (1 + JITTER * (2 * spread - 1)))


def asked_delay(retry_after: str, now: datetime) -> timedelta | None:
    """How long a `Retry-After` asks for, in seconds or up to a date, an hour at most; None where it asks for none."""
    asked = _asked(retry_after, now)
    return None if asked is None or asked <= timedelta(0) else min(asked, MOST_ASKED)


def _asked(retry_after: str, now: datetime) -> timedelta | None:
    if re.fullmatch("[0-9]+", retry_after):
        return timedelta(seconds=int(retry_after)) if len(retry_after) <= MOST_DIGITS else MOST_ASKED
    try:
        until = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):  # no date, as a receiver may write whatever it likes
        return None
    return (until if until.tzinfo else until.replace(tzinfo=UTC)) - now
