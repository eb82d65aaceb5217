"""`horarium config` as a user has it: processes, what they print, how they end, what becomes of the config."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.client.test_commands import Run, login, run
from tests.support.together import at_once

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.tree import House

__all__ = ["login"]

pytestmark = pytest.mark.anyio

NUMBERS = count(1)
FAR = "2099-01-31T09:00:00Z"


@pytest.fixture
def name() -> str:
    """A name that no config has."""
    return f"report {next(NUMBERS)}"


async def named(house: House, name: str) -> dict[str, Any]:
    """The config of this name, as the API has it."""
    found = await house.get("/task-configs", q=name)
    return next(config for config in found["items"] if config["name"] == name)


def flat(text: str) -> str:
    """The words of a message that was put in a box."""
    return " ".join(text.replace("│", " ").split())


# Making


async def test_a_config_is_made_with_every_flag_there_is(house: House, login: Path, name: str) -> None:
    flags = {
        "--type": "http_request",
        "--cron": "*/5 9-17 * * 1-5",
        "--tz": "Europe/Paris",
        "--start-at": "2030-01-01T00:00:00Z",
        "--end-at": FAR,
        "--jitter": "1m",
        "--params-json": '{"url": "http://example.org", "method": "GET"}',
        "--param": "method=POST",
        "--description": "Asks every five minutes.",
        "--tag": "north",
        "--queue": "slow",
        "--priority": "7",
        "--timeout": "1m30s",
        "--retries": "2",
        "--retry-backoff": "0.5s",
        "--overlap": "buffer_one",
        "--catchup": "all",
        "--catchup-window": "1d",
        "--max-catchup-runs": "3",
    }
    words = [word for flag in flags.items() for word in flag]

    made = await run("config", "create", name, *words, "--inactive", config_dir=login)

    config = await named(house, name)
    assert (made.code, made.out) == (0, f"Made config {config['id']}, {name}, inactive.\n")
    assert {key: config[key] for key in ("task_type", "queue", "priority", "overlap", "catchup", "tags")} == {
        "task_type": "http_request",
        "queue": "slow",
        "priority": 7,
        "overlap": "buffer_one",
        "catchup": "all",
        "tags": ["north"],
    }
    assert config["schedule_config"] == {"cron_expression": "*/5 9-17 * * 1-5", "timezone": "Europe/Paris"}
    assert config["parameters"] == {"url": "http://example.org", "method": "POST"}
    assert (config["timeout_seconds"], config["retry_backoff_seconds"], config["jitter_seconds"]) == (90, 0.5, 60)
    assert (config["catchup_window_seconds"], config["max_catchup_runs"], config["max_retries"]) == (86_400, 3, 2)
    assert (config["start_at"], config["end_at"]) == ("2030-01-01T00:00:00Z", FAR)
    assert (config["status"], config["description"]) == ("inactive", "Asks every five minutes.")


@pytest.mark.parametrize(
    ("words", "kind", "schedule"),
    [
        (["--every", "1d2h30m", "--anchor", FAR], "interval", {"days": 1, "hours": 2, "minutes": 30}),
        (["--at", "2099-01-31T09:00:00", "--tz", "Europe/Paris"], "date", {"timezone": "Europe/Paris"}),
        (["--manual"], "manual", {}),
    ],
)
async def test_each_kind_of_schedule_can_be_made(
    words: list[str], kind: str, schedule: dict[str, Any], house: House, login: Path, name: str
) -> None:
    made = await run("config", "create", name, "--type", "echo", "--param", 'message="5"', *words, config_dir=login)

    config = await named(house, name)
    assert (made.code, config["scheduler_type"]) == (0, kind)
    assert schedule.items() <= config["schedule_config"].items()
    assert config["parameters"] == {"message": "5"}


async def test_what_the_api_refuses_names_the_field_and_is_code_1(login: Path, name: str) -> None:
    refused = await run(
        "config", "create", name, "--type", "echo", "--param", "message=x", "--cron", "1 1", config_dir=login
    )

    assert (refused.code, refused.out) == (1, "")
    assert "schedule_config.cron_expression: must have 5 fields" in refused.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--manual"], "say what it runs: --type"),
        (["--type", "echo"], "one of --cron, --every, --at, --manual"),
        (["--type", "echo", "--every", "3x"], "Invalid value for '--every': must be a duration such as 30s"),
        (["--type", "echo", "--manual", "--param", "message"], "must be key=value"),
    ],
)
async def test_a_wrong_command_line_is_code_2_before_anybody_is_asked(
    words: list[str], said: str, tmp_path: Path
) -> None:
    refused = await run("config", "create", "x", *words, api_url="http://127.0.0.1:1", config_dir=tmp_path)

    assert refused.code == 2
    assert said in flat(refused.err)


# Changing


async def test_flags_change_what_they_name_and_nothing_else(house: House, login: Path, name: str) -> None:
    config_id = await house.config(name=name, tags=["a"], parameters={"message": "hello"})

    done = await run("config", "edit", name, "--priority", "9", "--param", "message=bye", config_dir=login)

    config = await house.get(f"/task-configs/{config_id}")
    assert (done.code, done.out) == (0, f"Changed {name}, now at version 2.\n")
    assert (config["priority"], config["parameters"], config["tags"]) == (9, {"message": "bye"}, ["a"])


async def test_of_two_edits_at_once_one_wins_and_the_other_is_told_to_look_again(
    house: House, login: Path, name: str
) -> None:
    config_id = await house.config(name=name)
    ended: list[Run] = []

    async def edit(priority: str) -> None:
        words = ("--priority", priority, "--if-version", "1")
        ended.append(await run("config", "edit", str(config_id), *words, config_dir=login))

    await at_once(lambda: edit("1"), lambda: edit("2"))

    won, lost = sorted(ended, key=lambda each: each.code)
    assert (won.code, lost.code) == (0, 1)
    assert "Nothing was changed; give the command again for what is there now" in lost.err
    assert (await house.get(f"/task-configs/{config_id}"))["version"] == 2


async def test_without_a_flag_and_without_a_terminal_there_is_nothing_to_edit_on(login: Path) -> None:
    refused = await run("config", "edit", "any", config_dir=login)

    assert refused.code == 2
    assert "name the fields to change by flags" in flat(refused.err)


async def test_a_config_is_paused_resumed_stopped_started_and_reloaded(house: House, login: Path, name: str) -> None:
    config_id = await house.config(name=name, scheduler_type="interval", schedule_config={"days": 1})

    paused = await run("config", "pause", name, "--reason", "holiday", "--until", "2h", config_dir=login)
    shown = await house.get(f"/task-configs/{config_id}")
    said = [await run("config", action, name, config_dir=login) for action in ("resume", "stop", "start", "reload")]

    assert (paused.out, shown["paused_reason"]) == (f"{name} is paused.\n", "holiday")
    assert shown["paused_until"] is not None
    assert [(each.code, each.out) for each in said] == [
        (0, f"{name} is active.\n"),
        (0, f"{name} is inactive.\n"),
        (0, f"{name} is active.\n"),
        (0, f"{name} is active.\n"),
    ]


async def test_several_are_stopped_by_one_command_until_one_refuses(house: House, login: Path, name: str) -> None:
    first = await house.config(name=name)

    done = await run("config", "stop", str(first), "no such config", "--json", config_dir=login)

    assert done.code == 5
    assert json.loads(done.out)["config_id"] == first
    assert "knows no config 'no such config'; `horarium config list` shows those it knows" in done.err


async def test_without_a_terminal_nothing_is_deleted_but_by_yes(house: House, login: Path, name: str) -> None:
    config_id = await house.config(name=name)

    refused = await run("config", "delete", name, config_dir=login)
    still = (await house.call("GET", f"/api/v1/task-configs/{config_id}")).status
    deleted = await run("config", "delete", name, "--yes", config_dir=login)

    assert (refused.code, still) == (2, 200)
    assert "give --yes" in flat(refused.err)
    assert (deleted.code, deleted.out) == (0, f"Deleted {name}.\n")
    assert (await house.call("GET", f"/api/v1/task-configs/{config_id}")).status == 404


# Looking


async def test_a_list_is_filtered_sorted_and_cut_and_says_so(house: House, login: Path, name: str) -> None:
    for suffix in "abc":
        await house.config(name=f"{name} {suffix}", tags=[name])

    table = await run("config", "list", "--tag", name, "--sort", "-name", "--limit", "2", config_dir=login)
    lines = await run("config", "list", "--tag", name, "--json", config_dir=login)

    assert [line.split("  ")[1].strip() for line in table.out.splitlines()] == ["NAME", f"{name} c", f"{name} b"]
    assert table.err == "2 of 3 shown; --limit 0 shows all\n"
    assert [json.loads(line)["name"] for line in lines.out.splitlines()] == [f"{name} {suffix}" for suffix in "abc"]
    assert lines.err == ""


async def test_a_page_of_one_config_has_its_figures(house: House, login: Path, name: str) -> None:
    config_id = await house.config(name=name, scheduler_type="interval", schedule_config={"hours": 2})

    page = await run("config", "show", name, config_dir=login)
    answer = await run("config", "show", str(config_id), "--json", config_dir=login)

    assert page.out.splitlines()[0] == f"{name}  config {config_id}, version 1"
    assert "  Schedule    every 2h" in page.out.splitlines()
    assert json.loads(answer.out).items() >= {"id": config_id, "scheduler_status": "scheduled"}.items()


async def test_a_config_whose_name_is_a_number_is_found_by_it(house: House, login: Path) -> None:
    config_id = await house.config(name="987654321")

    shown = await run("config", "show", "987654321", "--json", config_dir=login)

    assert json.loads(shown.out)["id"] == config_id


async def test_the_next_runs_and_the_history_are_those_of_the_api(house: House, login: Path, name: str) -> None:
    config_id = await house.config(name=name, scheduler_type="interval", schedule_config={"hours": 2})

    runs = await run("config", "next", name, "--count", "3", "--json", config_dir=login)
    table = await run("config", "next", name, "--count", "3", config_dir=login)
    events = await run("config", "history", name, "--json", config_dir=login)

    expected = (await house.get(f"/task-configs/{config_id}/next-runs", count=3))["items"]
    assert [json.loads(line) for line in runs.out.splitlines()] == expected
    assert len(table.out.splitlines()) == 4
    assert {json.loads(line)["event"] for line in events.out.splitlines()} >= {"task_loaded"}


# Running


async def test_a_run_prints_its_id_alone_and_may_be_sent_again_by_its_key(house: House, login: Path, name: str) -> None:
    await house.config(name=name)
    again = ("--idempotency-key", name)

    first, second = [await run("config", "run", name, *again, config_dir=login) for _ in range(2)]

    assert (first.code, first.err) == (0, "")
    assert first.out == second.out
    execution = await house.get(f"/executions/{first.out.strip()}")
    assert execution["trigger"] == "manual"


async def test_a_run_that_is_waited_for_ends_with_the_code_of_its_outcome(house: House, login: Path, name: str) -> None:
    good = await house.config(name=f"{name} good", parameters={"message": "hello"})
    bad = await house.config(name=f"{name} bad", task_type="fail", parameters={"message": "no luck"})
    slow = await house.config(name=f"{name} slow", task_type="sleep", parameters={"seconds": 30}, timeout_seconds=0.3)

    ended = [await run("config", "run", str(each), "--wait", config_dir=login) for each in (good, bad, slow)]

    assert [each.code for each in ended] == [0, 10, 11]
    assert ended[0].err.startswith("success after ")
    assert "TaskFailed: no luck" in ended[1].err
    assert ended[2].err.startswith("timeout after ")
    assert [len(each.out.splitlines()) for each in ended] == [1, 1, 1]


async def test_a_parameter_is_for_this_run_alone(house: House, login: Path, name: str) -> None:
    config_id = await house.config(name=name, parameters={"message": "hello"})

    done = await run("config", "run", name, "--param", "message=bye", "--wait", "--json", config_dir=login)

    assert json.loads(done.out)["result"] == {"message": "bye"}
    assert (await house.get(f"/task-configs/{config_id}"))["parameters"] == {"message": "hello"}


# The system


async def test_the_status_is_for_people_and_for_programs(house: House, login: Path) -> None:
    page = await run("status", config_dir=login)
    answer = await run("status", "--json", config_dir=login)

    assert (page.code, answer.code) == (0, 0)
    assert page.out.splitlines()[0] == house.url
    assert "  Broker     connected" in page.out.splitlines()
    assert json.loads(answer.out)["scheduler_running"] is True


async def test_a_viewer_may_look_and_is_code_4_where_it_may_not_act(house: House, name: str, tmp_path: Path) -> None:
    await house.config(name=name)
    viewer = {"api_url": house.url, "token": await house.token("viewer"), "config_dir": tmp_path}

    looked = await run("config", "show", name, **viewer)
    acted = await run("config", "stop", name, **viewer)

    assert (looked.code, acted.code) == (0, 4)
    assert "needs the role operator" in acted.err
