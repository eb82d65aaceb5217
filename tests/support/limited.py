"""Limits, and workers that are kept within them, over a rig."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import anyio

from horarium.admission import Key, Kind
from horarium.audit_log import SYSTEM
from horarium.limits import Limits
from horarium.model import LimitPut
from horarium.outcome import Succeeded, Unsuccessful, decide
from horarium.sql.executions import Claim

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from horarium.model import Limit
    from horarium.outcome import Attempt, Outcome
    from tests.support.rig import Rig

__all__ = [
    "ANOTHER",
    "FAILED",
    "Crew",
    "by_hand",
    "claimed",
    "limit",
    "most_at_once",
    "over",
    "sent_next",
    "started",
    "states",
    "unlimit",
]

ANOTHER = {"task_type": "sleep", "parameters": {"seconds": 0}}
FAILED = Unsuccessful("failed", "no")


async def limit(rig: Rig, kind: Kind, name: str, **fields: Any) -> Limit:
    """Set a limit."""
    return await Limits(rig.database, rig.mailboxes).put(Key(kind, name), LimitPut(**fields), version=None, by=SYSTEM)


async def unlimit(rig: Rig, kind: Kind, name: str) -> None:
    """Take a limit away."""
    await Limits(rig.database, rig.mailboxes).delete(Key(kind, name), version=None, by=SYSTEM)


async def by_hand(rig: Rig, count: int = 1, **fields: Any) -> list[UUID]:
    """So many executions of a new config, sent, in the order of their making."""
    config = await rig.config(scheduler_type="manual", schedule_config={}, **fields)
    made = [await rig.manual_run(config) for _ in range(count)]
    await rig.publisher().step(made)
    return made


async def claimed(
    rig: Rig, *execution_ids: UUID, worker: str = "a worker", attempt: int = 1
) -> dict[UUID, Attempt | None]:
    """What a worker gets that claims these, all at once."""
    ledger = rig.ledger(worker)
    got: dict[UUID, Attempt | None] = {}

    async def claim(execution_id: UUID) -> None:
        got[execution_id] = await ledger.claim(Claim(execution_id, attempt))

    async with anyio.create_task_group() as group:
        for execution_id in execution_ids:
            group.start_soon(claim, execution_id)
    return got


async def states(rig: Rig, ids: Iterable[UUID]) -> list[str]:
    """Each execution's status, and the reason where it has one."""
    rows = [await rig.row(each) for each in ids]
    return [f"{row['status']} {row['reason']}" if row["reason"] else row["status"] for row in rows]


async def started(rig: Rig, *ids: UUID, worker: str = "a worker") -> list[UUID]:
    """Which of these a worker gets."""
    got = await claimed(rig, *ids, worker=worker)
    return [each for each in ids if got[each] is not None]


async def sent_next(rig: Rig) -> list[UUID]:
    """What a look of the publisher sends."""
    before = len(rig.broker.sent)
    await rig.publisher().step()
    return [message.execution_id for message in rig.broker.sent[before:]]


async def over(rig: Rig, attempt: Attempt | None, outcome: Outcome | None = None) -> None:
    """An attempt ends at its worker, which has nothing else to do with limits: the publisher lets others go."""
    assert attempt is not None
    await rig.ledger().finish(attempt, decide(attempt, outcome or Succeeded(None)))


def most_at_once(rows: Iterable[Mapping[str, Any]], kind: str) -> int:
    """How many executions of a task type or queue ran at once at most, as the ledger has their starts and ends."""
    mine = [row for row in rows if kind in (row["task_type"], row["queue"]) and row["started_at"] is not None]
    moments = [(row["started_at"], 1) for row in mine] + [(row["completed_at"], -1) for row in mine]
    return max(accumulate(change for _, change in sorted(moments)))


@dataclass
class Crew:
    """Workers that take messages as they come and work for a moment, and what they have seen of each other."""

    rig: Rig
    seconds: float = 0.03
    at_work: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    done: int = 0
    taken: int = 0

    async def work(self, name: str, until_done: int) -> None:
        """Take one message after the other, three at a time, until so many executions have ended in all."""
        ledger = self.rig.ledger(name)

        async def one(slot: int) -> None:  # noqa: ARG001 - for its own sake
            while self.done < until_done:
                if self.taken == len(self.rig.broker.sent):
                    await anyio.sleep(0.005)
                    continue
                message = self.rig.broker.sent[self.taken]
                self.taken += 1
                attempt = await ledger.claim(Claim(message.execution_id, message.attempt))
                if attempt is not None:
                    await self._run(message.task_type, message.queue)
                    await ledger.finish(attempt, decide(attempt, Succeeded(None)))
                    self.done += 1

        async with anyio.create_task_group() as group:
            for slot in range(3):
                group.start_soon(one, slot)

    async def _run(self, *kinds: str) -> None:
        for kind in kinds:
            self.at_work[kind] += 1
            self.most[kind] = max(self.most[kind], self.at_work[kind])
        await anyio.sleep(self.seconds)
        self.at_work.subtract(kinds)
