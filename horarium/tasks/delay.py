"""taskiq's label `delay`: how many seconds after it was sent a message may be delivered, and no sooner.

`kicker().with_labels(delay=5)`. Both brokers read it here, so that what one takes the other does too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LONGEST_DELAY_SECONDS", "delay_in"]

LONGEST_DELAY_SECONDS = 30 * 86_400
"""What is later belongs into a schedule: whoever sends it has forgotten it by then, and can neither see nor stop it."""


def delay_in(labels: Mapping[str, object]) -> float:
    """Seconds, 0 where none is asked for; raises ValueError for what is no such time.

    Labels may arrive as text, since taskiq sends them so.
    """
    asked = labels.get("delay")
    if asked is None:
        return 0.0
    try:
        seconds = float(str(asked))
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= LONGEST_DELAY_SECONDS:
        raise ValueError(f"label delay: must be a number of seconds from 0 to {LONGEST_DELAY_SECONDS}")
    return seconds
