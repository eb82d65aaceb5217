"""What the log tells of an execution's end: our own words whole, and of a task's exception its type alone."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from horarium.endings import error_in_short, error_kind, tell_ending
from horarium.live_events import live_events
from horarium.outcome import Attempt, HandBack, Refused, Unsuccessful, decide
from horarium.sql.executions import Finished

if TYPE_CHECKING:
    from horarium.keyspace.history import HistoryEvent
    from horarium.live_events import Moved

NOON = datetime(2024, 5, 8, 12, tzinfo=UTC)


class TaskError(Exception):
    """What a task raises."""


def fail(arguments: tuple[object, ...], cause: Exception | None) -> None:
    raise TaskError(*arguments) from cause


def raised(*arguments: object, cause: Exception | None = None) -> TaskError:
    try:
        fail(arguments, cause)
    except TaskError as error:
        return error
    raise AssertionError


def raised_by(group: ExceptionGroup[Exception]) -> Exception:
    try:
        raise group
    except ExceptionGroup as error:
        return error


def described(*arguments: object, cause: Exception | None = None) -> str:
    return "".join(traceback.format_exception(raised(*arguments, cause=cause))).strip()


@pytest.mark.parametrize(
    "error",
    [
        described("c4n4ry"),
        described("one line\nc4n4ry: and another\n  c4n4ry"),
        described(),
        described("c4n4ry", cause=ValueError("c4n4ry")),
        f"{__name__}.TaskError: c4n4ry",
    ],
    ids=["a line", "lines", "nothing said", "a cause", "no traceback"],
)
def test_of_an_exception_the_log_has_the_type_alone(error: str) -> None:
    assert error_kind(error) == f"{__name__}.TaskError"


@pytest.mark.parametrize(
    ("members", "kind", "short"),
    [
        (
            [raised("one"), raised("a line\nand another")],
            f"{__name__}.TaskError",
            f"{__name__}.TaskError: a line\nand another",
        ),
        (
            [TaskError("no frames")],
            "ExceptionGroup",
            f"ExceptionGroup: of a task (1 sub-exception)\n\n{__name__}.TaskError: no frames",
        ),
    ],
    ids=["raised", "made"],
)
def test_of_a_group_the_last_exception_inside_is_told_without_any_frame(
    members: list[Exception], kind: str, short: str
) -> None:
    """As a TaskGroup of asyncio's raises it, whatever failed in it."""
    error = "".join(traceback.format_exception(raised_by(ExceptionGroup("of a task", members)))).strip()

    assert (error_kind(error), error_in_short(error)) == (kind, short)


@pytest.mark.parametrize("error", ["ran longer than 5 s", "its worker is gone", None])
def test_our_own_words_are_told_whole(error: str | None) -> None:
    assert error_kind(error) == error


def test_an_attempt_that_is_tried_again_says_of_which_worker_how_long_and_when() -> None:
    """The one line that every attempt has at info leads from its tick to its worker."""
    # given
    attempt = Attempt(UUID(int=1), 1, 7, "test", NOON, 60, 2, 10, NOON, NOON)
    ending = decide(attempt, Unsuccessful("failed", "no luck"), rand=lambda: 0.5)
    told: list[HistoryEvent | Moved] = []

    # when
    with capture_logs() as lines:
        finished = Finished("retrying", None, 1, 7, None, awaited=False)
        tell_ending(attempt, ending, finished, told.append, worker="w1", seconds=0.25)

    # then
    assert lines == [
        {
            "event": "execution.ended",
            "log_level": "warning",
            "task_id": str(UUID(int=1)),
            "config_id": 7,
            "attempt": 1,
            "task_type": "test",
            "tick_at": "2024-05-08T12:00:00+00:00",
            "worker": "w1",
            "ended_as": "failed",
            "status": "retrying",
            "duration_ms": 250.0,
            "retry_in_seconds": 10.0,
            "error": "no luck",
        }
    ]


def test_of_an_attempt_that_was_handed_back_it_is_told_that_the_next_one_waits() -> None:
    """Of one attempt `pending` comes before `running`: told of the old one, it would be taken for old news."""
    attempt = Attempt(UUID(int=1), 1, 7, "test", NOON, 60, 2, 10, NOON, NOON, lateness_seconds=0.5)
    told: list[Any] = []

    finished = Finished("pending", "worker_stopped", 2, 7, None, awaited=False)
    tell_ending(attempt, decide(attempt, HandBack("worker_stopped")), finished, told.append, worker="w1")

    (event,) = live_events(told)
    assert (event.data["status"], event.data["attempt"]) == ("pending", 2)
    assert "lateness_seconds" not in event.data


def test_the_end_of_what_an_app_has_kicked_says_when_it_was_and_how_long_it_took() -> None:
    attempt = Attempt(UUID(int=1), 1, None, "test", None, 60, 2, 10, NOON, NOON, message_id=UUID(int=2))
    told: list[Any] = []

    finished = Finished("failed", None, 1, None, NOON + timedelta(seconds=2), awaited=False)
    tell_ending(attempt, decide(attempt, Refused("no luck", "rejected")), finished, told.append, worker="w1")

    (event,) = live_events(told)
    assert (event.field, event.data["task_id"], event.data["status"]) == ("execution", str(UUID(int=2)), "failed")
    assert (event.data["started_at"], event.data["duration_seconds"], event.data["error"]) == (NOON, 2.0, "no luck")
