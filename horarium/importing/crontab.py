"""A crontab: each line is a program that `shell_command` runs as cron would, at the same times.

`horarium.schedule` keeps Debian's rules, so expressions go over as they are: which days match when both day fields
are given, 7 for Sunday, names, and the days on which clocks change. What a line means besides is spread over the
file: variables set above it are its environment, SHELL runs it, CRON_TZ is its zone. What has no equal is named by
its line: mail, @reboot, input after a `%`, times drawn at random.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from horarium.importing.carrying import CannotCarry, Draft, NotCarried, Outcome, Target, carry
from horarium.tasks.registry import SHELL_COMMAND

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CrontabLine", "read_lines", "translate"]

TAG = "from:crontab"
NAME_CHARACTERS = 80
ASSIGNMENT = re.compile(r"""(?P<q>["']?)(?P<name>[^\s"'=]+)(?P=q)\s*=\s*(?P<value>.*?)\s*""")
MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
MAIL = frozenset({"MAILTO", "MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING"})
OWN = frozenset({"SHELL", "CRON_TZ", "RANDOM_DELAY"})
"""Variables that speak to cron alone."""


@dataclass(frozen=True, slots=True)
class CrontabLine:
    """A job: its number in the file, its five fields or macro, whose it is, what it runs and what was set above it."""

    number: int
    when: str
    command: str
    user: str | None = None
    variables: dict[str, str] = field(default_factory=dict)


def read_lines(text: str, *, user_column: bool = False) -> list[CrontabLine | NotCarried]:
    """The jobs of a crontab's text, and what else in it stays behind; a system crontab names a user in each line."""
    found: list[CrontabLine | NotCarried] = []
    variables: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        assignment = ASSIGNMENT.fullmatch(stripped)
        if assignment is None:
            found.append(_job(number, stripped, user_column=user_column, variables=dict(variables)))
        elif assignment["name"] not in MAIL:
            variables[assignment["name"]] = _unquoted(assignment["value"])
        elif assignment["name"] == "MAILTO" and _unquoted(assignment["value"]):
            reason = "nobody is mailed; what a run prints is kept with its result"
            found.append(NotCarried(f"line {number}: MAILTO", reason))
    return found


def translate(lines: list[CrontabLine | NotCarried], target: Target) -> list[Outcome]:
    """What becomes of each line. Names are made of commands, so that importing again finds the same configs.

    A command that stands there more than once is numbered from its second line on: lines that are added below change
    no name, and after any other edit the names are still the same ones.
    """
    seen: dict[str, count[int]] = {}
    outcomes: list[Outcome] = []
    for line in lines:
        if isinstance(line, NotCarried):
            outcomes.append(line)
            continue
        short = _short(line.command)
        number = next(seen.setdefault(short, count(1)))
        name = short if number == 1 else f"{short} #{number}"
        outcome = carry(name, partial(_draft, line, name, target), target)
        where = f"line {line.number}: {name}"
        outcomes.append(NotCarried(where, outcome.reason) if isinstance(outcome, NotCarried) else outcome)
    return outcomes


def _job(number: int, line: str, *, user_column: bool, variables: dict[str, str]) -> CrontabLine | NotCarried:
    line = line.removeprefix("-")  # cronie's "do not log this"
    fields = 1 if line.startswith("@") else 5
    parts = line.split(None, fields + user_column)
    if len(parts) <= fields + user_column:
        return NotCarried(f"line {number}", f"is no job: {line[:NAME_CHARACTERS]!r} has too few fields")
    user = parts[fields] if user_column else None
    return CrontabLine(number, " ".join(parts[:fields]), parts[-1], user, variables)


def _draft(line: CrontabLine, name: str, target: Target) -> Draft:
    zone = line.variables.get("CRON_TZ") or target.timezone
    if zone is None:
        raise CannotCarry("nothing says in which zone this cron runs; --timezone does")
    parameters: dict[str, object] = {"argv": [line.variables.get("SHELL", "/bin/sh"), "-c", _command(line.command)]}
    environment = {name: value for name, value in line.variables.items() if name not in OWN}
    if environment:
        parameters["env"] = environment
    if environment.get("HOME", "").startswith("/"):
        parameters["cwd"] = environment["HOME"]
    fields = {
        "scheduler_type": "cron",
        "schedule_config": {"cron_expression": _expression(line.when), "timezone": zone},
        "overlap": "allow_all",
        "catchup": "skip",
        "tags": [TAG],
        **_jitter(line.variables.get("RANDOM_DELAY")),
    }
    return Draft(name, SHELL_COMMAND, fields, kwargs=parameters, notes=list(_notes(line, zone)))


def _expression(when: str) -> str:
    if when == "@reboot":
        raise CannotCarry("runs when the machine starts; let the machine's own service manager do that")
    if when.startswith("@"):
        if when.lower() not in MACROS:
            raise CannotCarry(f"{when} is not known")
        return MACROS[when.lower()]
    if "~" in when or re.search(r"(?<![A-Za-z])H", when):
        raise CannotCarry(f"{when!r} draws its time at random; write one down, or use jitter_seconds")
    return when


def _command(given: str) -> str:
    r"""The command of a line, in which cron has `\%` for a percent sign and a bare one for the start of its input."""
    if re.search(r"(?<!\\)%", given):
        raise CannotCarry("has input after a %, and programs get none here; let the command read a file, or echo it")
    return given.replace("\\%", "%")


def _jitter(delay: str | None) -> dict[str, int]:
    if not delay:
        return {}
    if not (delay.isascii() and delay.isdigit()):
        raise CannotCarry(f"RANDOM_DELAY is {delay!r}, which is no number of minutes")
    return {"jitter_seconds": int(delay) * 60} if int(delay) else {}


def _notes(line: CrontabLine, zone: str) -> Iterator[str]:
    if line.user is not None:
        yield f"ran as the user {line.user}; runs as the worker's user"
    if "TZ" in line.variables:
        yield f"TZ={line.variables['TZ']} is set for the command alone; its times are those of {zone}"
    if _jitter(line.variables.get("RANDOM_DELAY")):
        yield "RANDOM_DELAY was drawn once for all runs; jitter is another one for each"


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _short(command: str) -> str:
    line = " ".join("".join(each if each.isprintable() else " " for each in command).split())
    return line if len(line) <= NAME_CHARACTERS else line[: NAME_CHARACTERS - 1] + "…"
