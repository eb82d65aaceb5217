"""What audits have come upon, and when that is told: once two passes in a row have seen it, and when it is over.

What is wrong in one pass and right in the next was under way.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import structlog

from horarium.audit import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from horarium.audit import FindingKind

__all__ = ["Findings", "Found"]

log = structlog.get_logger(__name__)

TOLD_FINDINGS = 50
"""Findings of a pass that are told one by one."""

Key = tuple["FindingKind", str]


@dataclass
class Found:
    """What a pass has come upon so far; `now` is what it takes for the present."""

    began_at: datetime
    now: datetime
    configs: int = 0
    ticks: int = 0
    unreadable: int = 0
    looked_at: int = 0
    wrong: dict[Key, Finding] = field(default_factory=dict)
    pins: dict[int, datetime] = field(default_factory=dict)

    def note(self, kind: FindingKind, subject: str, count: int, since: datetime, until: datetime) -> None:
        """Something wrong."""
        if count:
            self.wrong[kind, subject] = Finding(kind, subject, count, since, until, self.began_at)


@dataclass
class Findings:
    """What is open, and what was seen once."""

    open: dict[Key, Finding] = field(default_factory=dict)
    _suspected: set[Key] = field(default_factory=set)

    def settle(self, wrong: Mapping[Key, Finding]) -> list[Finding]:
        """Take in what a pass found; tells what is new and what is over, and answers what is new."""
        still = {
            key: _aged(self.open.get(key), finding)
            for key, finding in wrong.items()
            if key in self.open or key in self._suspected
        }
        new = [finding for key, finding in still.items() if key not in self.open]
        _tell("found", new)
        _tell("over", [finding for key, finding in self.open.items() if key not in still])
        self.open, self._suspected = still, set(wrong)
        return new


def _aged(before: Finding | None, now: Finding) -> Finding:
    """A finding as this pass has it; one that has not grown is no newer than it was."""
    return replace(now, grown_at=before.grown_at) if before is not None and now.count <= before.count else now


def _tell(state: Literal["found", "over"], findings: Sequence[Finding]) -> None:
    """A line for each, up to a bound: when nothing is dispatched, every config has its finding."""
    for finding in findings[:TOLD_FINDINGS]:
        log.log(
            logging.WARNING if state == "found" else logging.INFO,
            "audit.finding",
            state=state,
            kind=finding.kind,
            subject=finding.subject,
            count=finding.count,
            since=finding.since.isoformat(),
            until=finding.until.isoformat(),
        )
    if len(findings) > TOLD_FINDINGS:
        log.log(
            logging.WARNING if state == "found" else logging.INFO,
            "audit.findings_untold",
            state=state,
            findings=len(findings) - TOLD_FINDINGS,
        )
