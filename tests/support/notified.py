"""The notifier over a rig, with real receivers: what its tests have in common.

desk  function  one whose receivers are there, and which has no rule yet
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from horarium.actors.notifier import Notifier
from horarium.audit_log import SYSTEM
from horarium.measures import Measures
from horarium.model import NotificationRuleCreate
from horarium.notifying.channels import Channels
from horarium.notifying.mail import Mailer
from horarium.notifying.mail_server import MailServer
from horarium.notifying.outbox import Outbox
from horarium.notifying.rules import Notifications
from horarium.notifying.webhook import Webhooks
from horarium.outcome import Succeeded, Unsuccessful, decide
from horarium.sql import executions
from horarium.sql.executions import Finish
from horarium.tasks.addresses import Opening
from horarium.tasks.egress import Egress
from tests.support.receivers import LOOPBACK, MailServerDouble, Receiver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from horarium.outcome import Outcome
    from tests.support.rig import Rig

__all__ = [
    "DAY_SECONDS",
    "EVERYTHING",
    "HOURLY",
    "HOUR_SECONDS",
    "MINUTE_SECONDS",
    "Desk",
    "Died",
    "a_broken_config",
    "a_config",
    "desk",
    "dies",
]

EVERYTHING = ["failed", "timeout", "lost", "missed", "config_error", "recovered"]
HOURLY = {"cron_expression": "0 * * * *"}
DAY_SECONDS = 24 * 3600
HOUR_SECONDS = 3600.0
MINUTE_SECONDS = 60.0


@dataclass
class Desk:
    """The notifier over a rig, and those who are told."""

    rig: Rig
    receiver: Receiver
    mail: MailServerDouble
    openings: tuple[Opening, ...] = (Opening.parse(LOOPBACK),)
    notifiers: list[Notifier] = field(default_factory=list)
    measures: Measures = field(default_factory=Measures)

    @property
    def channels(self) -> Channels:
        server = MailServer(LOOPBACK, self.mail.port, use_tls=False, start_tls=False, username=None, password=None)
        return Channels(Webhooks(Egress(self.openings)), Mailer(server, "horarium@example.org"))

    @property
    def rules(self) -> Notifications:
        return Notifications(self.rig.database, self.channels, clock=self.rig.clock)

    def new_notifier(self) -> Notifier:
        """One that knows nothing, as after a crash."""
        outbox = Outbox(
            self.rig.database, clock=self.rig.clock, public_url="https://horarium.example", rand=lambda: 0.5
        )
        self.notifiers.append(Notifier(outbox, self.channels, self.measures))
        return self.notifiers[-1]

    async def rule(self, **fields: Any) -> asyncpg.Record:
        number = next(self.rig.numbers)
        channel = {} if "email" in fields else {"webhook": {"url": self.receiver.url}}
        body = {"name": f"rule {number}", "events": EVERYTHING, **channel, **fields}
        return await self.rules.create(NotificationRuleCreate.model_validate(body), by=SYSTEM)

    async def tell(self) -> list[str]:
        """Do all that is due; the statuses of the messages that were tried, in order."""
        notifier = self.notifiers[-1] if self.notifiers else self.new_notifier()
        statuses: list[str] = []
        while (done := await notifier.step()).tries or done.looked.more:
            for tried in done.tries:
                settled = await notifier.settle(tried, await notifier.send(tried))
                assert settled is not None
                statuses.append(settled.status)
        return statuses

    async def ends(self, config: int, outcome: Outcome) -> None:
        """A run of the config that ends so."""
        attempt = await self.rig.running(config)
        async with self.rig.database.connection() as connection:
            await executions.finish(
                connection, [Finish(attempt.execution_id, attempt.attempt, decide(attempt, outcome))]
            )

    async def fails(self, config: int) -> None:
        await self.ends(config, Unsuccessful("failed", "ValueError: no rows"))

    async def succeeds(self, config: int) -> None:
        await self.ends(config, Succeeded(None))

    async def count(self, table: str) -> int:
        return int(await self.rig.sql(f"SELECT count(*) FROM {table}"))  # noqa: S608 - a name from a test


@pytest.fixture
async def desk(rig: Rig) -> AsyncIterator[Desk]:
    rig.clock.is_real()
    async with Receiver() as receiver, MailServerDouble() as mail:
        yield Desk(rig, receiver, mail)


class Died(Exception):
    """What ends a step in its middle."""


def dies(*_: object) -> str:
    raise Died


async def a_config(rig: Rig, **fields: object) -> int:
    return await rig.config(scheduler_type="manual", schedule_config={}, max_retries=0, **fields)


async def a_broken_config(desk: Desk, **fields: object) -> int:
    """One whose schedule was written by hand, and is none; nobody has looked at it yet."""
    config = await desk.rig.config(schedule_config=HOURLY, **fields)
    await desk.rig.sql("UPDATE task_configs SET schedule_config = '{}' WHERE id = $1", config)
    return config
