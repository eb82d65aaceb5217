"""What the outside is told of the ledger: figures, the audit, and whether the leader is fit to be asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from horarium.audit import AuditPass, Finding
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from horarium.audit import FindingKind
    from tests.support.tree import House

pytestmark = pytest.mark.anyio


@pytest.fixture
def at_ease(house: House) -> Iterator[House]:
    yield house
    house.resources.audit.forget()


def found(house: House, kind: FindingKind, *, minutes_ago: float = 0) -> None:
    now = datetime.now(UTC)
    grown_at = now - timedelta(minutes=minutes_ago)
    house.resources.audit.last = AuditPass(now, 0.5, 10, 150, 0)
    house.resources.audit.findings = (Finding(kind, "config 7", 3, grown_at, grown_at, grown_at),)


async def figures(house: House, **options: Any) -> tuple[int, str]:
    async with house.session.get(f"{house.url}/metrics", **options) as response:
        return response.status, await response.text()


async def test_figures_are_open_to_this_machine(house: House) -> None:
    status, text = await figures(house)

    assert status == 200
    assert "horarium_leader 1.0\n" in text
    assert "process_resident_memory_bytes" in text


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "Via", "X-Real-IP"]
)
async def test_through_a_proxy_they_take_a_token(house: House, header: str) -> None:
    proxied = {header: "203.0.113.9"}
    token = {"Authorization": f"Bearer {await house.token('viewer')}"}

    assert (await figures(house, headers=proxied))[0] == 401
    assert (await figures(house, headers=proxied | token))[0] == 200


async def test_what_was_found_is_in_the_figures_and_in_the_audit(at_ease: House) -> None:
    found(at_ease, "missing")

    _, text = await figures(at_ease)
    audit = await at_ease.get("/system/audit")

    assert "horarium_audit_missing_ticks 3.0\n" in text
    assert "horarium_audit_configs 10.0\n" in text
    assert (audit["leader"], audit["last_pass"]["ticks"]) == (True, 150)
    assert [(each["kind"], each["subject"], each["count"]) for each in audit["findings"]] == [
        ("missing", "config 7", 3)
    ]


async def blocked_by(house: House) -> list[str]:
    blocking: list[str] = (await house.call("GET", "/readyz", token=None)).body["blocked_by"]
    return blocking


@pytest.mark.parametrize(
    ("kind", "minutes_ago", "blocks"),
    [
        ("missing", 1, ["ledger"]),
        ("missing", 20, []),
        ("stuck", 20, ["ledger"]),
        ("late", 1, []),
        ("extra", 1, []),
    ],
)
async def test_a_leader_is_not_ready_while_its_ledger_suffers(
    at_ease: House, kind: FindingKind, minutes_ago: float, blocks: list[str]
) -> None:
    found(at_ease, kind, minutes_ago=minutes_ago)

    assert await blocked_by(at_ease) == blocks


async def test_who_does_not_lead_answers_for_no_ledger(at_ease: House) -> None:
    found(at_ease, "missing")
    at_ease.resources.leadership.resign()

    assert await blocked_by(at_ease) == []

    async def leads_again() -> bool:
        return at_ease.resources.leadership.leads

    await eventually(leads_again)


async def test_the_status_names_the_leader(house: House) -> None:
    scheduler = (await house.get("/system/status"))["scheduler"]

    assert (scheduler["leader"], scheduler["leader_id"]) == (True, house.resources.leadership.holder)
    assert scheduler["epoch"] >= 1
