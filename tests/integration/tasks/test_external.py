"""What an app kicks by itself: one execution for each message, whatever is delivered twice, retried or unknown."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from taskiq import SimpleRetryMiddleware, TaskiqMiddleware
from taskiq.kicker import AsyncKicker

from horarium.admission import Key
from horarium.adopting.broker import AdoptedBroker
from horarium.audit_log import SYSTEM
from horarium.errors import Unavailable
from horarium.limits import Limits
from horarium.model import LimitPut
from horarium.tasks.kicked import TIMEOUT_SECONDS
from horarium.tasks.message import TaskMessage
from horarium.tasks.shell import Shell
from horarium.tasks.stream_broker import GROUP, NOBODY
from tests.support.taskiq_app import an_app, broker_over, keep_results
from tests.support.waiting import WAIT_SECONDS, eventually
from tests.support.workbench import WORKER, a_workbench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from taskiq import AsyncBroker, TaskiqMessage

    from horarium.outcome import Attempt
    from horarium.sql.external import Kicked
    from tests.support.taskiq_app import App
    from tests.support.workbench import Workbench

pytestmark = pytest.mark.anyio

A_HEX = "0b5b6d2bd7f64f1c8d5c1a0f7f0a9a11"


def prepared(redis_url: str, prefix: str, broker: AsyncBroker) -> None:
    keep_results(broker, redis_url, prefix)
    broker.add_middlewares(SimpleRetryMiddleware(default_retry_count=3))


@pytest.fixture
def emptied_ledger(emptied_ledger: str) -> str:
    """One for all of these tests, emptied before each."""
    return emptied_ledger


@pytest.fixture
async def bench(emptied_ledger: str, redis_url: str, redis_prefix: str) -> AsyncIterator[Workbench]:
    """A worker over a broker of ours, with a result backend and taskiq's retry middleware."""
    prepare = partial(prepared, redis_url, redis_prefix)
    async with a_workbench(emptied_ledger, redis_url, redis_prefix, prepare=prepare) as made:
        yield made


@pytest.fixture
def app(bench: Workbench) -> App:
    return an_app(bench.broker)


# The row


async def test_what_an_app_kicks_is_an_execution_of_its_own(bench: Workbench, app: App) -> None:
    task = await app.kicker("greets", queue="default", priority=7, timeout=9.5).kiq("world")

    result = await task.wait_result(timeout=WAIT_SECONDS)

    row = await bench.kicked(task.task_id)
    assert result.return_value == "hello world"
    assert (row["trigger"], row["config_id"], row["status"], row["attempt"]) == ("external", None, "success", 1)
    assert (row["task_type"], row["parameters"], row["result"]) == ("app.greets", {"name": "world"}, "hello world")
    assert (row["queue"], row["priority"], row["timeout_seconds"], row["max_retries"]) == ("default", 7, 9.5, 0)
    assert row["message_id"] == UUID(task.task_id)
    assert row["id"] != row["message_id"]
    assert row["id"].version == 7
    await eventually(bench.all_acknowledged)


async def test_an_id_that_is_no_uuid_is_known_by_one_that_is_always_the_same(bench: Workbench, app: App) -> None:
    for _ in range(2):
        await app.kicker("greets").with_task_id("invoice 42").kiq(name="a")
    await eventually(bench.all_acknowledged)

    (row,) = await bench.external()

    assert (row["message"]["task_id"], row["status"], row["timeout_seconds"]) == (
        "invoice 42", "success", TIMEOUT_SECONDS,
    )  # fmt: skip
    assert (await bench.broker.result_backend.get_result("invoice 42")).return_value == "hello a"


@pytest.mark.parametrize("label", [{"timeout": "soon"}, {"priority": "high"}, {"timeout": -1}])
async def test_a_policy_that_cannot_be_read_fails_the_execution_and_says_which(
    bench: Workbench, app: App, label: dict[str, Any]
) -> None:
    task = await app.kicker("greets", **label).kiq("world")

    row = await bench.kicked(task.task_id)

    assert row["status"] == "failed"
    assert "a label of the message cannot be read" in row["error"]


