"""Writes: what was seen is what is changed, what is repeated is done once, and every action says what it did."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from horarium.errors import Unavailable
from tests.support.waiting import WAITING_FOR_A_LOCK, eventually

if TYPE_CHECKING:
    from typing import Never

    from tests.support.tree import Answer, House

pytestmark = pytest.mark.anyio

BASE = "/api/v1/task-configs"
DAILY = {"scheduler_type": "cron", "schedule_config": {"cron_expression": "0 6 * * *"}}


async def test_the_same_key_without_parameters_answers_the_same_run_after_an_edit(house: House) -> None:
    config = await house.config()
    key = {"Idempotency-Key": "before and after"}
    first = await house.call("POST", f"{BASE}/{config}/run", headers=key)
    await house.call("PATCH", f"{BASE}/{config}", {"parameters": {"message": "edited"}})

    again = await house.call("POST", f"{BASE}/{config}/run", headers=key)

    assert (again.status, again.body) == (202, first.body)


@pytest.mark.parametrize(
    ("release", "code"),
    [
        ("UPDATE task_configs SET task_type = 'forgotten' WHERE id = $1", "task_type"),
        ("UPDATE task_configs SET parameters = '{\"text\": 1}' WHERE id = $1", "parameters"),
    ],
)
async def test_a_run_of_what_no_longer_fits_its_task_is_a_conflict_and_makes_nothing(
    house: House, release: str, code: str
) -> None:
    config = await house.config()
    await house.sql(release, config)

    answer = await house.call("POST", f"{BASE}/{config}/run")

    assert (answer.status, answer.body["code"]) == (409, code)
    assert await house.sql("SELECT count(*) FROM executions WHERE config_id = $1", config) == 0


async def test_a_run_has_the_parameters_of_the_task_that_it_runs_though_the_config_is_edited_meanwhile(
    house: House,
) -> None:
    """Who may say with which parameters one task runs has no say in those of the one that takes its place."""
    config = await house.config()
    answers: list[Answer] = []

    async def run() -> None:
        body = {"parameters": {"message": "for echo"}}
        answers.append(await house.call("POST", f"{BASE}/{config}/run", body))

    async with anyio.create_task_group() as running, house.resources.database.transaction() as edit:
        await edit.execute("SELECT FROM task_configs WHERE id = $1 FOR UPDATE", config)
        await edit.execute("UPDATE task_configs SET task_type = 'sleep' WHERE id = $1", config)
        running.start_soon(run)
        await eventually(partial(house.sql, WAITING_FOR_A_LOCK))

    (answer,) = answers
    assert (answer.status, answer.faults) == (422, {"parameters.message", "parameters.seconds"})
    assert await house.sql("SELECT count(*) FROM executions WHERE config_id = $1", config) == 0


@pytest.mark.parametrize("kind", [{}, DAILY], ids=["manual", "cron"])
@pytest.mark.parametrize("field", ["start_at", "end_at"])
async def test_an_edit_of_one_date_is_checked_against_the_other(
    house: House, kind: dict[str, object], field: str
) -> None:
    config = await house.config(start_at="2098-01-01T00:00:00Z", end_at="2099-01-01T00:00:00Z", **kind)
    wrong = {"start_at": "2099-01-01T00:00:00Z", "end_at": "2098-01-01T00:00:00Z"}[field]

    answer = await house.call("PATCH", f"{BASE}/{config}", {field: wrong})

    assert (answer.status, answer.faults) == (422, {"end_at"})


async def test_a_new_config_that_ends_when_it_starts_is_refused(house: House) -> None:
    dates = {"start_at": "2099-01-01T00:00:00Z", "end_at": "2099-01-01T00:00:00Z"}

    answer = await house.call("POST", BASE, {"name": "never", "task_type": "fail", "scheduler_type": "manual", **dates})

    assert (answer.status, answer.faults) == (422, {"end_at"})


@pytest.mark.parametrize("instant", [1893456000, "2030-01-01T00:00:00+25:00", "2030-01-01T00:00:00+01:60", {}])
async def test_what_is_no_instant_is_refused_with_how_to_write_one(house: House, instant: object) -> None:
    answer = await house.call("POST", f"{BASE}/1/pause", {"until": instant})

    example = "must be RFC 3339 with an offset, such as 2030-01-31T09:00:00Z"
    assert (answer.status, answer.body["errors"]) == (422, [{"loc": ["until"], "msg": example}])


async def test_a_backslash_before_u0000_is_text_like_any_other(house: House) -> None:
    config = await house.config(parameters={"message": r"a\u0000b"})

    assert (await house.get(f"/task-configs/{config}"))["parameters"] == {"message": r"a\u0000b"}


@pytest.mark.parametrize("parameters", [{"message": "a\0b"}, {"a\0b": 1}, {"message": [{"a": ["\0"]}]}])
async def test_a_nul_anywhere_in_a_body_is_refused(house: House, parameters: dict[str, object]) -> None:
    answer = await house.call("POST", f"{BASE}/1/run", {"parameters": parameters})

    assert (answer.status, answer.faults) == (422, {"body"})


async def test_a_nul_nested_deeper_than_the_stack_is_refused_too(house: House) -> None:
    body = b'{"parameters": {"message": ' + b"[" * 900 + rb'"\u0000"' + b"]" * 900 + b"}}"

    answer = await house.call("POST", f"{BASE}/1/run", body)

    assert (answer.status, answer.faults) == (422, {"body"})


async def test_a_new_config_is_shown_as_it_was_given_with_the_rest_by_default(house: House) -> None:
    body = {"name": "as given", "task_type": "echo", "parameters": {"message": "é"}, "tags": ["a"], **DAILY}

    answer = await house.call("POST", BASE, body)

    assert answer.status == 201
    assert answer.headers["Location"] == f"{BASE}/{answer.body['id']}"
    assert answer.headers["ETag"] == '"1"'
    expected = {
        "name": "as given", "status": "active", "queue": "default", "priority": 5, "timeout_seconds": 300.0,
        "max_retries": 0, "overlap": "skip", "catchup": "latest", "catchup_window_seconds": 3600,
        "max_catchup_runs": 100, "jitter_seconds": 0, "version": 1,
    }  # fmt: skip
    assert {name: answer.body[name] for name in expected} == expected
    assert (answer.body["parameters"], answer.body["tags"]) == ({"message": "é"}, ["a"])
    assert answer.body["next_run_at"].endswith("T06:00:00Z")
    assert (await house.call("GET", answer.headers["Location"])).body | {"warnings": []} == answer.body


async def test_an_edit_changes_what_is_given_and_counts_the_version_up(house: House) -> None:
    config = await house.config(description="before", tags=["a"])

    answer = await house.call("PATCH", f"{BASE}/{config}", {"description": "after"})

    assert (answer.status, answer.headers["ETag"]) == (200, '"2"')
    assert (answer.body["description"], answer.body["tags"], answer.body["version"]) == ("after", ["a"], 2)


async def test_an_edit_that_moves_the_schedule_moves_the_next_run(house: House) -> None:
    config = await house.config(**DAILY)

    answer = await house.call("PATCH", f"{BASE}/{config}", {"schedule_config": {"cron_expression": "0 7 * * *"}})

    assert answer.body["next_run_at"].endswith("T07:00:00Z")


@pytest.mark.parametrize(
    ("header", "status"),
    [("1", 200), ('"1"', 200), ('W/"1"', 200), ("*", 200), ('"2"', 409), ("0", 409), ("x", 422), ("9" * 5000, 422)],
)
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_write_may_name_the_version_it_has_seen(house: House, method: str, header: str, status: int) -> None:
    config = await house.config()
    body = {"description": "edited"} if method == "PATCH" else None

    answer = await house.call(method, f"{BASE}/{config}", body, headers={"If-Match": header})

    assert answer.status == (204 if method == "DELETE" and status == 200 else status)


async def test_of_two_editors_who_saw_the_same_version_one_wins(house: House) -> None:
    config = await house.config()

    answers = await house.at_once(8, "PATCH", f"{BASE}/{config}", {"description": "mine"}, {"If-Match": "1"})

    assert sorted(answer.status for answer in answers) == [200, *[409] * 7]


@pytest.mark.parametrize(
    "body", [{}, {"description": "as it is", "schedule_config": {"cron_expression": "0  6 * * *"}}]
)
async def test_an_edit_to_what_is_so_already_is_answered_and_counted_nowhere(
    house: House, body: dict[str, object]
) -> None:
    config = await house.config(description="as it is", **DAILY)
    before = await house.get(f"/task-configs/{config}")

    answer = await house.call("PATCH", f"{BASE}/{config}", body, headers={"If-Match": "1"})

    assert (answer.status, answer.headers["ETag"]) == (200, '"1"')
    assert answer.body == before | {"warnings": []}
    assert await house.get(f"/task-configs/{config}") == before
    log = await house.get("/audit", target_kind="task_config", target_id=config)
    assert [entry["action"] for entry in log["items"]] == ["task_config.created"]


# What is committed is answered


@pytest.fixture
def reads_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the read side asks for is away."""

    def away(*_: object) -> Never:
        raise Unavailable("everything")

    monkeypatch.setattr(house.resources.views, "_database", SimpleNamespace(connection=away, snapshot=away))
    monkeypatch.setattr(house.resources.due_index, "ticks", away)


