"""The broker that HORARIUM_BROKER names: found as `taskiq worker` finds it, or refused with the reason."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs
from taskiq import InMemoryBroker
from taskiq.serializers import JSONSerializer, PickleSerializer
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from horarium.adopting.broker import AdoptedBroker
from horarium.adopting.imported import import_broker, pickles_of, task_types_of
from horarium.errors import ConfigurationError
from horarium.resources import _adopted
from horarium.settings import load_settings
from tests.support.adopted_app import SPEC, wanted

if TYPE_CHECKING:
    from pathlib import Path

NOWHERE = "redis://127.0.0.1:1"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes a module in the current directory; answers its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def write(text: str) -> str:
        name = f"app_{uuid.uuid4().hex}"  # Python remembers what it has looked for
        (tmp_path / f"{name}.py").write_text(text)
        return name

    return write


STREAMS = "from taskiq_redis import *\nimport taskiq\n"


@pytest.mark.parametrize(
    "text", ["broker = RedisStreamBroker('{url}')", "def broker():\n    return RedisStreamBroker('{url}')"]
)
def test_a_broker_is_found_by_its_name_and_so_is_a_function_that_makes_one(module: Any, text: str) -> None:
    name = module(STREAMS + text.format(url=NOWHERE))

    assert isinstance(import_broker(f"{name}:broker"), RedisStreamBroker)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1 / 0", "cannot be imported: ZeroDivisionError"),
        ("other = 1", "cannot be imported: AttributeError: .* has no attribute 'broker'"),
        ("def broker():\n    raise OSError('no disk')", "cannot be imported: OSError: no disk"),
        ("broker = 1", "is int, and not a taskiq AsyncBroker"),
        ("broker = taskiq.InMemoryBroker()", "is InMemoryBroker, which runs tasks in the process that kicks them"),
        ("broker = ListQueueBroker('{url}')", "is ListQueueBroker, which .* a killed worker loses it"),
        ("broker = PubSubBroker('{url}')", "is PubSubBroker, which gives a message to every worker"),
        ("broker = taskiq.async_shared_broker", "is AsyncSharedBroker, which only stands in for another one"),
    ],
)
def test_what_will_not_do_is_refused_with_the_reason(module: Any, text: str, why: str) -> None:
    name = module(STREAMS + text.format(url=NOWHERE))

    with pytest.raises(ConfigurationError, match=f"HORARIUM_BROKER: {name}:broker {why}"):
        import_broker(f"{name}:broker")


def test_json_is_no_pickle() -> None:
    broker = RedisStreamBroker(NOWHERE)
    broker.with_result_backend(RedisAsyncResultBackend(NOWHERE, serializer=JSONSerializer()))

    assert list(pickles_of(broker)) == []


def test_pickles_of_messages_and_of_results_are_named() -> None:
    broker = RedisStreamBroker(NOWHERE).with_serializer(PickleSerializer())
    broker.with_result_backend(RedisAsyncResultBackend(NOWHERE))

    assert list(pickles_of(broker)) == [
        "the serializer of its messages is PickleSerializer",
        "RedisAsyncResultBackend keeps results with PickleSerializer",
    ]


def test_the_apps_tasks_are_task_types_beside_those_that_are_built_in() -> None:
    with wanted(NOWHERE):
        types = task_types_of(load_settings({"HORARIUM_BROKER": SPEC}))

    assert {"app.greet", "echo", "http_request"} <= {each.name for each in types.all()}
    greet = types.get("app.greet")
    assert list(greet.parameters_schema["properties"]) == ["message"]
    assert greet.labels == {"team": "growth"}


def test_a_task_whose_parameters_cannot_come_from_json_is_left_out_and_costs_nothing_else() -> None:
    with wanted(NOWHERE):
        types = task_types_of(load_settings({"HORARIUM_BROKER": SPEC}))

    assert "app.odd" not in {each.name for each in types.all()}


def test_the_queue_of_a_task_is_the_one_that_its_label_names() -> None:
    broker = RedisStreamBroker(NOWHERE, queue_name="letters")

    def of(**labels: object) -> str:
        return AdoptedBroker(broker, works=False, sends=True).queue_of(labels)

    assert of() == of(queue_name="letters") == of(queue_name="no name: here") == "default"
    assert of(queue_name="post") == of(queue="post") == "post"


def test_an_adopted_broker_is_told_whether_its_process_works() -> None:
    broker = InMemoryBroker()

    AdoptedBroker(broker, works=True, sends=False)

    assert broker.is_worker_process


def test_pickles_are_warned_of_when_a_process_starts(module: Any) -> None:
    pickling = (
        "from taskiq.serializers import *\nbroker = RedisStreamBroker('{url}').with_serializer(PickleSerializer())"
    )
    name = module(STREAMS + pickling.format(url=NOWHERE))

    with capture_logs() as logs:
        _adopted(load_settings({"HORARIUM_BROKER": f"{name}:broker"}), "worker")

    (warned,) = logs
    assert (warned["event"], warned["log_level"], warned["broker"]) == ("broker.pickles", "warning", f"{name}:broker")
    assert "JSONSerializer()" in warned["remedy"]
