"""The supervision tree over HTTP: what is told of it, and the restart of a part."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from horarium.errors import Unavailable
from horarium.messages import Nudge, Publish
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from typing import Never

    from tests.support.tree import House

pytestmark = pytest.mark.anyio

EVENTS = "/system/events"


def named(answer: dict[str, Any], event: str) -> list[dict[str, Any]]:
    return [item for item in answer["items"] if item["event"] == event]


async def incarnation(house: House, actor: str, wanted: int) -> dict[str, Any] | None:
    """The actor's page once it runs in that incarnation."""
    shown: dict[str, Any] = await house.get(f"/system/actors/{actor}")
    return shown if (shown["incarnation"], shown["state"]) == (wanted, "running") else None


async def test_an_actor_is_shown_with_its_mailbox_and_what_happened_to_it(house: House) -> None:
    shown = await house.get("/system/actors/publisher")

    assert (shown["id"], shown["kind"], shown["state"], shown["incarnation"]) == ("publisher", "worker", "running", 1)
    assert shown["uptime"] > 0
    assert (shown["mailbox"]["capacity"], shown["mailbox"]["overflow"]) == (4096, "drop_newest")
    assert [event["event"] for event in shown["recent_events"]] == ["child.started"]


async def test_a_supervisor_is_shown_with_its_children_and_their_events(house: House) -> None:
    shown = await house.get("/system/actors/core")

    assert shown["kind"] == "supervisor"
    assert {child["id"] for child in shown["children"]} >= {"dispatcher", "cleanup"}
    assert "supervisor.started" in {event["event"] for event in shown["recent_events"]}


async def test_the_page_of_an_actor_tells_dead_letters_by_kind_and_not_by_content(house: House) -> None:
    # given
    mailbox = house.resources.mailboxes.dispatcher

    # when: the actor is handed the first, the second waits, the third is one too many
    mailbox.send_nowait(Nudge())
    mailbox.send_nowait(Nudge())
    mailbox.send_nowait(Nudge())
    shown = await house.get("/system/actors/dispatcher")

    # then
    assert shown["mailbox"]["dropped"] >= 1
    assert {(letter["why"], letter["message"]) for letter in shown["dead_letters"]} == {("overflow", "Nudge")}


async def test_a_mailbox_accounts_for_every_message(house: House) -> None:
    before = (await house.get("/system/actors/publisher"))["mailbox"]

    house.resources.mailboxes.publisher.send_nowait(Publish(()))

    async def taken() -> dict[str, Any] | None:
        mailbox: dict[str, Any] = (await house.get("/system/actors/publisher"))["mailbox"]
        return mailbox if mailbox["taken"] > before["taken"] else None

    after = await eventually(taken)
    assert after["accepted"] == after["taken"] + after["depth"] + after["dropped"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/system/actors/nobody"), ("POST", "/system/actors/nobody/restart")]
)
async def test_an_actor_that_does_not_exist_is_a_404(house: House, method: str, path: str) -> None:
    answer = await house.call(method, f"/api/v1{path}")

    assert (answer.status, answer.body["detail"]) == (404, "no actor of that name")


async def test_a_restart_is_carried_out_in_plain_sight_and_says_who_asked_for_it(house: House) -> None:
    # given
    before = (await house.get(EVENTS, limit=200))["items"][-1]["seq"]
    me = await house.get("/auth/me")

    # when
    answer = await house.call("POST", "/api/v1/system/actors/cleanup/restart")

    # then
    assert answer.status == 200
    assert answer.body == {
        "success": True, "message": "cleanup restarts", "action": "restart", "actor_id": "cleanup"
    }  # fmt: skip
    shown = await eventually(partial(incarnation, house, "cleanup", 2))
    assert (shown["restarts"], shown["last_exit"]["reason"]) == (1, "shutdown")
    assert shown["last_exit"]["decision"] == f"restart at once: {me['username']} asked for it"
    events = await house.get(EVENTS, after=before)
    assert [item["event"] for item in events["items"] if item["child"] == "cleanup"] == [
        "child.exited", "child.restart_scheduled", "child.stopped", "child.started", "child.restarted"
    ]  # fmt: skip


async def test_the_api_can_restart_the_api(house: House) -> None:
    """The answer arrives before the connection ends, and the next one finds the next incarnation on the same port."""
    answer = await house.call("POST", "/api/v1/system/actors/api/restart")
    assert answer.status == 200

    async def is_back() -> bool:
        try:
            return await incarnation(house, "api", 2) is not None
        except OSError:
            return False

    await eventually(is_back)


async def test_the_root_is_not_restarted_over_http(house: House) -> None:
    answer = await house.call("POST", "/api/v1/system/actors/horarium/restart")

    assert (answer.status, answer.body["code"]) == (409, "not_restartable")


async def test_a_part_that_ran_to_its_end_is_not_restarted(house: House) -> None:
    answer = await house.call("POST", "/api/v1/system/actors/bootstrap/restart")

    assert (answer.status, answer.body["code"]) == (409, "not_restartable")


async def test_events_are_read_on_from_where_a_reader_was(house: House) -> None:
    # given
    first = await house.get(EVENTS, limit=3)

    # when
    later = await house.get(EVENTS, after=first["items"][-1]["seq"], limit=200)
    paged = await house.get(EVENTS, cursor=first["next_cursor"], limit=200)

    # then
    assert [item["seq"] for item in first["items"]] == [1, 2, 3]
    assert later["items"][0]["seq"] == 4
    assert [item["seq"] for item in paged["items"]] == [item["seq"] for item in later["items"]]
    assert later["next_cursor"] is None


async def test_events_are_counted_alike_on_every_page(house: House) -> None:
    first = await house.get("/system/events", limit=1)

    second = await house.get("/system/events", limit=1, cursor=first["next_cursor"])

    assert second["total"] >= first["total"]


async def test_an_event_says_what_the_log_line_says(house: House) -> None:
    last = (await house.get(EVENTS, limit=200))["items"][-1]["seq"]

    house.supervisor.kill("timeout_sweeper", ValueError("postgresql://app:hunter2@db/x is odd"))

    async def told() -> dict[str, Any] | None:
        exits = named(await house.get(EVENTS, after=last), "child.exited")
        return exits[0] if exits else None

    event = await eventually(told)
    assert (event["level"], event["child"], event["reason"]) == ("error", "timeout_sweeper", "error")
    assert event["decision"].startswith("restart in ")
    assert event["error"] == "ValueError('postgresql://app:***@db/x is odd')"
    assert "hunter2" not in str(event)
    assert "hunter2" not in str(await house.get("/system/tree"))


@pytest.mark.parametrize("query", [{"after": -1}, {"after": "x"}, {"limit": 0}, {"since": 3}])
async def test_a_query_that_makes_no_sense_names_its_field(house: House, query: dict[str, Any]) -> None:
    answer = await house.call("GET", f"/api/v1{EVENTS}", **query)

    assert answer.status == 422
    assert answer.faults == set(query)


async def test_nothing_is_restarted_that_cannot_be_written_down(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> Never:
        raise Unavailable("Postgres")

    before = await house.get("/system/actors/cleanup")
    monkeypatch.setattr(house.resources.audit_log, "_database", SimpleNamespace(connection=away))

    answer = await house.call("POST", "/api/v1/system/actors/cleanup/restart")

    after = await house.get("/system/actors/cleanup")
    assert answer.status == 503
    assert (after["incarnation"], after["state"]) == (before["incarnation"], "running")
    assert after["recent_events"] == before["recent_events"]