@pytest.mark.usefixtures("reads_nothing")
async def test_a_config_that_is_made_is_answered_though_nothing_can_be_read_by_then(house: House) -> None:
    answer = await house.call(
        "POST", BASE, {"name": "made blind", "task_type": "sleep", "parameters": {"seconds": 1}} | DAILY
    )

    assert (answer.status, answer.body["last_execution"]) == (201, None)
    assert answer.body["next_run_at"].endswith("T06:00:00Z")


@pytest.mark.usefixtures("reads_nothing")
@pytest.mark.parametrize("body", [{"description": "edited"}, {}], ids=["a change", "none"])
async def test_an_edit_is_answered_though_nothing_can_be_read_by_then(house: House, body: dict[str, object]) -> None:
    config = await house.config(**DAILY)
    run = await house.call("POST", f"{BASE}/{config}/run")

    answer = await house.call("PATCH", f"{BASE}/{config}", body)

    assert (answer.status, answer.body["last_execution"]["task_id"]) == (200, run.body["task_id"])
    assert answer.body["next_run_at"].endswith("T06:00:00Z")


@pytest.mark.usefixtures("reads_nothing")
async def test_a_cancel_is_answered_though_nothing_can_be_read_by_then(house: House) -> None:
    config = await house.config(queue="nobodys")
    run = await house.call("POST", f"{BASE}/{config}/run")

    answer = await house.call("POST", f"/api/v1/executions/{run.body['task_id']}/cancel")

    assert (answer.status, answer.body["status"], answer.body["progress"]) == (200, "cancelled", None)


