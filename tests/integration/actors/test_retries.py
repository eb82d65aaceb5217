"""An execution done once more: a row of its own that links back, runs what ran, and leaves the old one as it is."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from taskiq import InMemoryBroker

from horarium.audit_log import Author
from horarium.errors import Conflict, Forbidden, NotFound
from horarium.executions import Executions
from horarium.messages import Publish
from horarium.model import Execution, RunRequest, TaskConfigPatch
from horarium.tasks.registry import TaskTypes
from tests.support.coverage import SOUND
from tests.support.rig import NOON

if TYPE_CHECKING:
    import asyncpg

    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio

OPERATOR = Author("user", None, "an operator")
ADMIN = Author("user", None, "an admin", is_admin=True)
NOBODY = UUID(int=1)


async def failed_run(rig: Rig, config: int, **parameters: Any) -> UUID:
    """An execution by hand that has failed."""
    body = RunRequest(parameters=parameters or None)
    return await ended(rig, await rig.task_configs.run(config, body, idempotency_key=None))


async def failed_tick(rig: Rig, config: int) -> UUID:
    """The execution of a tick that has failed."""
    await rig.fire(after=1)
    return await ended(rig, (await rig.rows(config))[-1]["id"])


async def ended(rig: Rig, execution_id: UUID, status: str = "failed") -> UUID:
    await rig.sql(
        "UPDATE executions SET status = $2, completed_at = clock_timestamp() WHERE id = $1", execution_id, status
    )
    return execution_id


async def retry(rig: Rig, execution_id: UUID, key: str | None = None, by: Author = OPERATOR) -> asyncpg.Record:
    return await rig.executions.retry(execution_id, idempotency_key=key, by=by)


async def edit(rig: Rig, config: int, **fields: Any) -> None:
    await rig.task_configs.edit(config, TaskConfigPatch.model_validate(fields), version=None)


async def test_a_retry_is_a_new_execution_that_links_back_and_leaves_the_old_one_alone(rig: Rig) -> None:
    config = await rig.config()
    old = await failed_run(rig, config)
    before = await rig.row(old)

    made = await retry(rig, old)

    assert (made["trigger"], made["status"], made["retry_of"]) == ("retry", "pending", old)
    assert (made["config_id"], made["tick_at"], made["attempt"]) == (config, None, 1)
    assert await rig.row(old) == before


async def test_a_retry_is_committed_and_then_sent(rig: Rig) -> None:
    old = await failed_run(rig, await rig.config())
    with rig.mailboxes.publisher.bind() as inbox:
        inbox.receive_nowait()

        made = await retry(rig, old)

        assert inbox.receive_nowait() == Publish((made["id"],))
    assert (await rig.publisher().step((made["id"],))).published == 1
    assert await rig.claimed(made["id"])


async def test_a_retry_runs_with_the_parameters_of_then_and_the_policies_of_now(rig: Rig) -> None:
    """What is mended before a second try is how a task runs; what it was to do is what is tried again."""
    config = await rig.config(timeout_seconds=5)
    old = await failed_run(rig, config, message="of that run alone")
    await edit(rig, config, parameters={"message": "edited"}, timeout_seconds=60, max_retries=2, queue="other")

    made = await retry(rig, old)

    assert made["parameters"] == {"message": "of that run alone"}
    assert (made["timeout_seconds"], made["max_retries"], made["queue"]) == (60, 2, "other")


async def test_a_retry_keeps_its_policies_where_the_config_runs_another_task_by_now(rig: Rig) -> None:
    config = await rig.config(timeout_seconds=5)
    old = await failed_run(rig, config)
    await edit(rig, config, task_type="sleep", parameters={"seconds": 1}, timeout_seconds=60, queue="other")

    made = await retry(rig, old)

    assert (made["task_type"], made["timeout_seconds"], made["queue"]) == ("echo", 5, "default")


async def test_the_task_of_a_retried_tick_is_told_of_that_tick_whose_row_stays_its_only_one(rig: Rig) -> None:
    config = await rig.config()
    old = await failed_tick(rig, config)

    made = await retry(rig, old)
    await rig.publisher().step((made["id"],))

    tick = NOON + timedelta(seconds=1)
    assert (made["tick_at"], made["for_tick"], rig.broker.sent[-1].tick_at) == (None, tick, tick)
    assert (await rig.claimed(made["id"])).tick_at == tick
    assert await rig.faults(config) == SOUND
    assert Execution.of(await rig.row(made["id"])).lateness_seconds is None


async def test_a_retry_of_a_retry_is_still_about_the_tick(rig: Rig) -> None:
    first = await retry(rig, await failed_tick(rig, await rig.config()))

    second = await retry(rig, await ended(rig, first["id"], "lost"))

    assert (second["retry_of"], second["for_tick"]) == (first["id"], NOON + timedelta(seconds=1))


@pytest.mark.parametrize("status", ["failed", "timeout", "cancelled", "lost"])
async def test_whatever_has_not_succeeded_can_be_retried(rig: Rig, status: str) -> None:
    old = await ended(rig, await rig.manual_run(await rig.config()), status)

    assert (await retry(rig, old))["retry_of"] == old


async def test_a_single_tick_that_was_skipped_can_be_retried(rig: Rig) -> None:
    config = await rig.config(overlap="skip")
    await rig.running(config)
    await rig.age(10)
    await rig.sql("UPDATE executions SET started_at = started_at - interval '10 s'")
    await rig.fire(after=1)
    (skipped,) = [row for row in await rig.rows(config) if row["status"] == "skipped"]

    made = await retry(rig, skipped["id"])

    assert (made["status"], made["for_tick"]) == ("pending", NOON + timedelta(seconds=1))


async def test_a_stretch_of_skipped_ticks_is_a_backfills_to_run(rig: Rig) -> None:
    config = await rig.config(catchup="skip")
    await rig.fire(after=60)
    stretch = (await rig.rows(config))[0]
    assert stretch["tick_count"] > 1

    with pytest.raises(Conflict, match="a backfill runs them") as refusal:
        await retry(rig, stretch["id"])

    assert refusal.value.code == "state"


@pytest.mark.parametrize("status", ["success", "running"])
async def test_what_has_succeeded_or_is_not_final_is_not_retried(rig: Rig, status: str) -> None:
    attempt = await rig.running(await rig.config())
    if status == "success":
        await ended(rig, attempt.execution_id, "success")

    with pytest.raises(Conflict, match=f"the execution is {status}") as refusal:
        await retry(rig, attempt.execution_id)

    assert refusal.value.code == "state"


async def test_nothing_is_run_for_a_config_that_is_no_more(rig: Rig) -> None:
    config = await rig.config()
    old = await failed_run(rig, config)
    await rig.task_configs.delete(config, version=None)

    with pytest.raises(Conflict, match="create it anew") as refusal:
        await retry(rig, old)

    assert refusal.value.code == "config_deleted"
    assert len(await rig.rows(config)) == 1


async def test_no_such_execution_is_not_found(rig: Rig) -> None:
    with pytest.raises(NotFound):
        await retry(rig, NOBODY)


async def test_a_paused_config_lets_its_executions_be_retried_as_it_lets_itself_be_run(rig: Rig) -> None:
    config = await rig.config()
    old = await failed_run(rig, config)
    await rig.task_configs.pause(config, reason=None, until=None)

    assert (await retry(rig, old))["status"] == "pending"


# The same request again


async def test_the_same_idempotency_key_answers_the_same_retry(rig: Rig) -> None:
    config = await rig.config()
    old = await failed_run(rig, config)

    first, second = await retry(rig, old, "a key"), await retry(rig, old, "a key")

    assert first["id"] == second["id"]
    assert len(await rig.rows(config)) == 2


async def test_retries_without_a_key_are_as_many_as_were_asked_for(rig: Rig) -> None:
    old = await failed_run(rig, await rig.config())

    assert (await retry(rig, old))["id"] != (await retry(rig, old))["id"]


async def test_a_key_that_was_another_requests_is_refused(rig: Rig) -> None:
    config = await rig.config()
    old, other = await failed_run(rig, config), await failed_run(rig, config)
    await retry(rig, other, "of a retry")
    await rig.task_configs.run(config, RunRequest(), idempotency_key="of a run")

    with pytest.raises(Conflict, match="another request"):
        await retry(rig, old, "of a retry")
    with pytest.raises(Conflict, match="another request"):
        await retry(rig, old, "of a run")
    with pytest.raises(Conflict, match="another request"):
        await rig.task_configs.run(config, RunRequest(), idempotency_key="of a retry")


# Who may, and what no longer fits


@pytest.fixture
def keeping_rig(rig: Rig) -> Rig:
    """A rig whose one task type, `kept`, is an admin's and has a parameter `a`."""

    async def kept(a: int) -> None:
        """Never run."""

    registered = InMemoryBroker().register_task(kept, "kept", admin_only=True)
    rig.executions = Executions(rig.database, TaskTypes({"kept": registered}), rig.mailboxes)
    return rig


