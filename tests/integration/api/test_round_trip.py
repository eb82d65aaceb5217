"""What is exported is applied without a change, whatever is in it: names, nested parameters, dates, schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from horarium.manifest import parse, written

if TYPE_CHECKING:
    from tests.support.tree import House

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

APPLY = "/api/v1/task-configs/apply"
SOURCE = "a round trip"

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=30)
numbers = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=10,
)
instants = st.sampled_from(["2099-07-31T09:00:00Z", "2099-12-31 23:59:59.123456+05:30", "2099-06-01T00:00:00-03:00"])
schedules = st.sampled_from(
    [
        ("cron", {"cron_expression": "*/5 9-17 * * MON-FRI", "timezone": "Europe/Paris"}),
        ("cron", {"minute": "0", "day": "L"}),
        ("interval", {"hours": 1, "minutes": 30}),
        ("interval", {"days": 1.5, "anchor": "2024-01-01T00:00:00+02:00"}),
        ("date", {"run_date": "2099-03-29T02:30:00", "timezone": "Europe/Berlin"}),
        ("manual", {}),
    ]
)


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    kind, schedule = draw(schedules)
    body = draw(st.one_of(st.dictionaries(texts, values, max_size=4), st.lists(values, max_size=4)))
    return {
        "name": draw(names),
        "description": draw(texts),
        "task_type": "http_request",
        "parameters": {"url": "https://example.org/", "method": "POST", "body": body},
        "scheduler_type": kind,
        "schedule_config": schedule,
        "status": draw(st.sampled_from(["active", "inactive"])),
        "start_at": draw(st.none() | st.just("2024-01-01T00:00:00.5+01:00")),
        "end_at": draw(st.none() | instants),
        "tags": draw(st.lists(names, max_size=3)),
        "timeout_seconds": draw(st.floats(0.001, 604_800)),
    }


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(declared=st.lists(configs(), min_size=1, max_size=6, unique_by=lambda config: config["name"]))
async def test_what_is_exported_is_applied_without_a_change(house: House, declared: list[dict[str, Any]]) -> None:
    applied = await house.call("POST", APPLY, {"configs": declared, "source": SOURCE, "prune": True})
    assert applied.status == 200, applied.body
    shown = (await house.get("/task-configs", limit=200))["items"]

    text = written(shown, url=house.url, source=None, queues={})
    manifest = parse(text, "exported")
    again = await house.call("POST", APPLY, {"configs": [entry.config for entry in manifest.entries], "prune": True})

    assert sorted(again.body["unchanged"]) == sorted(config["name"] for config in declared)
    assert again.body["changes"] == []
