"""What may surprise about a config is said when it is saved, whichever way; nothing of it is refused."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.tree import House

pytestmark = pytest.mark.anyio

BASE = "/api/v1/task-configs"
PREVIEW = "/api/v1/schedules/preview"
EVERY_MINUTE = {"scheduler_type": "interval", "schedule_config": {"minutes": 1}}
MINUTELY = {
    "task_type": "echo", "parameters": {"message": "m"}, "timeout_seconds": 10, "status": "inactive", **EVERY_MINUTE,
}  # fmt: skip


def named(**fields: Any) -> dict[str, Any]:
    return {"name": f"warned of {uuid.uuid4()}", **MINUTELY, **fields}


async def heard(house: House) -> None:
    """Wait until the worker of the house is known to live."""
    await eventually(house.resources.workers.living)


async def test_a_config_without_surprises_has_no_warnings(house: House) -> None:
    await heard(house)
    created = await house.call("POST", BASE, named())

    assert (created.status, created.body["warnings"]) == (201, [])


async def test_a_made_config_is_warned_of_field_by_field(house: House) -> None:
    await heard(house)
    created = await house.call("POST", BASE, named(queue="nobodys", jitter_seconds=61, timeout_seconds=70))

    said = {each["code"]: each["loc"] for each in created.body["warnings"]}
    assert created.status == 201
    assert said == {
        "queue_not_read": ["queue"],
        "more_often_than_timeout": ["timeout_seconds"],
        "jitter_wider_than_interval": ["jitter_seconds"],
    }


async def test_an_edited_config_is_warned_of(house: House) -> None:
    config = await house.config(**named())

    edited = await house.call("PATCH", f"{BASE}/{config}", {"queue": "nobodys"})

    assert [(each["loc"], each["code"]) for each in edited.body["warnings"]] == [(["queue"], "queue_not_read")]
    assert "nobodys" in edited.body["warnings"][0]["msg"]


@pytest.mark.parametrize(("overlap", "codes"), [("skip", ["slower_than_interval"]), ("allow_all", [])])
async def test_an_interval_shorter_than_its_runs_is_warned_of_where_they_would_be_skipped(
    house: House, overlap: str, codes: list[str]
) -> None:
    config = await house.config(**named(overlap=overlap, timeout_seconds=10))
    run = (await house.call("POST", f"{BASE}/{config}/run")).body["task_id"]
    await house.sql(
        "UPDATE executions SET status = 'success', started_at = now() - interval '90 seconds', completed_at = now()"
        " WHERE id = $1",
        run,
    )

    edited = await house.call("PATCH", f"{BASE}/{config}", {"description": "slow"})
    previewed = await house.call("POST", PREVIEW, {**EVERY_MINUTE, "config_id": config})

    assert [each["code"] for each in edited.body["warnings"]] == codes
    assert [each["code"] for each in previewed.body["warnings"]] == codes


async def test_a_preview_names_the_field_to_look_at(house: House) -> None:
    previewed = await house.call("POST", PREVIEW, {**EVERY_MINUTE, "timeout_seconds": 90})

    assert [each["loc"] for each in previewed.body["warnings"]] == [["timeout_seconds"]]


async def test_declared_configs_are_warned_of_at_their_places_and_those_left_alone_are_not(house: House) -> None:
    await heard(house)
    odd, sound = named(queue="nobodys"), named()
    declaration = {"configs": [sound, odd]}

    first = await house.call("POST", f"{BASE}/apply", declaration)
    again = await house.call("POST", f"{BASE}/apply", declaration)

    (warning,) = first.body["warnings"]
    assert (warning["loc"], warning["code"], warning["name"]) == (
        ["configs", 1, "queue"],
        "queue_not_read",
        odd["name"],
    )
    assert again.body["warnings"] == []