async def test_a_task_that_no_worker_knows_is_a_failed_execution_that_says_so(bench: Workbench) -> None:
    task = await AsyncKicker(task_name="app.gone", broker=bench.broker, labels={}).kiq(1, colour="red")

    row = await bench.kicked(task.task_id)

    assert (row["status"], row["parameters"]) == ("failed", {"*args": [1], "colour": "red"})
    assert "this worker knows no task 'app.gone'" in row["error"]
    await eventually(bench.all_acknowledged)


async def test_what_is_left_to_administrators_cannot_be_kicked(bench: Workbench) -> None:
    """Whoever may write to the broker could run programs on the workers otherwise."""
    task = await AsyncKicker(task_name="shell_command", broker=bench.broker, labels={}).kiq(argv=["/bin/true"])

    row = await bench.kicked(task.task_id)

    assert row["status"] == "failed"
    assert "shell_command is left to administrators" in row["error"]


async def test_it_cannot_be_forged_into_the_run_of_a_config_either(bench: Workbench, tmp_path: Path) -> None:
    """By a message that calls itself one, for the row that a kick of it has made."""
    bench.broker.add_dependency_context({Shell: Shell(allowed=True)})
    touch = {"argv": ["touch", str(tmp_path / "touched")]}
    again = {"horarium_max_retries": 1, "horarium_retry_backoff_seconds": 60}
    task = await AsyncKicker(task_name="shell_command", broker=bench.broker, labels=again).kiq(**touch)
    waiting = await bench.kicked(task.task_id, "retrying")

    await bench.broker.publish([TaskMessage(waiting["id"], 2, 7, "shell_command", "manual", None, touch, "default", 5)])
    row = await bench.kicked(task.task_id)

    assert "shell_command is left to administrators" in row["error"]
    assert not (tmp_path / "touched").exists()


# Once


