"""Instants, durations and outcomes in the words that all tables use."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from rich.text import Text

from horarium.terminal import human_duration, printable

__all__ = ["age", "countdown", "counted", "moment", "outcome", "pairs", "plain", "seconds", "status", "text_block"]

STYLES = {
    "active": "green",
    "success": "green",
    "delivered": "green",
    "running": "cyan",
    "queued": "cyan",
    "pending": "cyan",
    "retrying": "yellow",
    "paused": "yellow",
    "suppressed": "yellow",
    "cancelled": "yellow",
    "inactive": "dim",
    "skipped": "dim",
    "failed": "red",
    "timeout": "red",
    "error": "red",
    "lost": "bold red",
}
TAB = 4
ROUND = re.compile(r" 0[hms]$")


def status(name: str) -> Text:
    """A state, coloured; the word alone says it."""
    return Text(plain(name), STYLES.get(name, ""))


def seconds(length: float | None) -> str:
    """How long something took: `12ms`, `1.5s`, `3m 20s`."""
    if length is None:
        return "-"
    if length < 1:
        return f"{max(0, round(length * 1000))}ms"
    return f"{length:.1f}".removesuffix(".0") + "s" if length < 10 else ROUND.sub("", human_duration(length))


def countdown(instant: str | None, now: datetime) -> str:
    """How far ahead an instant of the API's lies."""
    if instant is None:
        return "-"
    ahead = (datetime.fromisoformat(instant) - now).total_seconds()
    return f"in {human_duration(ahead)}" if ahead >= 1 else "now"


def counted(number: int, thing: str) -> str:
    """How many there are of a thing: `1 config`, `2 configs`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def age(instant: str | None, now: datetime) -> str:
    """How long ago an instant of the API's was."""
    if instant is None:
        return "-"
    return f"{human_duration((now - datetime.fromisoformat(instant)).total_seconds())} ago"


def moment(instant: str | None) -> str:
    """An instant of the API's on the clock of whoever reads it, with the offset."""
    if instant is None:
        return "-"
    return datetime.fromisoformat(instant).astimezone().isoformat(sep=" ", timespec="seconds")


def outcome(execution: dict[str, Any] | None, now: datetime) -> Text:
    """What became of an execution and when, or what it is at."""
    if execution is None:
        return Text("-", "dim")
    at = execution["completed_at"] or execution["started_at"] or execution["tick_at"]
    return status(execution["status"]).append("" if at is None else f" {age(at, now)}", "")


def pairs(rows: list[tuple[str, str | Text]]) -> list[Text]:
    """Names and values in two columns; what has no value is left out."""
    kept = [(name, value if isinstance(value, Text) else Text(_line(value))) for name, value in rows if len(value)]
    width = max((len(name) for name, _ in kept), default=0)
    return [Text.assemble((f"  {name:<{width}}  ", "dim"), value) for name, value in kept]


def plain(value: Any) -> str:
    """A value on one line: text as it is, everything else as JSON."""
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def text_block(text: str) -> list[Text]:
    """Lines of a traceback, indented as they are, without anything that a terminal would obey."""
    return [Text(f"    {_line(line)}") for line in text.expandtabs(TAB).splitlines()]


def _line(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)
