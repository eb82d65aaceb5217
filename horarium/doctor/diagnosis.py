"""What was found about one thing: how it is, in a line, and what to do where it is not well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from horarium.logs import redact

__all__ = ["Diagnosis", "Level", "failed", "ok", "warning"]

Level = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`check` names the thing; `remedy` is None where it is well."""

    check: str
    level: Level
    summary: str
    remedy: str | None = None


def ok(check: str, summary: str) -> Diagnosis:
    """It is as it has to be."""
    return Diagnosis(check, "ok", _clean(summary))


def warning(check: str, summary: str, remedy: str) -> Diagnosis:
    """It works, and may surprise."""
    return Diagnosis(check, "warning", _clean(summary), _clean(remedy))


def failed(check: str, summary: str, remedy: str) -> Diagnosis:
    """It keeps Horarium from doing what it promises."""
    return Diagnosis(check, "failed", _clean(summary), _clean(remedy))


def _clean(text: str) -> str:
    return str(redact(text))
