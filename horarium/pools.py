"""What is told of a pool of connections, whatever they lead to."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["PoolUse"]


class PoolUse(NamedTuple):
    """How many connections of a pool there are, how many of them are in use, and how many there may be."""

    size: int
    in_use: int
    most: int
