"""Tells who wants to be told: makes messages of what has happened, and sends them until they have arrived.

While this process leads it looks every two seconds: one statement, which nearly always finds nothing. What there is
to tell is in Postgres, written by whatever ended an execution, so nothing is missed while nobody leads. Deciding and
writing are the outbox' (`notifying/outbox.py`); here is the waiting.

Sends run beside each other, so that a receiver that is slow holds up nobody but itself: `MOST_SENDS` at once, and one
at a time for each rule. Each ends within its deadline, as arrived or not. When Postgres is away meanwhile, what came
of a send is kept until it can be written down; if the process dies first, the message is sent once more, under the
same id.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio
import structlog

from horarium.actors.patience import patiently
from horarium.crashpoints import crashpoint
from horarium.leadership import ALONE
from horarium.notifying.outbox import Looked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyio.abc import TaskStatus

    from horarium.leadership import Leads
    from horarium.measures import Measures
    from horarium.notifying.channels import Outcome, Sends
    from horarium.notifying.outbox import Outbox, Settled, Try
    from horarium.supervisor import ChildContext

__all__ = ["Notified", "Notifier"]

log = structlog.get_logger(__name__)

LOOK_SECONDS = 2.0
MOST_SENDS = 16


@dataclass(frozen=True, slots=True)
class Notified:
    """What one step did, and the tries that it took, which are to be made now."""

    looked: Looked
    tries: Sequence[Try]


class Notifier:
    """The actor."""

    def __init__(self, outbox: Outbox, channels: Sends, measures: Measures, *, leadership: Leads = ALONE) -> None:
        self._outbox = outbox
        self._channels = channels
        self._measures = measures
        self._leadership = leadership
        self._busy: set[int] = set()
        self._freed = anyio.Event()

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Look every two seconds, and take what is next whenever a send has ended."""
        self._busy.clear()
        next_look = anyio.current_time()
        task_status.started()
        async with anyio.create_task_group() as sending:
            while True:
                if not self._leadership.leads:
                    await context.sleep(LOOK_SECONDS)
                    continue
                self._freed = anyio.Event()
                looks = anyio.current_time() >= next_look
                done = await patiently(context, self.step if looks else self.go_on, "what is to be told")
                for each in done.tries:
                    sending.start_soon(self._make, context, each)
                if done.looked != Looked():
                    _tell_looked(done.looked)
                if looks and not done.looked.more:
                    next_look = anyio.current_time() + LOOK_SECONDS
                with context.idle(), anyio.move_on_at(next_look):
                    await self._freed.wait()

    async def step(self) -> Notified:
        """Make messages of what has happened, and take as many tries as there is room for."""
        looked, due = await self._outbox.look()
        self._measures.notified("suppressed", looked.suppressed)
        return Notified(looked, await self._take() if due else ())

    async def go_on(self) -> Notified:
        """Take what there is room for, now that a send has ended."""
        return Notified(Looked(), await self._take())

    async def _take(self) -> Sequence[Try]:
        room = MOST_SENDS - len(self._busy)
        tries = await self._outbox.take(self._busy, room) if room else []
        self._busy.update(each.rule_id for each in tries)
        return tries

    async def send(self, tried: Try) -> Outcome:
        """Make a try."""
        return await self._channels.send(tried.target, tried.message)

    async def settle(self, tried: Try, outcome: Outcome) -> Settled | None:
        """Write down what came of it."""
        settled = await self._outbox.settle(tried, outcome)
        self._busy.discard(tried.rule_id)
        self._freed.set()
        if settled is not None:
            self._measures.notified("retried" if settled.status == "pending" else settled.status)
            _tell(tried, settled)
        return settled

    async def _make(self, context: ChildContext, tried: Try) -> None:
        outcome = await self.send(tried)
        crashpoint("notifier.sent")
        await patiently(context, partial(self.settle, tried, outcome), "what came of a message")


def _tell_looked(looked: Looked) -> None:
    log.info(
        "notices.decided",
        notices=looked.notices,
        made=looked.made,
        suppressed=looked.suppressed,
        recovered=looked.recovered,
        more=looked.more,
    )


def _tell(tried: Try, settled: Settled) -> None:
    log.log(
        logging.INFO if settled.status == "delivered" else logging.WARNING,
        "notification.tried",
        notification=str(tried.message.id),
        rule=tried.rule_name,
        tries=tried.number,
        delivery=settled.status,
        error=settled.error,
    )
