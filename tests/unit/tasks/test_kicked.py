"""What a message is: an attempt of a row, something an app has kicked, or nothing that can be run."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import orjson
import pytest
from taskiq import TaskiqMessage
from taskiq.labels import LabelType

from horarium.sql.executions import Claim
from horarium.tasks.kicked import TIMEOUT_SECONDS, claim_in, kicked, take_off_labels
from horarium.tasks.message import TaskMessage

AN_ID = UUID("01a22366-2ecd-722f-bf19-a78f1fbb4930")
HEX = "0b5b6d2bd7f64f1c8d5c1a0f7f0a9a11"


def message(task_id: str = HEX, args: list[Any] | None = None, **labels: Any) -> TaskiqMessage:
    return TaskiqMessage(task_id=task_id, task_name="app.task", labels=labels, args=args or [], kwargs={"k": 1})


def sent_again(message_id: UUID | None, **kick: Any) -> TaskiqMessage:
    """What a worker reads of an app's message that Horarium has sent, as the second attempt."""
    made = kicked(message(**kick), None)
    row = TaskMessage(
        AN_ID, 2, None, "app.task", "external", None, {}, "default", 5, message_id, orjson.loads(made.row.message)
    )
    read = TaskiqMessage.model_validate_json(row.to_json())
    read.parse_labels()
    return read


# Whose it is


@pytest.mark.parametrize("kind", ["cron", "interval", "date", "manual"])
def test_what_a_config_sends_is_claimed_by_its_id_and_attempt(kind: str) -> None:
    assert claim_in(message(str(AN_ID), scheduler_type=kind, attempt=3)) == Claim(AN_ID, 3)


@pytest.mark.parametrize("labels", [{}, {"attempt": 3}, {"scheduler_type": "of its own"}])
def test_everything_else_is_the_apps_own(labels: dict[str, Any]) -> None:
    assert claim_in(message(**labels)) is None


def test_what_is_sent_again_is_claimed_by_its_row_and_looks_as_it_did() -> None:
    read = sent_again(UUID(HEX), colour=7, bright=True, args=[1, "two"])

    assert claim_in(read) == Claim(AN_ID, 2)
    assert take_off_labels(read)
    assert (read.task_id, read.args, read.kwargs) == (HEX, [1, "two"], {"k": 1})
    assert read.labels == {"colour": 7, "bright": True}


def test_a_retry_by_hand_has_an_id_of_its_own_and_counts_anew() -> None:
    read = sent_again(None, _retries=2, colour=7)
    take_off_labels(read)

    assert (read.task_id, read.labels) == (str(AN_ID), {"colour": 7})


def test_the_labels_of_a_config_stay_where_they_are() -> None:
    ours = message(scheduler_type="cron", attempt=1)

    assert not take_off_labels(ours)
    assert ours.labels == {"scheduler_type": "cron", "attempt": 1}


# Ids


def test_a_uuid_is_the_id_however_it_is_written() -> None:
    assert kicked(message(HEX), None).row.message_id == kicked(message(str(UUID(HEX)), a=1), None).row.message_id


def test_each_time_the_app_tries_again_is_an_execution_that_names_the_one_before() -> None:
    first, second, third = (
        kicked(each, None).row for each in (message(), message(_retries="1"), message(_retries=1, **REQUEUED))
    )

    assert (first.message_id, first.retry_of) == (UUID(HEX), None)
    assert (second.message_id, second.retry_of) == (uuid5(UUID(HEX), "1"), first.message_id)
    assert (third.message_id, third.retry_of) == (uuid5(UUID(HEX), "2"), second.message_id)


REQUEUED = {"X-Taskiq-requeue": "1"}


@pytest.mark.parametrize("labels", [{"_retries": "often"}, {"_retries": -1}, {"_retries": None}])
def test_a_count_that_is_none_is_no_execution(labels: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        kicked(message(**labels), None)


def test_an_id_without_end_is_no_execution() -> None:
    with pytest.raises(ValueError, match="without end"):
        kicked(message("x" * 2000), None)


# What is kept


def takes(first: int, *rest: int, named: str = "") -> None:
    """Arguments of each kind."""


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        ([], {"k": 1}),
        ([1], {"first": 1, "k": 1}),
        ([1, 2, 3], {"first": 1, "rest": [2, 3], "k": 1}),
    ],
)
def test_arguments_are_shown_by_the_names_that_the_task_has_for_them(args: list[Any], shown: dict[str, Any]) -> None:
    assert orjson.loads(kicked(message(args=args), inspect.signature(takes)).row.parameters) == shown


def test_arguments_that_the_task_does_not_take_are_shown_all_the_same() -> None:
    none_taken = inspect.signature(lambda: None)

    assert orjson.loads(kicked(message(args=[1]), none_taken).row.parameters) == {"*args": [1], "k": 1}


def test_policies_come_from_the_labels_and_are_bounded() -> None:
    row = kicked(message(timeout=1e9, priority=12, horarium_max_retries=99_999, queue_name="reports"), None).row

    assert (row.timeout_seconds, row.priority, row.max_retries, row.queue) == (604_800.0, 9, 32_767, "reports")
    assert kicked(message(), None).row.timeout_seconds == TIMEOUT_SECONDS


def test_taskiqs_own_retries_are_none_of_ours() -> None:
    assert kicked(message(max_retries=5, retry_on_error=True), None).row.max_retries == 0


@pytest.mark.parametrize("odd", [{1, 2}, datetime.now(UTC), 2**80, "half a pair \ud800", {1: "no text"}])
def test_what_is_no_json_is_run_and_never_sent_again(odd: Any) -> None:
    made = kicked(message(args=[odd], horarium_max_retries=3), None)

    assert (made.can_be_sent_again, made.row.max_retries) == (False, 0)
    assert orjson.loads(made.row.message) == {"task_id": HEX}


def test_a_label_keeps_its_type_and_one_without_stays_as_it_is() -> None:
    sent = message(colour=7, odd={"a": [1]})
    sent.labels_types = {"colour": LabelType.INT}

    kept = orjson.loads(kicked(sent, None).row.message)

    assert (kept["labels"], kept["labels_types"]) == ({"colour": "7", "odd": {"a": [1]}}, {"colour": LabelType.INT})
