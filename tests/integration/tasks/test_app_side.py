"""The app's side of an attempt: middlewares as under taskiq's own worker, results in the app's own backend."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from taskiq import SimpleRetryMiddleware, TaskiqMiddleware
from taskiq_redis import RedisAsyncResultBackend

from tests.support.taskiq_app import keep_results
from tests.support.waiting import eventually
from tests.support.workbench import a_workbench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from taskiq import AsyncBroker, TaskiqMessage, TaskiqResult

    from tests.support.workbench import Workbench

pytestmark = pytest.mark.anyio


class Notes(TaskiqMiddleware):
    """Writes down what it is told, and changes the message; half of it is coroutines, as taskiq has it."""

    def __init__(self, name: str, told: list[str]) -> None:
        super().__init__()
        self.name = name
        self.told = told
        self.results: list[TaskiqResult[Any]] = []
        self.breaks_in = ""
        self.breaks_with: type[BaseException] = RuntimeError

    def pre_execute(self, message: TaskiqMessage) -> TaskiqMessage:
        self._note("pre_execute")
        return message.model_copy(update={"kwargs": message.kwargs | {"message": f"by {self.name}"}})

    async def on_error(self, message: TaskiqMessage, result: TaskiqResult[Any], exception: BaseException) -> None:  # noqa: ARG002 - taskiq's signature
        self._note(f"on_error {type(exception).__name__}")

    async def post_execute(self, message: TaskiqMessage, result: TaskiqResult[Any]) -> None:  # noqa: ARG002 - as above
        self.results.append(result)
        self._note("post_execute")

    def post_save(self, message: TaskiqMessage, result: TaskiqResult[Any]) -> None:  # noqa: ARG002 - as above
        self._note("post_save")

    def _note(self, what: str) -> None:
        self.told.append(f"{self.name}: {what}")
        if what == self.breaks_in:
            raise self.breaks_with(f"{self.name} breaks in {what}")


class Broken(RedisAsyncResultBackend[Any]):
    """Cannot keep anything."""

    error: type[BaseException] = ConnectionError

    async def set_result(self, task_id: str, result: TaskiqResult[Any]) -> None:  # noqa: ARG002 - as above
        raise self.error(task_id)


@pytest.fixture
def emptied_ledger(emptied_ledger: str) -> str:
    """One for all of these tests, emptied before each."""
    return emptied_ledger


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def middlewares(told: list[str]) -> list[Notes]:
    return [Notes("first", told), Notes("second", told)]


@pytest.fixture
async def bench(
    emptied_ledger: str, redis_url: str, redis_prefix: str, middlewares: list[Notes]
) -> AsyncIterator[Workbench]:
    prepare = partial(prepared, redis_url, redis_prefix, middlewares)
    async with a_workbench(emptied_ledger, redis_url, redis_prefix, prepare=prepare) as made:
        yield made


def prepared(redis_url: str, prefix: str, middlewares: list[Notes], broker: AsyncBroker) -> None:
    keep_results(broker, redis_url, prefix)
    broker.add_middlewares(*middlewares)


async def begun(told: list[str]) -> bool:
    """Whether a task is about to run: both middlewares have had the message."""
    return len(told) == 2


# Middlewares


async def test_middlewares_are_told_in_order_and_then_in_reverse(bench: Workbench, told: list[str]) -> None:
    row = await bench.run("echo", {"message": "as configured"})
    await eventually(bench.all_acknowledged)

    assert row["result"] == {"message": "by second"}
    assert told == [
        "first: pre_execute", "second: pre_execute",
        "second: post_execute", "first: post_execute",
        "second: post_save", "first: post_save",
    ]  # fmt: skip


async def test_an_error_is_told_before_the_end(bench: Workbench, told: list[str], middlewares: list[Notes]) -> None:
    row = await bench.run("fail", {"message": "no"})
    await eventually(bench.all_acknowledged)

    assert row["status"] == "failed"
    assert told[2:6] == [
        "second: on_error TaskFailed", "first: on_error TaskFailed", "second: post_execute", "first: post_execute",
    ]  # fmt: skip
    (result,) = middlewares[0].results
    assert (result.is_err, result.return_value, str(result.error)) == (True, None, "by second")
    assert result.labels["attempt"] == 1


async def test_a_timeout_is_told_as_an_error(bench: Workbench, told: list[str], middlewares: list[Notes]) -> None:
    row = await bench.run("test.waits_for_nothing", {}, timeout_seconds=0.2)
    await eventually(bench.all_acknowledged)

    assert (row["status"], row["error"]) == ("timeout", "ran longer than 0.2 s")
    assert told[2:4] == ["second: on_error TimeoutError", "first: on_error TimeoutError"]
    assert isinstance(middlewares[0].results[0].error, TimeoutError)


@pytest.mark.parametrize("hook", ["pre_execute", "post_execute"])
async def test_a_middleware_that_breaks_fails_the_execution_like_its_task(
    bench: Workbench, middlewares: list[Notes], hook: str
) -> None:
    middlewares[1].breaks_in = hook

    row = await bench.run("echo", {"message": "hello"})

    assert (row["status"], row["error"].rpartition("\n")[2]) == ("failed", f"RuntimeError: second breaks in {hook}")
    await eventually(bench.all_acknowledged)


@pytest.mark.parametrize("error", [asyncio.CancelledError, SystemExit])
async def test_a_middleware_that_nobody_has_cancelled_and_that_ends_so_fails_the_execution_like_its_task(
    bench: Workbench, middlewares: list[Notes], error: type[BaseException]
) -> None:
    """As one does that sends over AMQP when the connection is lost; the attempt would be made again, and never end."""
    middlewares[1].breaks_in, middlewares[1].breaks_with = "post_execute", error

    row = await bench.run("echo", {"message": "hello"})

    assert (row["status"], row["attempt"]) == ("failed", 1)
    assert f"{error.__name__}: second breaks in post_execute" in row["error"]
    await eventually(bench.all_acknowledged)


async def test_a_middleware_that_breaks_once_all_is_written_changes_nothing(
    bench: Workbench, middlewares: list[Notes]
) -> None:
    middlewares[1].breaks_in = "post_save"

    row = await bench.run("echo", {"message": "hello"})

    assert row["status"] == "success"
    await eventually(bench.all_acknowledged)


async def test_what_is_cancelled_is_no_error_to_a_middleware(bench: Workbench, told: list[str]) -> None:
    """A retry middleware would begin anew what somebody has stopped."""
    execution_id = await bench.row("test.waits_for_nothing")
    await bench.send(execution_id)
    await eventually(partial(begun, told))

    await bench.cancel(execution_id)

    assert (await bench.reaches(execution_id, "cancelled"))["reason"] == "requested"
    await eventually(bench.all_acknowledged)
    assert told[2:4] == ["second: post_execute", "first: post_execute"]
    kept = await bench.broker.result_backend.get_result(str(execution_id))
    assert "the execution was stopped: requested" in str(kept.error)


async def test_what_a_stopping_worker_hands_back_leaves_no_result_and_is_no_error(
    emptied_ledger: str, redis_url: str, redis_prefix: str, middlewares: list[Notes], told: list[str]
) -> None:
    prepare = partial(prepared, redis_url, redis_prefix, middlewares)
    async with a_workbench(emptied_ledger, redis_url, redis_prefix, prepare=prepare) as bench:
        execution_id = await bench.row("test.waits_for_nothing")
        await bench.send(execution_id)
        await eventually(partial(begun, told))

    assert told[2:] == ["second: post_execute", "first: post_execute"]


# Results


async def test_an_exception_that_cannot_be_asked_anything_is_a_failure_like_any_other(bench: Workbench) -> None:
    row = await bench.run("test.raises_what_is_not_even_true")
    await eventually(bench.all_acknowledged)

    assert row["status"] == "failed"
    assert row["error"] == "Mute, of which telling raised RuntimeError"


async def test_a_result_is_kept_under_the_executions_id(bench: Workbench) -> None:
    row = await bench.run("echo", {"message": "hello"})
    await eventually(bench.all_acknowledged)

    kept = await bench.broker.result_backend.get_result(str(row["id"]))

    assert (kept.is_err, kept.return_value) == (False, {"message": "by second"})


@pytest.mark.parametrize("error", [ConnectionError, asyncio.CancelledError])
async def test_a_backend_that_fails_costs_no_execution(
    bench: Workbench, told: list[str], redis_url: str, error: type[BaseException]
) -> None:
    backend = bench.broker.result_backend = Broken(redis_url)
    backend.error = error

    with structlog.testing.capture_logs() as lines:
        row = await bench.run("echo", {"message": "hello"})
        await eventually(bench.all_acknowledged)

    assert row["status"] == "success"
    assert [line["error"] for line in lines if line["event"] == "result.not_saved"] == [error.__name__]
    assert told[-1] == "first: post_execute"


async def test_an_attempt_that_is_tried_again_leaves_no_result(bench: Workbench) -> None:
    execution_id = await bench.row("fail", {"message": "no"}, max_retries=1, retry_backoff_seconds=0)
    await bench.send(execution_id)
    await bench.reaches(execution_id, "retrying")
    await eventually(bench.all_acknowledged)
    assert not await bench.broker.result_backend.is_result_ready(str(execution_id))

    await bench.publisher.step()
    await bench.reaches(execution_id, "failed")
    await eventually(bench.all_acknowledged)

    assert (await bench.broker.result_backend.get_result(str(execution_id))).is_err


async def test_an_apps_retry_of_what_is_scheduled_is_the_configs_to_decide(bench: Workbench) -> None:
    """The row is the tick's; how often it is tried is what its config says, and the app's second message is dropped."""
    bench.broker.add_middlewares(SimpleRetryMiddleware(default_retry_label=True))

    row = await bench.run("fail", {"message": "no"})
    await eventually(bench.all_acknowledged)

    again = await bench.read(row["id"])
    assert (again["status"], again["attempt"], again["reason"]) == ("failed", 1, None)
    assert (await bench.broker.result_backend.get_result(str(row["id"]))).is_err
    assert await bench.external() == []
