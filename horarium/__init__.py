"""Horarium: supervised scheduled work, where every due tick ends as exactly one row.

What a user's own task module needs is here; everything else is imported from the module that owns it.
"""

from __future__ import annotations

from horarium.tasks.context import Context
from horarium.tasks.registry import task

__all__ = ["Context", "task"]
