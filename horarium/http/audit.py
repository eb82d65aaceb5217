"""What the auditor of this process has found: the last pass, and everything that is wrong now."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads annotations at run time
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from horarium.http.routing import Reply, Route

if TYPE_CHECKING:
    from horarium.http.routing import Call

__all__ = ["ROUTES"]

SHOWN_FINDINGS = 200
"""Findings in one answer: when nothing is dispatched, every config has one."""


class PassAnswer(BaseModel):
    """One audit of everything: when it began, how many seconds it took, what it went through."""

    model_config = ConfigDict(from_attributes=True)

    began_at: datetime
    seconds: float
    configs: int
    ticks: int
    unreadable: int


class FindingAnswer(BaseModel):
    """Something wrong that two passes in a row have seen; `since` and `until` are the instants it lies between."""

    model_config = ConfigDict(from_attributes=True)

    kind: Literal["missing", "extra", "late", "stuck"]
    subject: str
    count: int
    since: datetime
    until: datetime
    grown_at: datetime


class AuditAnswer(BaseModel):
    """The leader's audit, and the first of its findings; elsewhere there is none, and `leader_id` says whom to ask."""

    leader: bool
    leader_id: str | None
    last_pass: PassAnswer | None
    findings: list[FindingAnswer]
    total_findings: int


async def get_audit(call: Call) -> Reply:
    """The last pass and the findings."""
    leadership, known = call.services.leadership, call.services.audit
    return Reply(
        AuditAnswer(
            leader=leadership.leads,
            leader_id=leadership.leader if leadership.is_led else None,
            last_pass=None if known.last is None else PassAnswer.model_validate(known.last),
            findings=[FindingAnswer.model_validate(finding) for finding in known.findings[:SHOWN_FINDINGS]],
            total_findings=len(known.findings),
        )
    )


ROUTES = (Route("GET", "/api/v1/system/audit", get_audit, "What the auditor has found", "viewer", AuditAnswer),)
