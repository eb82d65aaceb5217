"""The vocabulary of the log, as one table, made from the event types: `python -m horarium.supervisor.vocabulary`.

Written by hand it would be true for a week. Every event of the package is in it, one row each, in the order of the
source; the row's words are the type's own docstring.
"""

from __future__ import annotations

import inspect
import sys
from dataclasses import fields
from typing import TYPE_CHECKING

from horarium.supervisor.events import SupervisionEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["vocabulary"]

HEAD = """\
# Supervision events

What the supervision tree says, in the log and at `/api/v1/system/events`: each event is one line with these fields.
Fields that end in `_ms` are milliseconds. This page is made by `make docs`, from `horarium/supervisor/events.py`.

| event | level | fields | meaning |
|---|---|---|---|
"""


def vocabulary() -> str:
    """Return the page, in Markdown."""
    return HEAD + "".join(f"{_row(kind)}\n" for kind in _kinds(SupervisionEvent))


def _kinds(base: type[SupervisionEvent]) -> Iterator[type[SupervisionEvent]]:
    for kind in base.__subclasses__():
        if hasattr(kind, "name"):
            yield kind
        yield from _kinds(kind)


def _row(kind: type[SupervisionEvent]) -> str:
    told = ", ".join(f"`{field.name}`" for field in fields(kind))
    meaning = " ".join((inspect.getdoc(kind) or "").split())
    return f"| `{kind.name}` | {', '.join(kind.levels)} | {told} | {meaning} |"


if __name__ == "__main__":
    sys.stdout.write(vocabulary())
