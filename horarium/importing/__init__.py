"""What another scheduler has, as task configs: one module a source, each of which reads and translates apart.

Reading is I/O and gives the other scheduler's entries as they are; translating is pure and says of each entry what
becomes of it: a config in the same sense, with notes on what will be different, or the reason why it stays behind.
Nothing is dropped in silence, and nothing is carried over that would run at other times than before. What was read is
never changed: the other scheduler goes on until somebody stops it.
"""

from __future__ import annotations

from horarium.importing.carrying import Carried, NotCarried, Outcome, Target
from horarium.importing.known_types import KnownTypes

__all__ = ["Carried", "KnownTypes", "NotCarried", "Outcome", "Target"]
