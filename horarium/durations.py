"""A duration as people write it: `30s`, `5m`, `1d2h30m`; a number alone is seconds. Pure."""

from __future__ import annotations

import re

__all__ = ["DURATION_MANNER", "read_units"]

UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
DURATION = re.compile(r"(?:(?P<d>\d+)d)?(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+(?:\.\d+)?)s)?", re.ASCII)
SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)
MOST_CHARACTERS = 48
DURATION_MANNER = "must be a duration such as 30s, 5m or 1d2h30m"


def read_units(text: str, *, bare: bool = True) -> dict[str, int | float] | None:
    """The amounts by the names of their units, as an interval's config has them; None for what is no duration.

    `bare`: whether a number alone is one, too.
    """
    given = text.strip().lower()
    if bare and SECONDS.fullmatch(given):
        given += "s"
    found = DURATION.fullmatch(given)
    if found is None or not given or len(given) > MOST_CHARACTERS:
        return None
    return {UNITS[unit]: float(n) if "." in n else int(n) for unit, n in found.groupdict().items() if n}
