"""Configs and executions in the words that people read: aligned, whole where it matters, clear without colour."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from horarium.commands import console as printing
from horarium.commands.config_words import CONFIG_HEADINGS, config_page, config_words, event_words, next_words, schedule
from horarium.commands.console import fitted, table
from horarium.commands.execution_words import HEADINGS, change_line, execution_page, execution_words, outcome_line
from horarium.commands.notification_words import MESSAGE_HEADINGS, RULE_HEADINGS, message_words, rule_words
from horarium.commands.status import status_lines
from horarium.commands.words import age, countdown, counted, moment, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.text import Text

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
TASK_ID = "01a20fd3-aba1-7013-a14e-44afe0873d77"


def at(**distance: float) -> str:
    """An instant so far from now, as the API tells it."""
    return (NOW + timedelta(**distance)).isoformat()


def a_config(**fields: Any) -> dict[str, Any]:
    known = {
        "id": 7,
        "name": "nightly report",
        "description": "",
        "task_type": "reports.send",
        "parameters": {"region": "north"},
        "scheduler_type": "cron",
        "schedule_config": {"cron_expression": "*/5 * * * *", "timezone": "Europe/Paris"},
        "status": "active",
        "queue": "default",
        "priority": 5,
        "timeout_seconds": 300.0,
        "max_retries": 2,
        "retry_backoff_seconds": 10.0,
        "overlap": "skip",
        "catchup": "latest",
        "catchup_window_seconds": 3600,
        "max_catchup_runs": 100,
        "jitter_seconds": 0,
        "start_at": None,
        "end_at": None,
        "tags": ["reports", "daily"],
        "paused_reason": None,
        "paused_until": None,
        "version": 3,
        "created_at": at(days=-1),
        "updated_at": at(hours=-2),
        "next_run_at": at(minutes=4, seconds=12),
        "last_execution": {
            "task_id": TASK_ID,
            "status": "failed",
            "tick_at": at(seconds=-50),
            "started_at": at(seconds=-50),
            "completed_at": at(seconds=-48),
        },
    }
    return known | fields


def an_execution(**fields: Any) -> dict[str, Any]:
    known = {
        "task_id": TASK_ID,
        "config_id": 7,
        "task_type": "reports.send",
        "trigger": "schedule",
        "tick_at": at(minutes=-3),
        "tick_until": None,
        "tick_count": 1,
        "status": "success",
        "reason": None,
        "attempt": 1,
        "attempts": [],
        "queue": "default",
        "worker": "w1",
        "created_at": at(minutes=-3),
        "queued_at": at(minutes=-3),
        "started_at": at(minutes=-3),
        "completed_at": at(minutes=-2),
        "deadline_at": at(minutes=2),
        "cancel_requested_at": None,
        "duration_seconds": 60.0,
        "lateness_seconds": 0.012,
        "result": None,
        "error": None,
    }
    return known | fields


FAILED = {
    "status": "failed",
    "attempt": 2,
    "error": 'Traceback (most recent call last):\n  File "x.py", line 1\n\tboom()\nValueError: no \x1b[31msuch region',
    "attempts": [
        {
            "attempt": number,
            "status": "failed",
            "reason": None,
            "error": "Traceback:\nValueError: no such region",
            "worker": "w1",
            "started_at": at(minutes=-3),
            "completed_at": at(minutes=-2),
        }
        for number in (1, 2)
    ],
}


def drawn(lines: Iterable[Text], width: int = 200) -> list[str]:
    """What a terminal of this width shows."""
    console = Console(file=io.StringIO(), width=width, highlight=False, _environ={})
    console.print(fitted(lines))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]  # the StringIO of two lines above


def test_a_list_of_configs_says_when_each_runs_next_and_what_became_of_the_last_run() -> None:
    lines = drawn(table([a_config(), a_config(id=12, next_run_at=None)], CONFIG_HEADINGS, config_words(NOW)))

    assert lines == [
        "ID  NAME            STATE   NEXT       LAST            SCHEDULE                  TYPE          TAGS",
        "7   nightly report  active  in 4m 12s  failed 48s ago  */5 * * * * Europe/Paris  reports.send  reports, daily",
        "12  nightly report  active  -          failed 48s ago  */5 * * * * Europe/Paris  reports.send  reports, daily",
    ]


def test_a_long_name_does_not_push_the_rest_off_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None, _environ={})
    monkeypatch.setattr(printing, "output", terminal)
    long = [a_config(name="n" * 200)]

    on_a_terminal = drawn(table(long, CONFIG_HEADINGS, config_words(NOW)), width=80)
    monkeypatch.setattr(printing, "output", Console(file=io.StringIO(), width=80, _environ={}))
    piped = drawn(table(long, CONFIG_HEADINGS, config_words(NOW)), width=400)

    assert on_a_terminal[1].startswith(f"7   {'n' * 35}…  active  in 4m 12s  failed 48s ago")
    assert len(on_a_terminal[1]) == 80
    assert "n" * 200 in piped[1]


def test_a_name_of_wide_characters_keeps_the_columns_below_their_headings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "output", Console(file=io.StringIO(), _environ={}))

    heading, wide, plain = drawn(table([a_config(name="夜間報告"), a_config()], CONFIG_HEADINGS, config_words(NOW)))

    assert plain.index("active") == heading.index("STATE")
    assert wide.index("active") == heading.index("STATE") - 4, "each of the four takes two cells"


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        ("cron", {"cron_expression": "0 9 * * 1-5"}, "0 9 * * 1-5"),
        ("cron", {"minute": "0", "hour": 9, "timezone": "UTC"}, "0 9 * * *"),
        ("interval", {"hours": 1, "minutes": 30, "seconds": 0, "anchor": "x"}, "every 1h 30m"),
        ("date", {"run_date": "2030-01-31T09:00:00Z"}, "at 2030-01-31T09:00:00Z"),
        ("manual", {}, "by hand"),
    ],
)
def test_a_schedule_is_said_in_a_few_words(kind: str, given: dict[str, Any], words: str) -> None:
    assert schedule({"scheduler_type": kind, "schedule_config": given}) == words


def test_a_paused_config_says_why_and_when_it_goes_on() -> None:
    paused = a_config(status="paused", paused_reason="holiday\x1b[2J", paused_until=at(hours=2), next_run_at=None)

    page = drawn(config_page(paused, NOW))

    assert f"  State       paused until {moment(at(hours=2))}: holiday [2J" in page
    assert "  Next        resumes in 2h 0m" in page
    assert [line for line in page if "\x1b" in line] == []


def test_a_page_of_a_config_has_its_figures_and_leaves_out_what_is_not_set() -> None:
    stats = dict.fromkeys(("timeout", "cancelled", "lost", "skipped"), 0) | {"total": 10, "success": 9, "failed": 1}
    figures = stats | {"success_rate": 0.9, "avg_duration_seconds": 0.012, "p95_duration_seconds": 1.5}

    page = drawn(config_page(a_config(stats=figures), NOW))

    assert page[0] == "nightly report  config 7, version 3"
    assert "  Runs        10 in all, 9 success, 1 failed" in page
    assert "  Success     90.0% of those that ended" in page
    assert "  Took        12ms on average, 95% within 1.5s" in page
    assert "  Retries     2, the first after 10s" in page
    assert [line for line in page if "Jitter" in line or "Until" in line] == []


@pytest.mark.parametrize(("expression", "said"), [("30 9 * * 1-5", ["Every weekday at 09:30, UTC"]), ("@newer", [])])
def test_a_cron_is_said_in_words_as_far_as_this_release_can_read_it(expression: str, said: list[str]) -> None:
    page = drawn(config_page(a_config(schedule_config={"cron_expression": expression}), NOW))

    assert [line.removeprefix("  In words    ") for line in page if "In words" in line] == said


def test_a_run_that_jitter_puts_off_says_when_it_fires() -> None:
    run = {"tick_at": at(hours=1), "local": "2026-11-24T14:00:00+01:00", "fires_at": at(hours=1, seconds=7)}

    assert next_words(NOW)(run) == (
        moment(at(hours=1)),
        "in 1h 0m",
        "2026-11-24 14:00:00+01:00",
        at(hours=1, seconds=7),
    )
    assert next_words(NOW)(run | {"fires_at": at(hours=1)})[3] == ""


def test_events_are_told_with_what_belongs_to_them() -> None:
    event = {"event": "failed", "timestamp": at(), "task_id": TASK_ID, "attempt": 2, "error": "boom", "reason": None}

    assert drawn(event_words([event], NOW))[1] == f"0s ago  failed  {TASK_ID}  error boom, attempt 2"


def test_a_list_of_executions_begins_with_the_id_that_other_commands_take() -> None:
    skipped = an_execution(status="skipped", reason="overlap", tick_count=3, duration_seconds=None, attempt=0)

    lines = drawn(table([an_execution(config_name="nightly"), skipped], HEADINGS, execution_words(NOW)))

    assert lines == [
        f"TASK ID{' ' * 31}STATUS   WHEN       TOOK  CONFIG    TRY  TRIGGER   REASON",
        f"{TASK_ID}  success  3m 0s ago  1m    nightly   1    schedule",
        f"{TASK_ID}  skipped  3m 0s ago  -     config 7  0    schedule  overlap, 3 ticks",
    ]


def test_a_page_of_a_failed_execution_has_its_attempts_and_a_readable_traceback() -> None:
    page = drawn(execution_page(an_execution(**FAILED), NOW))

    assert page[0] == f"{TASK_ID}  failed"
    assert [line.split()[-1] for line in page if line.startswith("  Late by ")] == ["12ms"]
    assert [line.split()[-4:] for line in page if line.startswith("  2 ")] == [["ValueError:", "no", "such", "region"]]
    assert page[-5:] == [
        "  Error",
        "    Traceback (most recent call last):",
        '      File "x.py", line 1',
        "        boom()",
        "    ValueError: no  [31msuch region",
    ]


def test_a_change_and_an_outcome_say_why_in_one_line() -> None:
    failed = an_execution(**FAILED, config_name="nightly", duration_seconds=1.5)

    assert str(change_line(failed))[10:] == (
        f"{TASK_ID}  failed     nightly  took 1.5s  ValueError: no [31msuch region"
    )
    assert outcome_line(failed) == "failed after 1.5s in attempt 2: ValueError: no [31msuch region"
    assert outcome_line(an_execution(reason="by hand", duration_seconds=None)) == "success: by hand"


def test_a_status_says_in_words_what_keeps_work_from_being_done() -> None:
    answer = {
        "broker_connected": False,
        "scheduler_running": False,
        "total_configs": 3,
        "active_configs": 2,
        "total_scheduled_jobs": 2,
        "total_active_tasks": 0,
        "scheduler": {"leader": False, "leader_id": None, "leader_since": None, "epoch": 4},
        "worker": {"workers": []},
        "queues": {},
        "recent_events": [],
    }

    assert drawn(status_lines(answer, "http://h", NOW)) == [
        "http://h",
        "  Scheduler  nobody schedules",
        "  Broker     away: nothing is sent to workers",
        "  Configs    3, 2 active, 2 scheduled",
        "  In flight  0",
        "  Worker     none: nothing is run",
    ]


def test_a_list_of_rules_says_first_whether_they_are_heard() -> None:
    heard = {"webhook": {"url": "https://h/hooks"}, "email": None, "enabled": True, "repeat": "first", "tags": ["a"]}
    told = {"events": ["lost", "failed", "timeout", "missed", "config_error", "recovered"], "config_ids": [7]}
    quiet = {"webhook": None, "email": {"to": ["a@b", "c@d"]}, "tags": [], "config_ids": [], "last": None}
    rules = [
        {"id": 1, "name": "ops", "last": {"status": "failed", "at": at(minutes=-3)}, **heard, **told},
        {"id": 2, "name": "team", **heard, "repeat": "every", "events": ["failed"], **quiet},
        {"id": 3, "name": "old", **heard, **told, **quiet, "enabled": False},
    ]

    assert drawn(table(rules, RULE_HEADINGS, rule_words(NOW))) == [
        "ID  RULE  LAST              TELLS               ABOUT         TO",
        "1   ops   failed 3m 0s ago  all events          config 7, #a  https://h/hooks",
        "2   team  nothing yet       failed, every time  every config  a@b, c@d",
        "3   old   disabled          all events          every config  a@b, c@d",
    ]


def test_a_list_of_messages_begins_with_the_id_that_a_retry_takes() -> None:
    message = {"id": TASK_ID, "status": "pending", "created_at": at(seconds=-50), "config_name": "nightly"}
    tried = {"event": "failed", "rule_name": "ops", "attempts": 3, "last_error": "answered \x1b[31m500"}

    assert drawn(table([message | tried], MESSAGE_HEADINGS, message_words(NOW))) == [
        "ID                                    STATUS   RULE  ERROR             MADE     TRIES  EVENT   CONFIG",
        f"{TASK_ID}  pending  ops   answered [31m500  50s ago  3      failed  nightly",
    ]


def test_durations_and_distances_are_short() -> None:
    assert [seconds(each) for each in (None, 0.0004, 0.012, 1, 1.54, 60, 200)] == [
        "-",
        "0ms",
        "12ms",
        "1s",
        "1.5s",
        "1m",
        "3m 20s",
    ]
    assert (countdown(at(seconds=90), NOW), countdown(at(seconds=-90), NOW), countdown(None, NOW)) == (
        "in 1m 30s",
        "now",
        "-",
    )
    assert (age(at(seconds=-90), NOW), age(None, NOW)) == ("1m 30s ago", "-")


@pytest.mark.parametrize(("number", "words"), [(0, "0 ticks"), (1, "1 tick"), (2, "2 ticks")])
def test_one_thing_is_not_called_several(number: int, words: str) -> None:
    assert counted(number, "tick") == words
