"""Schedules in the labels of tasks: declared all at once, and one that makes no sense costs the others nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from taskiq import InMemoryBroker

from horarium.adopting.labels import Applied, Declared, declare_labels
from horarium.adopting.translating import Offer
from horarium.errors import FieldError, InvalidInput

pytestmark = pytest.mark.anyio

NOW = datetime(2030, 1, 1, tzinfo=UTC)
DAILY = {"cron": "0 9 * * *"}
SCHEMA = {"properties": {"region": {}}, "additionalProperties": False}


class Api:
    """Notes what it is asked to apply; refuses as often as it has faults left."""

    def __init__(self, *faults: InvalidInput) -> None:
        self.bodies: list[dict[str, Any]] = []
        self._faults = list(faults)

    async def apply(self, body: dict[str, Any]) -> Applied:
        self.bodies.append(body)
        if self._faults:
            raise self._faults.pop(0)
        return Applied(created=[each["name"] for each in body["configs"]])


async def declared(*entries: Any, api: Api, schedule: Any = None) -> Declared:
    """What becomes of a task with these entries in its label."""
    broker = InMemoryBroker()

    @broker.task("app.send", schedule=list(entries) if schedule is None else schedule, team="growth")
    async def send(region: str = "EU") -> None:
        pass

    offer = Offer.of([{"name": "app.send", "parameters_schema": SCHEMA, "labels": {"team": "growth"}}])
    return await declare_labels(broker.get_all_tasks(), offer, api.apply, now=NOW)


def at(index: int, *loc: str, msg: str = "must be better") -> InvalidInput:
    return InvalidInput(FieldError(("configs", index, *loc), msg))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_every_entry_is_a_config_and_what_is_not_declared_any_more_is_removed() -> None:
    api = Api()

    await declared(DAILY, {"interval": 60, "schedule_id": "often", "args": ["US"], "labels": {"timeout": 5}}, api=api)

    (body,) = api.bodies
    assert (body["source"], body["prune"]) == ("taskiq labels", True)
    first, second = body["configs"]
    assert (first["name"], first["parameters"]) == ("app.send label-1", {})
    assert (second["name"], second["parameters"], second["timeout_seconds"]) == ("app.send often", {"region": "US"}, 5)


@pytest.mark.parametrize(
    "entry",
    [
        "0 9 * * *",
        {},
        {"cron": "nonsense"},
        {"interval": 0.5},
        {**DAILY, "kwargs": {"colour": "red"}},
        {**DAILY, "labels": {"nobody": "knows"}},
        {**DAILY, "labels": "red"},
    ],
    ids=["text", "no time", "no cron", "part of a second", "unknown argument", "unknown label", "no labels"],
)
async def test_an_entry_that_makes_no_sense_costs_the_others_nothing_and_nothing_is_removed(entry: Any) -> None:
    api = Api()

    done = await declared(entry, DAILY, api=api)

    assert list(done.broken) == ["app.send label-1"]
    (body,) = api.bodies
    assert ([each["name"] for each in body["configs"]], body["prune"]) == (["app.send label-2"], False)


async def test_a_label_that_is_no_list_is_named() -> None:
    done = await declared(api=Api(), schedule="0 9 * * *")

    assert done.broken == {"app.send": "its schedule is no list, but str"}


async def test_what_only_the_api_can_refuse_is_left_out_and_the_others_are_declared() -> None:
    api = Api(at(1, "parameters", "region"))

    done = await declared(DAILY, DAILY, DAILY, api=api)

    assert done.broken == {"app.send label-2": "parameters.region: must be better"}
    assert done.applied.created == ["app.send label-1", "app.send label-3"]
    assert api.bodies[-1]["prune"] is False


async def test_a_date_that_is_past_is_no_fault_and_the_others_are_as_if_it_were_not_there() -> None:
    api = Api(at(0, "schedule_config", "run_date"))

    done = await declared({"time": datetime(2029, 1, 1, tzinfo=UTC)}, DAILY, api=api)

    assert (done.broken, done.passed) == ({}, ["app.send label-1"])
    assert api.bodies[-1]["prune"] is True


async def test_a_refusal_of_the_whole_is_not_taken_for_a_fault_of_one() -> None:
    api = Api(InvalidInput(FieldError(("source",), "is too long")))

    with pytest.raises(InvalidInput, match="source: is too long"):
        await declared(DAILY, api=api)
