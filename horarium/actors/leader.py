"""Holds the lease by which one supervisor among several dispatches, or waits for it to become free.

The lease is a row in Postgres. Its holder renews it every `RENEW_SECONDS`; the others look every `LOOK_SECONDS` and
take it when it has run out, so a leader that is killed is succeeded within `LEASE_SECONDS` and one look. A leader that
stops in order gives the lease back last of all, after everyone who works under it has stopped, and the next one leads
at its next look.

A process starts ready once it has asked: as the leader where nobody else is, standing by otherwise. When Postgres is
away the lease runs out by itself (`leadership.py`), for there is nothing to dispatch to, and whoever reaches Postgres
first leads. Nothing that is promised rests on all this: see docs/decisions/0017.

A lone process that was killed would wait for its own lease when it is started again. One that is its database's only
user, and knows that the one before is dead, does not: it *inherits*, which is to end the lease that it finds at its
start, and no later one.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import structlog

from horarium.actors.patience import patiently
from horarium.errors import Unavailable
from horarium.leadership import LEASE_SECONDS, Lease
from horarium.messages import Nudge
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import TaskStatus

    from horarium.leadership import Leadership
    from horarium.messages import Mailboxes
    from horarium.sql.database import Database
    from horarium.sql.queries import Connection
    from horarium.supervisor import ChildContext

__all__ = ["NAME", "Leader"]

log = structlog.get_logger(__name__)

NAME = "scheduler"
RENEW_SECONDS = 2.0
LOOK_SECONDS = 0.5
"""How often whoever stands by looks: it only reads."""

ASK_SECONDS = 2.0
"""How long one question may take: a lease that is not renewed twice in a row must still be tried a third time."""

GIVE_BACK_SECONDS = 1.0


class Leader:
    """The actor; `inherits` says that whoever holds the lease at its start is dead."""

    def __init__(
        self, database: Database, leadership: Leadership, mailboxes: Mailboxes, *, inherits: bool = False
    ) -> None:
        self._database = database
        self._leadership = leadership
        self._mailboxes = mailboxes
        self._inherits = inherits
        self._predecessor: str | None = None
        self._leads_since_epoch: int | None = None
        self._stands_by_for: str | None = None

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Take the lease if it is free, then renew it or watch it, for ever; give it back when asked to stop."""
        try:
            await patiently(context, self.step, "the lease")
            task_status.started()
            while True:
                await context.sleep(RENEW_SECONDS if self._leadership.leads else LOOK_SECONDS)
                await patiently(context, self.step, "the lease")
        finally:
            if context.stopping.is_set():
                with anyio.CancelScope(shield=True):
                    await self._give_back()

    async def step(self) -> Lease | None:
        """Ask for the lease once; None when somebody else took it in this very instant."""
        self._notice()
        if self._inherits:
            await self._inherit()
        asked_at = self._leadership.clock()
        lease = await self._ask()
        if lease is not None:
            self._leadership.learn(lease, asked_at=asked_at)
        self._notice()
        return lease

    async def _inherit(self) -> None:
        async with self._asking() as connection:
            self._predecessor = await QUERIES.lease_inherit.value(connection, name=NAME, holder=self._leadership.holder)
        self._inherits = False

    async def _ask(self) -> Lease | None:
        async with self._asking() as connection:
            row = await QUERIES.lease_take.row(
                connection,
                name=NAME,
                holder=self._leadership.holder,
                seconds=LEASE_SECONDS,
                known_epoch=self._leadership.epoch,
            )
        if row is None:
            return None
        return Lease(row["holder"], row["epoch"], row["seconds"], row["mine"], row["held_since"])

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[Connection]:
        try:
            with anyio.fail_after(ASK_SECONDS):
                async with self._database.connection() as connection:
                    yield connection
        except TimeoutError as error:
            raise Unavailable("Postgres") from error

    async def _give_back(self) -> None:
        """Resign, and say so to Postgres; where that fails the lease runs out by itself."""
        if not self._leadership.leads:
            return
        self._leadership.resign()
        self._notice()
        try:
            with anyio.fail_after(GIVE_BACK_SECONDS):
                async with self._database.connection() as connection:
                    await QUERIES.lease_give_back.rows(connection, name=NAME, holder=self._leadership.holder)
        except (TimeoutError, Unavailable) as error:
            log.warning("leader.lease_left_to_expire", error=str(error))

    def _notice(self) -> None:
        """Say what has changed since the last look; whoever has become the leader goes to work at once."""
        now = self._leadership
        ours = now.epoch if now.leads else None
        if ours == self._leads_since_epoch:
            self._notice_others()
            return
        if self._leads_since_epoch is not None:
            log.warning("leader.lost", epoch=self._leads_since_epoch, holder=now.holder)
        if ours is not None:
            log.info("leader.acquired", epoch=ours, holder=now.holder, predecessor=self._predecessor)
            self._predecessor = None
            self._mailboxes.dispatcher.send_nowait(Nudge())
            self._stands_by_for = None
        self._leads_since_epoch = ours

    def _notice_others(self) -> None:
        """Say, once, for whom this process stands by."""
        now = self._leadership
        if not now.leads and now.is_led and now.leader != self._stands_by_for:
            self._stands_by_for = now.leader
            log.info("leader.stands_by", epoch=now.epoch, leader=now.leader)
