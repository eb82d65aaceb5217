"""Examinations run at once, each within its deadline, and none keeps another from being made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from horarium.commands.doctor import diagnosis_lines
from horarium.doctor import Diagnosis, Examination, admit, examine, failed, ok

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from horarium.doctor import Patient

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    return admit({"HORARIUM_DATA_DIR": str(tmp_path)})


def examination(check: str, ask: Callable[[Patient], Awaitable[Any]], **options: Any) -> Examination:
    return Examination(check, ask, lambda facts: [ok(check, str(facts))], f"remedy of {check}", **options)


async def test_they_are_told_in_order_and_one_that_fails_keeps_no_other_back(patient: Patient) -> None:
    second_done = anyio.Event()

    async def first(_: Patient) -> str:
        await second_done.wait()
        return "well"

    async def second(_: Patient) -> str:
        second_done.set()
        raise ConnectionRefusedError(111, "Connection refused")

    async def stuck(_: Patient) -> None:
        await anyio.sleep_forever()

    found = await examine(
        patient, [examination("first", first), examination("second", second), examination("stuck", stuck)], seconds=0.2
    )

    assert found == [
        ok("first", "well"),
        failed("second", "connection refused", "remedy of second"),
        failed("stuck", "no answer within 0.2 s", "remedy of stuck"),
    ]


async def test_what_does_not_apply_is_not_made(patient: Patient) -> None:
    async def never(_: Patient) -> None:
        raise AssertionError

    assert await examine(patient, [examination("never", never, applies=lambda _: False)]) == []


async def test_a_password_in_an_error_is_not_repeated(patient: Patient) -> None:
    async def telling(_: Patient) -> None:
        raise ValueError("cannot read postgresql://me:hunter2@host/db")

    (found,) = await examine(patient, [examination("telling", telling)])

    assert found.summary == "cannot read postgresql://me:***@host/db"


def test_nor_is_one_in_what_a_judgement_says() -> None:
    made = failed("redis", "redis://:hunter2@host is away", "try redis://:hunter2@other")

    assert (made.summary, made.remedy) == ("redis://:***@host is away", "try redis://:***@other")


def test_a_setting_that_is_wrong_hides_none_of_the_others(tmp_path: Path) -> None:
    patient = admit(
        {
            "HORARIUM_PORT": "many",
            "HORARIUM_REDIS_URI": "x",
            "HORARIUM_QUEUES": "a",
            "HORARIUM_DATA_DIR": str(tmp_path),
        },
        api_url="nowhere",
    )

    assert patient.settings.queues == ("a",)
    assert [fault.partition(":")[0] for fault in patient.faults] == [
        "HORARIUM_REDIS_URI",
        "HORARIUM_PORT",
        "--url",
    ]


def test_a_line_says_its_level_in_words_and_the_remedy_below() -> None:
    lines = [
        line.plain for line in diagnosis_lines([ok("redis", "7.2"), Diagnosis("api", "failed", "away", "start it")])
    ]

    assert lines == [
        "ok       redis  7.2",
        "failed   api    away",
        "                -> start it",
        "\n1 ok, 0 warnings, 1 failed",
    ]
