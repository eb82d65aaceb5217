"""Notifications over the API: who may write rules, what is refused and how it is named, what is shown to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.receivers import Receiver
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.tree import Answer, House

pytestmark = pytest.mark.anyio

RULES = "/api/v1/notification-rules"
URL = "http://127.0.0.1:9/hooks/T0/secret-path?key=abc"
WEBHOOK = {"name": "ops", "events": ["failed", "recovered"], "webhook": {"url": URL}}


async def made(house: House, **fields: Any) -> Answer:
    return await house.call("POST", RULES, {**WEBHOOK, **fields})


async def test_a_rule_is_made_with_a_secret_that_is_told_once_and_a_path_that_admins_see(house: House) -> None:
    answer = await made(house, name="shown once")
    path = answer.headers["Location"]

    read = await house.call("GET", path)
    seen = await house.call("GET", path, token=await house.token("viewer"))
    (entry,) = (await house.get("/audit", target_kind="notification_rule", target_id=answer.body["id"]))["items"]

    assert answer.status == 201
    assert answer.body["secret"].startswith("whsec_")
    assert read.body == {name: value for name, value in answer.body.items() if name != "secret"}
    assert (read.body["webhook"]["url"], seen.body["webhook"]["url"]) == (URL, "http://127.0.0.1:9/***")
    assert entry["after"]["webhook_url"] == "http://127.0.0.1:9/***"
    assert answer.body["secret"] not in str(entry)


async def test_a_rule_is_edited_by_version_given_another_secret_and_deleted(house: House) -> None:
    answer = await made(house, name="edited")
    path = answer.headers["Location"]

    stale = await house.call("PATCH", path, {"tags": ["a"]}, headers={"If-Match": '"7"'})
    edited = await house.call("PATCH", path, {"tags": ["a"]}, headers={"If-Match": '"1"'})
    rotated = await house.call("POST", f"{path}/rotate-secret")
    gone = await house.call("DELETE", path)

    assert (stale.status, stale.body["code"]) == (409, "version")
    assert (edited.body["tags"], edited.body["version"]) == (["a"], 2)
    assert rotated.body["secret"] != answer.body["secret"]
    assert rotated.body["webhook"]["previous_secret_until"] is not None
    assert (gone.status, (await house.call("GET", path)).status) == (204, 404)


async def test_a_webhook_that_moves_within_its_host_is_in_the_audit_log_without_its_path(house: House) -> None:
    """Of many receivers that share a host the path is all that tells one from another."""
    path = (await made(house, name="moved")).headers["Location"]

    await house.call("PATCH", path, {"webhook": {"url": "http://127.0.0.1:9/hooks/T1/another-path"}})

    entries = await house.get("/audit", target_kind="notification_rule", target_id=path.rpartition("/")[2])
    edited = entries["items"][0]
    assert (edited["before"], edited["after"]) == ({"webhook_url": "http://127.0.0.1:9/***"},) * 2


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"config_ids": [999_999_999]}, "config_ids.0"),
        ({"webhook": None}, "webhook"),
        ({"email": {"to": ["a@example.org"]}}, "webhook"),
        ({"webhook": None, "email": {"to": ["a@example.org"]}}, "email"),
        ({"webhook": None, "email": {"to": ["a@b\r\nBcc: c@d"]}}, "email.to.0"),
        ({"webhook": {"url": "http://u:p@h/"}}, "webhook.url"),
        ({"webhook": {"url": URL, "secret": "short"}}, "webhook.secret"),
        ({"events": []}, "events"),
        ({"events": ["recovered"]}, "events"),
        ({"events": ["failed", "no such"]}, "events.1"),
        ({"repeat": "often"}, "repeat"),
        ({"surprise": 1}, "surprise"),
    ],
)
async def test_a_rule_that_makes_no_sense_is_refused_by_the_field(
    house: House, fields: dict[str, Any], fault: str
) -> None:
    """No mail server is set in this house."""
    refused = await made(house, name="refused", **fields)

    assert (refused.status, refused.faults) == (422, {fault})


async def test_a_rule_whose_config_is_deleted_can_be_edited_and_takes_no_other_that_is_not_there(house: House) -> None:
    config = await house.config()
    path = (await made(house, name="outlives", config_ids=[config])).headers["Location"]
    await house.call("DELETE", f"/api/v1/task-configs/{config}")

    kept = await house.call("PATCH", path, {"config_ids": [config], "tags": ["a"]})
    refused = await house.call("PATCH", path, {"config_ids": [config, 999_999_999]})

    assert (kept.status, refused.status, refused.faults) == (200, 422, {"config_ids.1"})


async def test_a_name_is_taken_once_in_whatever_letters(house: House) -> None:
    await made(house, name="Taken")

    assert (await made(house, name="taken")).status == 409
    other = await made(house, name="free")
    renamed = await house.call("PATCH", other.headers["Location"], {"name": "TAKEN"})
    assert (renamed.status, renamed.body["code"]) == (409, "name")


async def test_a_rule_keeps_its_channel(house: House) -> None:
    answer = await made(house, name="kept")

    moved = await house.call("PATCH", answer.headers["Location"], {"email": {"to": ["a@example.org"]}})

    assert (moved.status, moved.faults) == (422, {"email"})


async def test_a_test_says_what_came_of_it(house: House) -> None:
    """The house has opened nothing, so its own machine is out of reach."""
    async with Receiver() as receiver:
        rule = await made(house, name="tested", webhook={"url": receiver.url})

        outcome = await house.call("POST", f"{rule.headers['Location']}/test")

    assert (outcome.status, outcome.body["delivered"]) == (200, False)
    assert "HORARIUM_HTTP_ALLOW" in outcome.body["detail"]
    assert receiver.received == []


async def test_a_failure_becomes_a_message_that_is_listed_and_tried_again_by_hand(house: House) -> None:
    """By the tree itself: its worker fails, its notifier tells; an operator sends again."""
    config = await house.config(task_type="fail", parameters={}, max_retries=0)
    rule = await made(house, name="listed", config_ids=[config])
    run = await house.call("POST", f"/api/v1/task-configs/{config}/run")

    async def tried() -> dict[str, Any] | None:
        (page,) = [await house.get("/notifications", rule_id=rule.body["id"])]
        return next((item for item in page["items"] if item["last_error"]), None)

    message = await eventually(tried)
    again = await house.call(
        "POST", f"/api/v1/notifications/{message['id']}/retry", token=await house.token("operator")
    )

    assert (message["task_id"], message["event"], message["status"]) == (run.body["task_id"], "failed", "pending")
    assert again.status == 200
    assert (await house.get(f"/notification-rules/{rule.body['id']}"))["last"]["event"] == "failed"
    assert (await house.get("/notifications", rule_id=rule.body["id"], status="delivered"))["items"] == []
    refused = await house.call("POST", f"/api/v1/notifications/{run.body['task_id']}/retry")
    assert refused.status == 404