async def test_a_second_delivery_is_not_acknowledged_before_there_is_a_row(
    bench: Workbench, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While Postgres is away; the first one may be of a connection that is gone, and then this is all there is."""
    claim_kicked = bench.ledger.claim_kicked
    away = [True]

    async def claim(kicked: Kicked) -> Attempt | None:
        if away:
            raise Unavailable("Postgres")
        return await claim_kicked(kicked)

    monkeypatch.setattr(bench.ledger, "claim_kicked", claim)
    for _ in range(2):
        await app.kicker("greets").with_task_id(A_HEX).kiq("world")

    await eventually(partial(held, bench, WORKER, 2))

    bench.receiver.give_back()
    await bench.receiver.hand_back_all()

    await eventually(partial(held, bench, NOBODY, 2))
    away.clear()
    bench.receiver.take()
    assert (await bench.kicked(A_HEX))["status"] == "success"
    await eventually(bench.all_acknowledged)
    assert len(await bench.external()) == 1


async def held(bench: Workbench, consumer: str, count: int) -> bool:
    """Whether a consumer has so many messages that are not acknowledged."""
    summary: Any = await bench.broker._redis.xpending(bench.broker._streams[0], GROUP)
    return {each["name"]: int(each["pending"]) for each in summary["consumers"]} == {consumer.encode(): count}


async def test_a_message_delivered_ten_times_is_run_once(bench: Workbench, app: App, tmp_path: Path) -> None:
    kick = app.kicker("notes").with_task_id(A_HEX).kiq

    await asyncio.gather(*(kick(str(tmp_path / "notes"), 0.3) for _ in range(10)))
    await eventually(bench.all_acknowledged)
    await kick(str(tmp_path / "notes"))
    await eventually(bench.all_acknowledged)

    (row,) = await bench.external()
    assert (row["status"], row["attempt"]) == ("success", 1)
    assert len((tmp_path / "notes").read_text().splitlines()) == 2


async def test_a_message_that_two_workers_get_is_run_by_one(
    bench: Workbench, emptied_ledger: str, redis_url: str, redis_prefix: str, tmp_path: Path
) -> None:
    async with a_workbench(emptied_ledger, redis_url, redis_prefix + "other:") as other:
        an_app(other.broker)
        other.ledger.worker = "another worker"
        twins = [an_app(each.broker).kicker("notes").with_task_id(A_HEX) for each in (bench, other)]

        await asyncio.gather(*(twin.kiq(str(tmp_path / "notes"), 0.3) for twin in twins))
        await eventually(bench.all_acknowledged)
        await eventually(other.all_acknowledged)

    (row,) = await bench.external()
    assert row["status"] == "success"
    assert len((tmp_path / "notes").read_text().splitlines()) == 2


async def test_a_claim_whose_answer_was_lost_makes_one_row_and_runs_once(bench: Workbench, app: App) -> None:
    bench.ledger.claim_answers_lost = 1

    task = await app.kicker("greets").kiq("after all")

    assert (await task.wait_result(timeout=WAIT_SECONDS)).return_value == "hello after all"
    (row,) = await bench.external()
    assert (row["status"], row["attempt"]) == ("success", 1)


# Again


async def test_what_a_stopping_worker_hands_back_is_sent_again_as_it_was(
    emptied_ledger: str, redis_url: str, redis_prefix: str, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    async with a_workbench(emptied_ledger, redis_url, redis_prefix) as bench:
        task = await an_app(bench.broker).kicker("notes", colour=3).kiq(str(notes), 60)
        await bench.kicked(task.task_id, "running")
        await bench.external()
    async with a_workbench(emptied_ledger, redis_url, redis_prefix) as another:
        an_app(another.broker)
        (row,) = await another.external()
        await another.publisher.step([row["id"]])

        again = await another.kicked(task.task_id, "running")

    assert (row["status"], row["attempt"], row["message"]["labels"]["colour"]) == ("pending", 2, "3")
    assert (again["id"], again["attempt"], again["trigger"]) == (row["id"], 2, "external")


async def test_our_own_retries_keep_the_id_and_the_result_comes_with_the_last(
    bench: Workbench, app: App, tmp_path: Path
) -> None:
    labels: dict[str, Any] = {"horarium_max_retries": 1, "horarium_retry_backoff_seconds": 0}
    task = await app.kicker("fails_until", **labels).kiq(str(tmp_path / "tries"), 1)
    row = await bench.kicked(task.task_id, "retrying")
    assert not await task.is_ready()

    await bench.publisher.step([row["id"]])

    assert (await task.wait_result(timeout=WAIT_SECONDS)).return_value == 2
    assert (await bench.kicked(task.task_id))["attempt"] == 2
    await eventually(bench.all_acknowledged)


async def test_a_retry_of_the_apps_own_is_an_execution_that_names_the_one_before(
    bench: Workbench, app: App, tmp_path: Path
) -> None:
    """The same id is sent again; the first row is final, and stays so."""
    labels: dict[str, Any] = {"retry_on_error": True}
    task = await app.kicker("fails_until", **labels).kiq(str(tmp_path / "tries"), 2)

    result = await task.wait_result(timeout=WAIT_SECONDS)

    first, second, third = await bench.external()
    assert result.return_value == 3
    assert [row["trigger"] for row in (first, second, third)] == ["external", "retry", "retry"]
    assert [(row["status"], row["reason"]) for row in (first, second)] == [("failed", "retried_by_app")] * 2
    assert (second["retry_of"], third["retry_of"]) == (first["message_id"], second["message_id"])
    assert "failure 1" in first["error"]
    await eventually(bench.all_acknowledged)
    assert (await bench.kicked(str(third["message_id"])))["status"] == "success"


async def test_the_last_failure_of_the_apps_own_retries_is_the_result(bench: Workbench, app: App) -> None:
    task = await app.kicker("fails", retry_on_error=True).kiq("as ever")

    result = await task.wait_result(timeout=WAIT_SECONDS)

    assert result.is_err
    assert "as ever" in str(result.error)
    assert [row["reason"] for row in await bench.external()] == ["retried_by_app", "retried_by_app", None]


async def test_a_requeued_task_runs_again_as_an_execution_of_its_own(bench: Workbench, app: App) -> None:
    task = await app.kicker("requeues_once").kiq()

    assert (await task.wait_result(timeout=WAIT_SECONDS)).return_value == "the second time"
    first, second = await bench.external()
    assert (first["status"], first["reason"]) == ("cancelled", "requeued")
    assert (second["status"], second["retry_of"]) == ("success", first["message_id"])


async def test_a_rejected_message_fails_and_is_not_tried_again(bench: Workbench, app: App) -> None:
    task = await app.kicker("rejects", horarium_max_retries=3).kiq()

    row = await bench.kicked(task.task_id)

    assert (row["status"], row["reason"], row["attempt"]) == ("failed", "rejected", 1)


# Over the stock broker


async def test_an_app_over_taskiqs_own_stream_broker_is_run_as_it_is(
    emptied_ledger: str, redis_url: str, redis_prefix: str
) -> None:
    app = an_app(broker_over(redis_url, redis_url, redis_prefix + "app"))
    async with a_workbench(emptied_ledger, redis_url, redis_prefix, app=app.broker) as bench:
        task = await app.kicker("greets").kiq("stock")

        assert (await task.wait_result(timeout=WAIT_SECONDS)).return_value == "hello stock"
        assert (await bench.kicked(task.task_id))["status"] == "success"


class Sealing(TaskiqMiddleware):
    """Has a say in what is sent."""

    def pre_send(self, message: TaskiqMessage) -> TaskiqMessage:
        """Send something else."""
        return message.model_copy(update={"kwargs": {"name": "sealed"}})


async def test_what_an_apps_middlewares_make_of_a_configs_message_is_what_is_run(
    emptied_ledger: str, redis_url: str, redis_prefix: str
) -> None:
    """They may sign, encrypt or store elsewhere what is sent, and undo that before it is run."""
    app = an_app(broker_over(redis_url, redis_url, redis_prefix + "app"))
    app.broker.add_middlewares(Sealing())
    async with a_workbench(emptied_ledger, redis_url, redis_prefix, app=app.broker) as bench:
        row = await bench.read(await bench.row("app.greets", {"name": "open"}))

        await AdoptedBroker(app.broker, works=True, sends=True).publish(
            [TaskMessage(row["id"], 1, row["config_id"], "app.greets", "manual", None, {"name": "open"}, "default", 5)]
        )

        assert (await bench.ended(row["id"]))["result"] == "hello sealed"


# Limits


async def test_a_limit_holds_for_what_an_app_kicks_by_itself(bench: Workbench, app: App, tmp_path: Path) -> None:
    """What has no room waits as a row, its message done with, and goes when the run before it has ended."""
    only_one = LimitPut(max_running=1)
    await Limits(bench.database, bench.mailboxes).put(Key("task_type", "app.notes"), only_one, version=None, by=SYSTEM)
    path = str(tmp_path / "notes")

    kicked = [await app.kicker("notes").kiq(path, seconds=0.2) for _ in range(3)]
    for task in kicked:
        assert not (await task.wait_result(timeout=WAIT_SECONDS)).is_err

    rows = sorted(await bench.external(), key=itemgetter("started_at"))
    assert [(row["status"], row["attempt"]) for row in rows] == [("success", 1)] * 3
    assert all(after["started_at"] >= before["completed_at"] for before, after in pairwise(rows))
    await eventually(bench.all_acknowledged)
