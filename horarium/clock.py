"""The present, as whatever is handed a clock is given it outside of tests."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["utc_now"]


def utc_now() -> datetime:
    """The present, aware and UTC."""
    return datetime.now(UTC)
