"""What is shown on a terminal while something that takes a while is being done."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from horarium.commands.console import complaints

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["working"]


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show on a terminal that something is being done, and for how long."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=complaints, transient=True, disable=not complaints.is_terminal) as progress:
        progress.add_task(what, total=None)
        yield