async def test_the_answer_to_a_cancel_says_how_far_it_had_come(house: House) -> None:
    config = await house.config(queue="nobodys")
    run = await house.call("POST", f"{BASE}/{config}/run")
    await house.sql(
        "INSERT INTO execution_reports (execution_id, attempt, version, progress, progress_message)"
        " VALUES ($1, 1, 1, 0.5, 'half')",
        run.body["task_id"],
    )

    answer = await house.call("POST", f"/api/v1/executions/{run.body['task_id']}/cancel")

    assert (answer.body["progress"], answer.body["progress_message"]) == (0.5, "half")


@pytest.mark.parametrize("status", ["stop", "pause"])
async def test_a_config_that_is_not_active_has_no_next_run_in_the_answer_to_its_edit(house: House, status: str) -> None:
    config = await house.config(**DAILY)
    await house.call("POST", f"{BASE}/{config}/{status}")

    answer = await house.call("PATCH", f"{BASE}/{config}", {"description": "edited"})

    assert (answer.status, answer.body["next_run_at"]) == (200, None)


# Runs


async def test_twenty_runs_with_one_key_at_once_are_one_execution(house: House) -> None:
    config = await house.config()

    answers = await house.at_once(20, "POST", f"{BASE}/{config}/run", None, {"Idempotency-Key": "once"})

    assert {answer.status for answer in answers} == {202}
    assert len({answer.body["task_id"] for answer in answers}) == 1
    assert await house.sql("SELECT count(*) FROM executions WHERE config_id = $1", config) == 1


