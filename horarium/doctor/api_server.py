"""The API: reachable, ready, does it take the stored login, and what its auditor has found."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from horarium.client import ApiAway, ApiError, NotLoggedIn, address_of, open_client
from horarium.client.transport import open_transport
from horarium.doctor.diagnosis import failed, ok, warning
from horarium.errors import ConfigurationError
from horarium.http.gauges import AUDITED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from horarium.client.transport import Transport
    from horarium.doctor.diagnosis import Diagnosis
    from horarium.doctor.patient import Patient

__all__ = ["ApiFacts", "ask_api", "judge_api"]

FINDINGS = {f"horarium_audit_{'stuck_executions' if kind == 'stuck' else f'{kind}_ticks'}": kind for kind in AUDITED}


@dataclass(frozen=True, slots=True)
class ApiFacts:
    """`away` is why nobody answers; `refused` why the credentials are not taken, None where they are."""

    url: str
    named: bool = False
    """Whether a setting says that there is one, or something answers there that is none."""
    away: str | None = None
    blocked_by: tuple[str, ...] = ()
    refused: str | None = None
    findings: dict[str, int] | None = None


async def ask_api(patient: Patient) -> ApiFacts:
    """The facts."""
    url = address_of(patient.settings)
    named = patient.settings.api_url is not None
    async with open_transport(url) as transport:
        try:
            with suppress(NotLoggedIn):  # which is what Horarium answers to who says nothing of themselves
                await transport.send("GET", "/auth/me")
        except ApiError as error:
            return ApiFacts(url, named=named or not isinstance(error, ApiAway), away=str(error))
        blocked_by = await _blocked_by(transport)
        findings = await _findings(transport)
    return ApiFacts(url, named, None, blocked_by, await _refused(patient), findings)


async def _blocked_by(transport: Transport) -> tuple[str, ...]:
    async with transport.session.get(f"{transport.url}/readyz") as answer:
        return tuple((await answer.json())["blocked_by"])


async def _findings(transport: Transport) -> dict[str, int] | None:
    """What its audits have found, by kind; None where that is not shown: from elsewhere, or by who does not lead."""
    async with transport.session.get(f"{transport.url}/metrics") as answer:
        if answer.status != 200:
            return None
        text = await answer.text()
    found = {family.name: family.samples[0].value for family in text_string_to_metric_families(text) if family.samples}
    return {kind: int(found[name]) for name, kind in FINDINGS.items() if name in found} or None


async def _refused(patient: Patient) -> str | None:
    try:
        async with open_client(patient.settings) as client:
            await client.get("/system/status")
    except (ApiError, ConfigurationError) as error:
        return str(error)
    return None


def judge_api(facts: ApiFacts) -> Iterator[Diagnosis]:
    """What to make of them."""
    if facts.away is not None:
        remedy = "start it with `horarium up`, or set HORARIUM_API_URL to where it is"
        yield (failed if facts.named else warning)("api", facts.away.partition(";")[0], remedy)
        return
    if facts.blocked_by:
        remedy = "see the other lines, and `horarium tree`"
        yield failed("api", f"{facts.url} answers and is not ready: {', '.join(facts.blocked_by)}", remedy)
    else:
        yield ok("api", f"{facts.url} is ready")
    if facts.refused is None:
        yield ok("login", "is accepted")
    else:
        yield warning("login", facts.refused, "run `horarium login`, or set HORARIUM_TOKEN")
    yield from _audit(facts.findings)


def _audit(findings: dict[str, int] | None) -> Iterator[Diagnosis]:
    if findings is None:
        return
    wrong = {kind: count for kind, count in findings.items() if count}
    if wrong:
        summary = ", ".join(f"{count} {kind}" for kind, count in wrong.items())
        judged = warning if wrong.keys() == {"late"} else failed
        yield judged("audit", f"the last audit found in the ledger: {summary}", "look for audit.finding in its log")
    else:
        yield ok("audit", "every tick has its row")
