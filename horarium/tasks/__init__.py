"""The worker's side: which task types exist, how messages travel, how one attempt is claimed, run and finished.

`Receiver` is for taskiq's own command: `taskiq worker app:broker --receiver horarium.tasks:Receiver`. It is imported
when it is asked for: it brings all of a worker along.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from horarium.hosted import Receiver

__all__ = ["Receiver"]


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(import_module("horarium.hosted"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