async def test_runs_without_a_key_are_as_many_as_they_are(house: House) -> None:
    config = await house.config()

    answers = await house.at_once(5, "POST", f"{BASE}/{config}/run", None, {})

    assert len({answer.body["task_id"] for answer in answers}) == 5


async def test_the_same_key_with_other_parameters_is_a_conflict(house: House) -> None:
    config = await house.config()
    key = {"Idempotency-Key": "k"}
    await house.call("POST", f"{BASE}/{config}/run", {"parameters": {"message": "a"}}, headers=key)

    answer = await house.call("POST", f"{BASE}/{config}/run", {"parameters": {"message": "b"}}, headers=key)

    assert (answer.status, answer.body["code"]) == (409, "idempotency_key")


async def test_the_same_key_of_two_configs_is_two_runs(house: House) -> None:
    key = {"Idempotency-Key": "shared"}

    answers = [await house.call("POST", f"{BASE}/{await house.config()}/run", headers=key) for _ in range(2)]

    assert len({answer.body["task_id"] for answer in answers}) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "\u00e9", "\udcff", "a\tb"])
async def test_a_key_of_no_use_is_refused(house: House, key: str) -> None:
    config = await house.config()

    answer = await house.call("POST", f"{BASE}/{config}/run", headers={"Idempotency-Key": key})

    assert (answer.status, answer.faults) == (422, {"Idempotency-Key"})


# Actions


@pytest.mark.parametrize(
    ("before", "action", "status"),
    [([], "stop", "inactive"), ([], "pause", "paused"), (["stop"], "start", "active"), (["pause"], "resume", "active"),
     (["pause"], "stop", "inactive"), ([], "reload", "active")],
)  # fmt: skip
async def test_an_action_says_what_the_config_is_now(house: House, before: list[str], action: str, status: str) -> None:
    config = await house.config(**DAILY)
    for each in before:
        await house.call("POST", f"{BASE}/{config}/{each}")

    answer = await house.call("POST", f"{BASE}/{config}/{action}")

    assert answer.status == 200
    assert (answer.body["success"], answer.body["action"], answer.body["status"]) == (True, action, status)
    shown = await house.get(f"/task-configs/{config}", verify_scheduler_status=True)
    assert shown["status"] == status
    assert shown["scheduler_status"] == ("scheduled" if status == "active" else "not_scheduled")


@pytest.mark.parametrize(
    ("before", "action"), [("stop", "stop"), ("stop", "pause"), ("start", "start"), ("stop", "resume")]
)
async def test_an_action_that_the_state_does_not_allow_is_a_conflict(house: House, before: str, action: str) -> None:
    config = await house.config(**DAILY)
    await house.call("POST", f"{BASE}/{config}/{before}")

    assert (await house.call("POST", f"{BASE}/{config}/{action}")).status == 409


async def test_a_pause_keeps_its_reason_and_its_end(house: House) -> None:
    config = await house.config(**DAILY)

    await house.call("POST", f"{BASE}/{config}/pause", {"reason": "lunch", "until": "2099-01-01T00:00:00Z"})

    shown = await house.get(f"/task-configs/{config}")
    assert (shown["paused_reason"], shown["paused_until"]) == ("lunch", "2099-01-01T00:00:00Z")