async def of_admins(rig: Rig) -> UUID:
    """A failed execution of a task type that is an admin's alone."""
    config = await rig.config()
    old = await failed_run(rig, config)
    await rig.sql("UPDATE task_configs SET task_type = 'kept', parameters = '{\"a\": 1}' WHERE id = $1", config)
    await rig.sql("UPDATE executions SET task_type = 'kept', parameters = '{\"a\": 1}' WHERE id = $1", old)
    return old


async def test_whoever_may_run_a_config_may_repeat_what_it_says(keeping_rig: Rig) -> None:
    old = await of_admins(keeping_rig)

    assert (await retry(keeping_rig, old))["retry_of"] == old


async def test_other_parameters_of_an_admins_task_type_are_an_admins_to_repeat(keeping_rig: Rig) -> None:
    old = await of_admins(keeping_rig)
    await keeping_rig.sql("UPDATE task_configs SET parameters = '{\"a\": 2}'")

    with pytest.raises(Forbidden, match="only an admin"):
        await retry(keeping_rig, old)

    assert (await retry(keeping_rig, old, by=ADMIN))["retry_of"] == old


async def test_a_task_type_that_is_gone_and_parameters_that_no_longer_fit_are_told(rig: Rig) -> None:
    old = await failed_run(rig, await rig.config())
    await rig.sql("UPDATE executions SET parameters = '{\"massage\": 1}' WHERE id = $1", old)
    with pytest.raises(Conflict, match="takes other parameters") as refusal:
        await retry(rig, old)
    assert refusal.value.code == "parameters"

    await rig.sql("UPDATE executions SET task_type = 'gone' WHERE id = $1", old)
    with pytest.raises(Conflict, match="no task type gone") as refusal:
        await retry(rig, old)
    assert refusal.value.code == "task_type"


async def test_a_retry_is_told_to_the_history_and_to_the_audit_log(rig: Rig) -> None:
    config = await rig.config()
    old = await failed_run(rig, config)
    rig.events()

    made = await retry(rig, old)

    (event,) = rig.events()
    told = {"task_id": str(made["id"]), "retry_of": str(old), "by": "an operator"}
    assert (event.event, event.details) == ("task_executed", told)
    logged = "SELECT action || ' ' || actor_name || ' ' || (after ->> 'task_id') FROM audit_log WHERE target_id = $1"
    assert await rig.sql(logged, str(old)) == f"execution.retried an operator {made['id']}"
