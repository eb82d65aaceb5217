"""Warnings beside a config's schedule: queues, the broker's patience, and how often the same schedule is looked at."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args

import pytest

from horarium.advice import PLACES, Facts, Saved, warnings_of
from horarium.schedule import SurpriseCode
from horarium.tasks.amqp_patience import redelivers_after

if TYPE_CHECKING:
    from horarium.model import ConfigWarning

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
FIELDS: dict[str, Any] = {
    "scheduler_type": "manual", "schedule_config": {}, "start_at": None, "end_at": None, "jitter_seconds": 0,
    "timeout_seconds": 300.0, "queue": "default", "overlap": "skip",
}  # fmt: skip
MINUTELY = {"scheduler_type": "cron", "schedule_config": {"cron_expression": "* * * * *"}, "timeout_seconds": 10.0}


def found(facts: Facts, config_id: int | None = None, **fields: Any) -> list[ConfigWarning]:
    return list(warnings_of(Saved(FIELDS | fields, config_id), facts, NOON, {}))


@pytest.mark.parametrize(
    ("facts", "fields", "codes"),
    [
        (Facts(), {}, []),
        (Facts(queues={"default"}), {}, []),
        (Facts(queues={"default"}), {"queue": "reports"}, ["queue_not_read"]),
        (Facts(queues=()), {}, ["queue_not_read"]),
        (Facts(redelivers_after=1800.0), {"timeout_seconds": 1800.0}, []),
        (Facts(redelivers_after=1800.0), {"timeout_seconds": 1801.0}, ["timeout_beyond_broker"]),
        (Facts(run_seconds={7: 61.0}), MINUTELY, ["slower_than_interval"]),
        (Facts(run_seconds={8: 61.0}), MINUTELY, []),
        (Facts(), {"schedule_config": {"nonsense": 1}}, []),
    ],
    ids=str,
)
def test_what_is_known_here_and_now_is_held_against_a_config(
    facts: Facts, fields: dict[str, Any], codes: list[str]
) -> None:
    assert [each.code for each in found(facts, 7, **fields)] == codes


def test_a_new_config_has_no_runs_to_be_held_against() -> None:
    assert found(Facts(run_seconds={7: 61.0}), None, **MINUTELY) == []


def test_a_schedule_that_was_looked_at_before_is_not_looked_at_again() -> None:
    known: dict[Any, Any] = {}
    saved = Saved(FIELDS | MINUTELY)

    first = list(warnings_of(saved, Facts(), NOON, known))
    (key,) = known
    known[key] = []

    assert first == list(warnings_of(saved, Facts(), NOON, known)) == []
    assert len(known) == 1


def test_every_surprise_has_a_field_to_look_at() -> None:
    assert set(PLACES) == set(get_args(SurpriseCode))


@pytest.mark.parametrize(
    ("version", "seconds"),
    [
        ("3.8.9", 1800.0), (b"3.11.14", 1800.0), ("3.11.15", None), ("3.12.0-rc.1", None), ("4.0", None),
        ("of somebody else", None), (None, None),
    ],
)  # fmt: skip
def test_a_rabbitmq_that_does_not_heed_its_consumers_goes_by_its_own_timeout(
    version: object, seconds: float | None
) -> None:
    assert redelivers_after({"version": version}) == seconds
