"""What `horarium import` tells: the configs, what differs about them, what stays behind, and the exit code."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer
from rich.text import Text

from horarium.commands.console import complain, say, show, show_page, widest
from horarium.importing import Carried, NotCarried
from horarium.terminal import columns, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from horarium.client import ApiError
    from horarium.importing import Outcome

__all__ = ["EXIT_NOT_ALL", "Answered", "report"]

EXIT_NOT_ALL = 7
"""Something could not be carried over; the rest was."""

HEADINGS = ("NAME", "CHANGE", "SCHEDULE", "FIRST TICK", "TASK TYPE", "STATUS")
CHANGES = ("created", "updated", "unchanged")
IN_BATCH = re.compile(r"\bconfigs\.(\d+)")


@dataclass(frozen=True)
class Answered:
    """What the API did, or would do; nothing where it was not asked."""

    applied: bool
    answer: Mapping[str, Any] | None = None
    refusal: ApiError | None = None
    unasked: tuple[str, ...] = ()
    """Task types that are needed, and that nobody could be asked about."""


def report(source: str, outcomes: Sequence[Outcome], answered: Answered, *, as_json: bool, output: Path | None) -> int:
    """Print all of it; gives the exit code."""
    carried = [each for each in outcomes if isinstance(each, Carried)]
    behind = [each for each in outcomes if isinstance(each, NotCarried)]
    if as_json:
        typer.echo(json.dumps(_as_object(source, carried, behind, answered)))
    else:
        _print(carried, behind, answered)
        say(_summary(carried, behind, answered, output))
    if answered.refusal is not None:
        complain(_named(str(answered.refusal), carried))
        return answered.refusal.exit_code
    return EXIT_NOT_ALL if any(each.matters for each in behind) else 0


def _as_object(
    source: str, carried: Sequence[Carried], behind: Sequence[NotCarried], answered: Answered
) -> dict[str, Any]:
    return {
        "source": source,
        "applied": answered.applied,
        "configs": [each.config for each in carried],
        "different": [{"name": each.name, "note": note} for each in carried for note in each.notes],
        "not_carried": [{"name": e.name, "reason": e.reason, "matters": e.matters} for e in behind],
        "unasked_task_types": list(answered.unasked),
        "answer": answered.answer,
    }


def _print(carried: Sequence[Carried], behind: Sequence[NotCarried], answered: Answered) -> None:
    if carried:
        changes = _changes(answered.answer or {})
        show(columns([HEADINGS, *(_row(each, changes) for each in carried)], most=widest()))
    for title, lines in (
        ("Carried over with a difference:", _told([(each.name, note) for each in carried for note in each.notes])),
        ("Not carried over:", _told([(each.name, each.reason) for each in behind])),
        (
            "Task types that have to be there, and that nobody could be asked about:",
            [printable(each) for each in answered.unasked],
        ),
        ("Warnings:", [printable(each) for each in _warnings(answered.answer or {})]),
    ):
        if lines:
            show_page([Text(), Text(title, "bold"), *(Text(f"  {line}") for line in lines)])


def _told(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Names and what is said of each; what is said of several is said once, above their names."""
    names: dict[str, list[str]] = {}
    for name, said in pairs:
        names.setdefault(printable(said), []).append(printable(name))
    lines: list[str] = []
    for said, those in names.items():
        lines += [f"{those[0]}: {said}"] if len(those) == 1 else [f"{said}:", *(f"  {name}" for name in those)]
    return lines


def _row(carried: Carried, changes: Mapping[str, str]) -> tuple[str, ...]:
    config = carried.config
    first = "-" if carried.first_tick is None else f"{carried.first_tick:%Y-%m-%d %H:%M:%S}Z"
    status = config.get("status", "active")
    return (carried.name, changes.get(carried.name, "-"), _schedule(config), first, config["task_type"], status)


def _schedule(config: Mapping[str, Any]) -> str:
    given = config["schedule_config"]
    if config["scheduler_type"] == "cron":
        return f"{given['cron_expression']} {given['timezone']}"
    return f"every {given['seconds']} s" if config["scheduler_type"] == "interval" else f"once {given['run_date']}"


def _changes(answer: Mapping[str, Any]) -> dict[str, str]:
    return {name: change for change in CHANGES for name in answer.get(change, ())}


def _warnings(answer: Mapping[str, Any]) -> Iterator[str]:
    for each in answer.get("warnings", ()):
        yield f"{each['name']}: {each['msg']}" if each.get("name") else each["msg"]


def _summary(carried: Sequence[Carried], behind: Sequence[NotCarried], answered: Answered, output: Path | None) -> str:
    left = sum(each.matters for each in behind)
    done = "carried over" if answered.applied else "can be carried over"
    end = "." if answered.applied else "; nothing was changed, --apply does it."
    written = "" if output is None else f" Written to {output}."
    if answered.refusal is not None:
        done, end = "read", "; nothing was changed."
    return f"{len(carried)} {done}, {left} not{end}{written}"


def _named(refusal: str, carried: Sequence[Carried]) -> str:
    """The refusal, which counts the configs of the batch, with their names."""
    return IN_BATCH.sub(lambda match: f"{match[0]} ({carried[int(match[1])].name!r})", refusal)
