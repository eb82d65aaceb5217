"""What a peer of `bench/burst.py` tells it: one line of JSON now and then, and one when it has published all.

    {"published": 10000, "at": 1767225601.25}

`at` is when the last of so many messages was published, Unix seconds. A peer is run as `python PEER.py DUE_AT COUNT`,
makes COUNT schedules that are due at DUE_AT, publishes what they say, and goes on until it is killed.
"""

from __future__ import annotations

import json
import threading
import time

__all__ = ["Tally"]

EVERY = 20


class Tally:
    """Counts what is published, in whatever thread."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._published = 0
        self._lock = threading.Lock()

    def one_more(self) -> None:
        """A message has been published."""
        with self._lock:
            self._published += 1
            if self._published % EVERY == 0 or self._published == self._expected:
                print(json.dumps({"published": self._published, "at": time.time()}), flush=True)
