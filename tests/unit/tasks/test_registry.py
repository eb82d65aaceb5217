"""Task types: a signature becomes a schema, and parameters are checked against it before anything is saved."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable  # noqa: TC003 - a signature's hints are read at run time
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import pytest
from pydantic import Field
from taskiq import Context, InMemoryBroker, TaskiqDepends

from horarium import task
from horarium.errors import ConfigurationError, InvalidInput, NotFound
from horarium.tasks.registry import TaskTypes, import_task_modules

if TYPE_CHECKING:
    from pathlib import Path

    from horarium.tasks.registry import TaskType


def declared(function: Callable[..., Any], **labels: Any) -> TaskType:
    """The task type of a function, without a word to the shared registry."""
    decorated = InMemoryBroker().task(task_name="t", **labels)(function)
    return TaskTypes({"t": decorated}).get("t")


def faults(kind: TaskType, parameters: dict[str, object]) -> list[tuple[str | int, ...]]:
    with pytest.raises(InvalidInput) as refused:
        kind.check(parameters)
    return [error.loc for error in refused.value.errors]


async def report(region: str, limit: Annotated[int, Field(ge=1)] = 100, tags: list[str] | None = None) -> None:
    """Send the report.

    To everybody.
    """


async def anything(first: int, **more: int) -> None: ...


async def injected(
    region: str, context: Annotated[Context, TaskiqDepends()], late: int = TaskiqDepends(lambda: 1)
) -> None: ...


@task("test.registry_bare_context")
async def bare_context(region: str, context: Context) -> None: ...


def plain(region: str) -> None: ...


class NoJson:
    """A type that JSON has no word for."""


async def opaque(region: str, thing: NoJson) -> None: ...


async def callback(region: str, thing: Callable[[], int]) -> None: ...


async def unannotated(region, limit=1):  # type: ignore[no-untyped-def]  # as some write it
    ...


def test_the_schema_is_drawn_from_the_signature() -> None:
    schema = declared(report).parameters_schema

    assert schema["required"] == ["region"]
    assert set(schema["properties"]) == {"region", "limit", "tags"}
    assert schema["properties"]["limit"] == {"default": 100, "minimum": 1, "title": "Limit", "type": "integer"}
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("function", [opaque, callback])
def test_a_parameter_that_cannot_come_from_json_is_named_at_start(function: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"^task t: parameter thing cannot come from JSON: [^\n]+$"):
        declared(function)


def test_the_description_is_the_docstring_and_the_queue_a_label() -> None:
    kind = declared(report, queue="slow")

    assert kind.description == "Send the report.\n\nTo everybody."
    assert (kind.queue, declared(report).queue) == ("slow", "default")


@pytest.mark.parametrize("parameters", [{"region": "north"}, {"region": "north", "limit": 1, "tags": ["a"]}])
def test_what_fits_the_signature_is_let_through(parameters: dict[str, object]) -> None:
    declared(report).check(parameters)


@pytest.mark.parametrize(
    ("parameters", "at_fault"),
    [
        ({}, "region"),
        ({"region": 1}, "region"),
        ({"region": None}, "region"),
        ({"region": "north", "limit": "5"}, "limit"),
        ({"region": "north", "limit": 1.5}, "limit"),
        ({"region": "north", "limit": True}, "limit"),
        ({"region": "north", "limit": 0}, "limit"),
        ({"region": "north", "colour": "red"}, "colour"),
    ],
)
def test_what_does_not_fit_is_named(parameters: dict[str, object], at_fault: str) -> None:
    assert faults(declared(report), parameters) == [("parameters", at_fault)]


def test_every_fault_is_named_at_once() -> None:
    assert faults(declared(report), {"limit": 0, "tags": [1]}) == [
        ("parameters", "region"),
        ("parameters", "limit"),
        ("parameters", "tags", 0),
    ]


def test_what_taskiq_fills_in_is_no_parameter() -> None:
    assert set(declared(injected).parameters_schema["properties"]) == {"region"}
    assert set(declared(bare_context.original_func).parameters_schema["properties"]) == {"region"}
    assert faults(declared(injected), {"region": "north", "late": 1}) == [("parameters", "late")]


def test_a_function_that_takes_any_keyword_takes_any_parameter() -> None:
    declared(anything).check({"first": 1, "second": 2})

    assert faults(declared(anything), {"second": 2}) == [("parameters", "first")]


@pytest.mark.parametrize("value", [orjson.loads("[" * 300 + "]" * 300), 10**30], ids=["too deep", "past 64 bits"])
def test_parameters_that_cannot_be_written_as_json_are_refused_whole(value: object) -> None:
    assert faults(declared(anything), {"first": 1, "second": value}) == [("parameters",)]


@pytest.mark.parametrize("function", [plain, unannotated])
def test_plain_and_unannotated_functions_are_task_types_too(function: Callable[..., Any]) -> None:
    declared(function).check({"region": "north"})


def test_an_unknown_task_type_is_not_found() -> None:
    with pytest.raises(NotFound, match="no task type nope"):
        TaskTypes({}).get("nope")


def test_task_types_are_in_the_order_of_their_names() -> None:
    broker = InMemoryBroker()
    kinds = TaskTypes({name: broker.task(task_name=name)(plain) for name in ("b", "c", "a")})

    assert [kind.name for kind in kinds.all()] == ["a", "b", "c"]


def test_two_functions_cannot_share_a_name() -> None:
    import_task_modules(())

    with pytest.raises(ConfigurationError, match="two functions are declared as task 'echo'"):
        task("echo")(plain)


def test_a_module_that_cannot_be_imported_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"HORARIUM_TASK_MODULES: cannot import no\.such\.module"):
        import_task_modules(["no.such.module"])


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def", "SyntaxError: "),
        ("import nowhere.at_all", "No module"),
    ],
)
def test_a_module_that_fails_while_it_is_imported_is_named_with_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, told: str
) -> None:
    module = f"broken_{len(source)}"  # Python remembers what it has looked for: a name of its own each time
    (tmp_path / f"{module}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ConfigurationError, match=f"HORARIUM_TASK_MODULES: cannot import {module}: .*{told}") as refused:
        import_task_modules([module])

    assert refused.value.__cause__ is not None


USERS_MODULE = '''
from horarium import task

@task("reports.send_daily")
async def send_daily(region: str, limit: int = 100) -> dict:
    """Send the daily report."""
    return {"region": region}

@task()
def plain(a: int) -> int:
    return a
'''
LISTS_TYPES = """
from horarium.settings import load_settings
from horarium.tasks.registry import TaskTypes, import_task_modules

import_task_modules(load_settings({"HORARIUM_TASK_MODULES": "myapp.tasks"}).task_modules)
print(*(kind.name for kind in TaskTypes().all()), sep="\\n")
"""


def test_a_users_module_adds_its_task_types(tmp_path: Path) -> None:
    module = tmp_path / "myapp" / "tasks.py"
    module.parent.mkdir()
    module.write_text(USERS_MODULE)

    listed = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-c", LISTS_TYPES], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=45
    )

    names = ["echo", "fail", "http_request", "myapp.tasks:plain", "reports.send_daily", "sleep"]
    assert listed.stdout.split() == names
