"""How much of a long list is shown: all pages up to a bound, and what is left out is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from horarium.commands.console import remark

if TYPE_CHECKING:
    from horarium.client import Listing

__all__ = ["DEFAULT_LIMIT", "LimitOption", "most", "tell_rest"]

DEFAULT_LIMIT = 1000
WATCHED = 200
"""As many as a screen has lines, and more: a watch asks every second."""

LimitOption = Annotated[int, typer.Option(min=0, help="How many at most; 0 for all.")]


def most(limit: int, *, watching: bool = False) -> int | None:
    """The bound that the flag means."""
    return min(limit or WATCHED, WATCHED) if watching else limit or None


def tell_rest(listing: Listing) -> None:
    """Say on stderr what a list does not show."""
    if listing.total > len(listing.items):
        remark(f"{len(listing.items)} of {listing.total} shown; --limit 0 shows all")