@pytest.mark.parametrize("until", ["2020-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z", "soon"])
async def test_a_pause_until_no_instant_to_come_is_refused(house: House, until: str) -> None:
    config = await house.config(**DAILY)

    answer = await house.call("POST", f"{BASE}/{config}/pause", {"until": until})

    assert (answer.status, answer.faults) == (422, {"until"})


async def test_the_history_tells_the_life_of_a_config_newest_first(house: House) -> None:
    config = await house.config(**DAILY)
    await house.call("PATCH", f"{BASE}/{config}", {"description": "edited"})
    for action in ("pause", "resume", "stop", "start", "reload"):
        await house.call("POST", f"{BASE}/{config}/{action}")

    async def told() -> bool:
        events = (await house.get(f"/task-configs/{config}/history"))["items"]
        return [each["event"] for each in events] == [
            "task_reloaded", "task_started", "task_stopped", "task_resumed", "task_paused", "task_updated",
            "task_loaded",
        ]  # fmt: skip

    await eventually(told)
    events = (await house.get(f"/task-configs/{config}/history"))["items"]
    (by,) = {each["by"] for each in events}
    assert by.startswith("admin")


# Next runs


async def test_the_next_runs_follow_the_clock_of_their_zone(house: House) -> None:
    config = await house.config(
        scheduler_type="cron", schedule_config={"cron_expression": "0 6 * * *", "timezone": "Asia/Kolkata"}
    )

    page = await house.get(f"/task-configs/{config}/next-runs", count=3)

    assert (page["timezone"], page["total"], len(page["items"])) == ("Asia/Kolkata", 3, 3)
    assert {each["tick_at"][10:] for each in page["items"]} == {"T00:30:00Z"}
    assert {each["local"][10:] for each in page["items"]} == {"T06:00:00+05:30"}
    assert [each["fires_at"] for each in page["items"]] == [each["tick_at"] for each in page["items"]]


async def test_the_next_run_of_a_config_fires_when_its_next_runs_say_jitter_and_all(house: House) -> None:
    config = await house.config(**DAILY, jitter_seconds=3600)

    shown = await house.get(f"/task-configs/{config}")
    page = await house.get(f"/task-configs/{config}/next-runs", count=1)

    (run,) = page["items"]
    assert shown["jitter_seconds"] == 3600
    assert run["fires_at"] == shown["next_run_at"]
    assert run["fires_at"] > run["tick_at"]


@pytest.mark.parametrize("count", [0, 101])
async def test_a_count_of_next_runs_out_of_range_is_refused(house: House, count: int) -> None:
    answer = await house.call("GET", f"{BASE}/1/next-runs", count=count)

    assert (answer.status, answer.faults) == (422, {"count"})


@pytest.mark.parametrize("written", [{}, {"cron_expression": "0 6 * * *", "timezone": "Mars/Olympus"}])
async def test_a_config_that_makes_no_sense_any_more_has_no_next_runs(house: House, written: dict[str, Any]) -> None:
    """Its schedule was written by hand, or names a zone that newer servers know no more."""
    config = await house.config(**DAILY)
    await house.call("POST", f"{BASE}/{config}/pause", {"until": "2099-01-01T00:00:00Z"})
    await house.sql("UPDATE task_configs SET schedule_config = $2 WHERE id = $1", config, written)

    page = await house.get(f"/task-configs/{config}/next-runs")

    assert (page["items"], page["words"], page["timezone"]) == ([], None, "UTC")


async def test_a_stopped_config_has_no_next_runs(house: House) -> None:
    config = await house.config(**DAILY)
    await house.call("POST", f"{BASE}/{config}/stop")

    assert (await house.get(f"/task-configs/{config}/next-runs"))["items"] == []
