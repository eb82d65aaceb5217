"""An examination: facts that are asked for, and a judgement made of them. All run at once, each with its deadline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio

from horarium.doctor.diagnosis import failed
from horarium.troubles import reason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from horarium.doctor.diagnosis import Diagnosis
    from horarium.doctor.patient import Patient

__all__ = ["DEADLINE_SECONDS", "Examination", "examine"]

DEADLINE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Examination:
    """`ask` gets the facts, or fails with what `remedy` is for; `judge` is pure. Without `applies` it is not made."""

    check: str
    ask: Callable[[Patient], Awaitable[Any]]
    judge: Callable[[Any], Iterable[Diagnosis]]
    remedy: str
    applies: Callable[[Patient], bool] = lambda _: True


async def examine(
    patient: Patient, examinations: Sequence[Examination], *, seconds: float = DEADLINE_SECONDS
) -> list[Diagnosis]:
    """What was found, in the order of the table, whatever order it came in."""
    made = [each for each in examinations if each.applies(patient)]
    found: list[list[Diagnosis]] = [[] for _ in made]

    async def one(place: int, examination: Examination) -> None:
        found[place] = await _made(patient, examination, seconds)

    async with anyio.create_task_group() as group:
        for place, examination in enumerate(made):
            group.start_soon(one, place, examination)
    return [diagnosis for each in found for diagnosis in each]


async def _made(patient: Patient, examination: Examination, seconds: float) -> list[Diagnosis]:
    try:
        with anyio.fail_after(seconds):
            facts = await examination.ask(patient)
    except TimeoutError as error:
        why = reason(error) if error.__cause__ is not None else f"no answer within {seconds:g} s"
        return [failed(examination.check, why, examination.remedy)]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what was to be found out, and is told
        return [failed(examination.check, reason(error), examination.remedy)]
    return list(examination.judge(facts))
