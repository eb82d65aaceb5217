"""What the log says of executions on their way: batches at info by their first ids, at debug by all."""

from __future__ import annotations

import json
import logging
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from structlog.testing import capture_logs

from horarium.logs import configure_logging
from horarium.outcome import Attempt
from horarium.stages import NAMED, NAMED_IN_A_LINE, bind_ids, named, tell_committed, tell_started
from tests.unit.test_logs import logging_as_before

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

__all__ = ["logging_as_before"]

NOON = datetime(2024, 5, 8, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Execution:
    """Knows which one it is."""

    task_id: UUID


def executions(number: int) -> Iterator[Execution]:
    return (Execution(UUID(int=n)) for n in range(number))


def attempt(config_id: int | None = 7) -> Attempt:
    return Attempt(UUID(int=1), 2, config_id, "test", NOON, 60, 0, 0, NOON, NOON)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_at_debug_every_execution_of_a_batch_is_named_in_lines_of_bounded_length(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "horarium.stages")

    with capture_logs() as told:
        tell_committed(executions(2 * NAMED_IN_A_LINE + 1))

    assert [line["executions"] for line in told] == [NAMED_IN_A_LINE, NAMED_IN_A_LINE, 1]
    assert [each for line in told for each in line["task_ids"]] == [
        str(each.task_id) for each in executions(2 * NAMED_IN_A_LINE + 1)
    ]


def test_at_info_a_stage_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "horarium.stages")
    untouched = executions(3)

    with capture_logs() as told:
        tell_committed(untouched)
        tell_started(attempt(), "w1")

    assert told == []
    assert len(list(untouched)) == 3, "they were not even looked at"


def test_a_line_at_info_names_the_first_of_many() -> None:
    assert named(executions(10_000)) == [str(UUID(int=n)) for n in range(NAMED)]


def test_lines_on_behalf_of_an_attempt_carry_its_ids_whoever_writes_them(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info")

    def speak() -> None:
        bind_ids(attempt())
        structlog.get_logger("horarium.x").info("said.by_us")
        logging.getLogger("app").warning("said by a library")

    copy_context().run(speak)
    structlog.get_logger("horarium.x").info("said.later")

    ids = [[line.get(name) for name in ("task_id", "config_id", "attempt")] for line in lines(capsys)]
    assert ids == [[str(UUID(int=1)), 7, 2], [str(UUID(int=1)), 7, 2], [None, None, None]]


def test_a_line_that_names_an_execution_itself_is_about_that_one(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info")

    def speak() -> None:
        bind_ids(attempt(config_id=None))
        structlog.get_logger("horarium.x").info("said.of_another", task_id="another")

    copy_context().run(speak)

    (line,) = lines(capsys)
    assert (line["task_id"], line["attempt"]) == ("another", 2)
    assert "config_id" not in line
