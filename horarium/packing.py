"""A text that is sent to many, as it is or in fewer bytes: packed once, and only if somebody takes it so."""

from __future__ import annotations

import gzip
from functools import cached_property

__all__ = ["Packed"]

SMALL = 9
"""gzip's level: what is sent to many may take its time."""


class Packed:
    """The text and, when it is first asked for, the same in gzip."""

    def __init__(self, plain: bytes) -> None:
        self.plain = plain

    @cached_property
    def packed(self) -> bytes:
        """The text in gzip."""
        return gzip.compress(self.plain, SMALL, mtime=0)
