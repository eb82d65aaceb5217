"""Backfills: running ticks of the past that did not run."""

from __future__ import annotations

from typing import Literal

from horarium.model.fields import Answer, Instant, Request

__all__ = ["Backfill", "BackfillRequest"]


class BackfillRequest(Request):
    """Which ticks: from `start` to `end`, both included, neither in the future.

    `overlap` says how the runs are to each other and to the config's others: all at once, or one after the other, the
    oldest first. By default as the config has it: `allow_all` where it says so, else `buffer_all`. `dry_run` counts and
    makes nothing.
    """

    start: Instant
    end: Instant
    overlap: Literal["allow_all", "buffer_all"] | None = None
    dry_run: bool = False


class Backfill(Answer):
    """How many executions were made, or would be, and how many ticks of the span have theirs or are about to."""

    created: int
    skipped: int
