"""What is typed on a command line, read into what the API takes: durations, instants, parameters.

Each reader refuses with typer's own BadParameter, so the flag at fault is named and the exit code is 2.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import typer

from horarium.clock import utc_now
from horarium.durations import DURATION_MANNER, read_units

__all__ = ["duration", "every", "future", "instant", "parameter", "parameters", "past", "rate", "whole"]

MOST_DIGITS = 12
PERIODS = ("d", "h", "m", "s")


def every(text: str) -> dict[str, int | float]:
    """`1d2h30m` as the units of an interval; a number alone is seconds."""
    units = read_units(text)
    if units is None:
        raise typer.BadParameter(f"{DURATION_MANNER}, not {text!r}")
    return units


def duration(text: str) -> int | float:
    """`1d2h30m` in seconds."""
    try:
        seconds = timedelta(**every(text)).total_seconds()
    except OverflowError as error:
        raise typer.BadParameter(f"{DURATION_MANNER}, and shorter than {text!r}") from error
    return int(seconds) if seconds.is_integer() else seconds


def whole(text: str) -> int:
    """`1d2h30m` in whole seconds."""
    seconds = duration(text)
    if not isinstance(seconds, int):
        raise typer.BadParameter(f"must be whole seconds, not {text!r}")
    return seconds


def rate(text: str) -> tuple[int, int | float]:
    """`10/m` or `100/15m` as how many in how many seconds."""
    many, _, period = (part.strip() for part in text.partition("/"))
    if not (many.isascii() and many.isdigit() and len(many) <= MOST_DIGITS and period):
        raise typer.BadParameter(f"must be a rate such as 10/m or 100/15m, not {text!r}")
    return int(many), duration(f"1{period}" if period in PERIODS else period)


def instant(text: str) -> str:
    """An instant with its offset, as the API takes it."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise typer.BadParameter(f"must be an instant such as 2030-01-31T09:00:00Z, not {text!r}") from error
    if moment.tzinfo is None:
        raise typer.BadParameter(f"must have an offset or a Z at its end, as in 2030-01-31T09:00:00Z: {text!r}")
    return moment.isoformat()


def past(text: str) -> str:
    """An instant, or how long ago it was."""
    return _from_now(text, -1)


def future(text: str) -> str:
    """An instant, or in how long it comes."""
    return _from_now(text, 1)


def parameter(text: str) -> tuple[str, Any]:
    """`key=value`: the value is JSON where it can be read as such, text where it cannot."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise typer.BadParameter(f"must be key=value, not {text!r}", param_hint="--param")
    try:
        return key, json.loads(value, parse_constant=_no_json)
    except ValueError:
        return key, value


def parameters(text: str) -> dict[str, Any]:
    """A JSON object."""
    try:
        read = json.loads(text, parse_constant=_no_json)
    except ValueError as error:
        raise typer.BadParameter(f"must be a JSON object: {error}") from error
    if not isinstance(read, dict):
        raise typer.BadParameter('must be a JSON object, such as {"message": "hello"}')
    return read


def _from_now(text: str, direction: int) -> str:
    units = read_units(text, bare=False)
    if units is None:
        return instant(text)
    try:
        return (utc_now() + direction * timedelta(**units)).isoformat()
    except OverflowError as error:
        raise typer.BadParameter(f"lies beyond the calendar: {text!r}") from error


def _no_json(word: str) -> Any:
    """Python reads NaN and Infinity as numbers; they are none in JSON, and the API would refuse them."""
    raise ValueError(word)
