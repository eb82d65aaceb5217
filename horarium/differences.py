"""What a declaration has changed, as people read a difference: plain functions from the API's answer to lines of text.

    + nightly
    ~ reports
        priority: 5 -> 7
        schedule_config.hour: "3" -> "4"
    - old
    1 to create, 1 to update, 1 to delete, 12 unchanged

Whoever prints decides about width and colour; nothing is said by colour alone.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict
from rich.text import Text

from horarium.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Difference", "Remark", "difference_lines", "summary"]

SIGNS = {"create": ("+", "green"), "update": ("~", "yellow"), "delete": ("-", "red")}
INDENT = " " * 4
VALUE_CHARS = 200
"""Of a value; all of it is in the API's answer (`--json`)."""

ABSENT = object()


class _Read(BaseModel):
    """What is read of an answer; a newer server may say more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class FieldDifference(_Read):
    """A field before and after."""

    before: Any
    after: Any


class ConfigDifference(_Read):
    """A config and what became of it."""

    name: str
    action: Literal["create", "update", "delete"]
    fields: dict[str, FieldDifference] = {}


class Remark(_Read):
    """A warning, and the place in the request that it is about."""

    loc: list[str | int]
    msg: str


class Difference(_Read):
    """The answer of `POST /task-configs/apply`."""

    dry_run: bool
    unchanged: list[str]
    changes: list[ConfigDifference]
    warnings: list[Remark]


def difference_lines(difference: Difference) -> list[Text]:
    """A line for each config that changes, below it one for each field, and at last how many there are of each."""
    lines = [line for change in difference.changes for line in _lines(change)]
    return [*lines, Text(summary(difference))]


def summary(difference: Difference) -> str:
    """How many configs there are of each kind."""
    made = [change.action for change in difference.changes]
    words = ("to create", "to update", "to delete") if difference.dry_run else ("created", "updated", "deleted")
    counts = [f"{made.count(action)} {word}" for action, word in zip(SIGNS, words, strict=True) if action in made]
    return ", ".join([*counts, f"{len(difference.unchanged)} unchanged"])


def _lines(change: ConfigDifference) -> Iterator[Text]:
    sign, style = SIGNS[change.action]
    yield Text(f"{sign} {printable(change.name)}", style)
    for name, field in change.fields.items():
        for place, before, after in _leaves(name, field.before, field.after):
            yield Text(f"{INDENT}{printable(place)}: {_shown(before)} -> {_shown(after)}")


def _leaves(place: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """A field, or of a mapping the members that differ."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        yield place, before, after
        return
    for key in [*before, *(key for key in after if key not in before)]:
        one, other = before.get(key, ABSENT), after.get(key, ABSENT)
        if one is ABSENT or other is ABSENT or json.dumps(one) != json.dumps(other):
            yield from _leaves(f"{place}.{key}", one, other)


def _shown(value: Any) -> str:
    if value is ABSENT:
        return "nothing"
    text = printable(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= VALUE_CHARS else f"{text[:VALUE_CHARS]}..."
