"""Horarium: supervised scheduled work, where every due tick ends as exactly one row.

What a user's own task module needs is here; everything else is imported from the module that owns it. It is imported
when it is first asked for: what it brings along would cost every command of the command line half a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from horarium.tasks.registry import task

__all__ = ["task"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from horarium.tasks.registry import task  # noqa: PLC0415 - see above

    return task
