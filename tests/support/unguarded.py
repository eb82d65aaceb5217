"""Queries without one of their guards, to show what the guard is for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    import pytest

__all__ = ["without"]


def without(monkeypatch: pytest.MonkeyPatch, query_name: str, guard: str, instead: str = "") -> None:
    """Run a query without one of its guards."""
    query = QUERIES._queries[query_name]
    assert query.sql.count(guard) == 1, f"{query_name} has no such guard any more"
    monkeypatch.setitem(QUERIES._queries, query_name, replace(query, sql=query.sql.replace(guard, instead)))
