"""The guards of limits prove themselves: each is taken out, and more run than the limit says, or one is lost."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from horarium.outcome import Unsuccessful, decide
from horarium.sql import executions
from horarium.sql.executions import Claim, Finish
from horarium.sql.queries import QUERIES, Query
from tests.support.limited import by_hand, claimed, limit, over
from tests.support.together import Gate, Overlap, at_once
from tests.support.unguarded import without

if TYPE_CHECKING:
    import asyncpg

    from horarium.sql.queries import Connection
    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio

LOCK = "\nFOR NO KEY UPDATE"
CONCERNED = "(l.kind = 'task_type' AND l.name = e.task_type)"
NOT_SENT = "NOT limited AND"
NOT_QUEUED = "AND NOT e.limited"


async def running(rig: Rig) -> int:
    return int(await rig.sql("SELECT count(*) FROM executions WHERE status = 'running'"))


# Claims of one limit are judged one after the other


@dataclass(frozen=True)
class Together(Query):
    """A query after which two of its askers wait for each other, for as long as there can be two."""

    overlap: Overlap = field(default_factory=Overlap)

    async def rows(self, connection: Connection, **values: object) -> list[asyncpg.Record]:
        answer = await super().rows(connection, **values)
        await self.overlap.wait(connection)
        return answer


async def two_claims_at_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> int:
    await limit(rig, "task_type", "echo", max_running=1)
    made = await by_hand(rig, 2)
    usage = QUERIES._queries["limit_usage"]
    monkeypatch.setitem(QUERIES._queries, "limit_usage", Together(usage.name, usage.sql, usage.parameters))
    gate = Gate()

    async def claim(number: int) -> None:
        await gate.wait()
        await claimed(rig, made[number], worker=f"worker {number}")

    await at_once(partial(claim, 0), partial(claim, 1))
    return await running(rig)


async def test_of_two_claims_at_once_one_has_the_room(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await two_claims_at_once(rig, monkeypatch) == 1


async def test_without_the_lock_both_claims_count_the_same_room(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "limit_lock_of", LOCK)

    assert await two_claims_at_once(rig, monkeypatch) == 2


# A plain claim leaves what is limited alone


async def started_under_a_limit_of_one(rig: Rig) -> int:
    await limit(rig, "task_type", "echo", max_running=1)
    await claimed(rig, *await by_hand(rig, 3))
    return await running(rig)


async def test_a_plain_claim_gives_nothing_that_is_limited(rig: Rig) -> None:
    assert await started_under_a_limit_of_one(rig) == 1


async def test_without_the_look_for_limits_all_start(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "limit_concerned", CONCERNED, "false")

    assert await started_under_a_limit_of_one(rig) == 3


# What is held has its room still


async def started_beside_one_that_is_held(rig: Rig) -> bool:
    await limit(rig, "task_type", "echo", max_running=1)
    made = await by_hand(rig, 2)
    attempt = (await claimed(rig, made[0]))[made[0]]
    assert attempt is not None
    ending = decide(attempt, Unsuccessful("timeout", "no end in sight"))
    async with rig.database.connection() as connection:
        await executions.finish(connection, [Finish(made[0], 1, ending, held=True)])
    return (await claimed(rig, made[1]))[made[1]] is not None


async def test_nothing_starts_in_the_room_of_what_is_held(rig: Rig) -> None:
    assert not await started_beside_one_that_is_held(rig)


async def test_without_counting_what_is_held_another_starts_beside_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = QUERIES._queries["limit_usage"]
    blind = usage.sql.replace("OR (e.admitted IS NOT NULL AND e.held_by IS NOT NULL)", "")
    monkeypatch.setitem(QUERIES._queries, "limit_usage", replace(usage, sql=blind))

    assert blind != usage.sql
    assert await started_beside_one_that_is_held(rig)


# What waits is sent by nobody but who gives it room


async def sent_again_after_a_minute(rig: Rig) -> int:
    await limit(rig, "task_type", "echo", max_running=1)
    await claimed(rig, *await by_hand(rig, 3))
    before = len(rig.broker.sent)
    await rig.age(60)
    await rig.publisher().step()
    return len(rig.broker.sent) - before


async def test_what_waits_for_room_is_not_sent_before(rig: Rig) -> None:
    assert await sent_again_after_a_minute(rig) == 0


async def test_without_the_look_at_who_waits_it_is_sent_every_second(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "execution_to_publish", NOT_SENT)
    without(monkeypatch, "execution_mark_queued", NOT_QUEUED)
    await rig.sql("ALTER TABLE executions DROP CONSTRAINT executions_limited_is_pending")

    assert await sent_again_after_a_minute(rig) == 2


# What has been let go is told from who comes new


async def started_in_the_end(rig: Rig) -> int:
    """Of three under a limit of one that end one after the other, with looks of the publisher between."""
    await limit(rig, "task_type", "echo", max_running=1)
    made = await by_hand(rig, 3)
    got: dict[Any, Any] = await claimed(rig, *made)
    begun = 1
    await over(rig, got[made[0]])
    for each in made[1:]:
        await rig.publisher().step()
        attempt = await rig.ledger().claim(Claim(each, 1))
        if attempt is not None:
            begun += 1
            await over(rig, attempt)
    return begun


async def test_all_who_wait_start_in_the_end(rig: Rig) -> None:
    assert await started_in_the_end(rig) == 3


async def test_without_the_mark_of_who_was_let_go_it_waits_behind_the_others_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "limit_release", "admitted = attempt,")

    assert await started_in_the_end(rig) < 3
