"""From notices to messages, and a try of each at a time: everything that the notifier asks of Postgres.

Deciding is one transaction: it locks the rules, takes a batch of notices away, decides (`deciding.py`), and writes
messages and alerts. So a crash leaves the notices as they were, and two who decide do so one after the other. What
recovers is asked for when no notice waits any more, since a notice may be about something that was before it. Where so
many alerts are open that the search takes long, it is made the less often.

A try is taken before it is made, and settled under its number after: who dies in between leaves a message that the next
one sends again, under the same id, once its lease is over.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from uuid_utils.compat import uuid7

from horarium.notifying.channels import Delivered, Message, Target
from horarium.notifying.deciding import Alert, Notice, Rule, decide, decide_recovered
from horarium.notifying.timetable import GIVE_UP_AFTER, retry_delay
from horarium.notifying.wording import content, facts_of
from horarium.sql.queries import QUERIES
from horarium.views import sums_good_for

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    import asyncpg

    from horarium.notifying.channels import Outcome
    from horarium.notifying.deciding import Account, Decided
    from horarium.sql.database import Database
    from horarium.sql.queries import Connection, Row

__all__ = ["MOST_PER_HOUR", "Looked", "Outbox", "Settled", "Try"]

BATCH_NOTICES = 500
LOOKED_AT_EXECUTIONS = 1000
"""Newest executions of a config among which a success is looked for that ends an alert."""

HOUR = timedelta(hours=1)
MOST_PER_HOUR = 60
"""Messages that a rule makes within an hour, and as many of configs in error: one a minute is read by nobody."""
COUNTED = ((False, "others"), (True, "of_errors"))
"""Whether messages are of configs in error, and the column that has counted them."""

LEASE = timedelta(seconds=12)
"""How long a try is left alone, a little more than it may take; what its process took with it is sent again then."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look at the notices did; `more` of them wait."""

    notices: int = 0
    made: int = 0
    suppressed: int = 0
    recovered: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True)
class Try:
    """One try of a message, taken."""

    message: Message
    target: Target
    rule_id: int
    rule_name: str
    number: int
    give_up_at: datetime


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a message by a try: delivered, failed for good, or pending until another one."""

    status: str
    error: str | None
    next_try_at: datetime | None = None
    held_until: datetime | None = None
    """Before which the receiver wants nothing of any message."""


class Outbox:
    """Notices, alerts and messages; raises Unavailable. `rand` answers a number in [0, 1)."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime],
        public_url: str | None = None,
        rand: Callable[[], float] = random.random,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._clock = clock
        self._public_url = public_url
        self._rand = rand
        self._timer = timer
        self._search_from = 0.0

    async def look(self) -> tuple[Looked, bool]:
        """Decide about what has happened; and whether there is anything to send."""
        async with self._database.connection() as connection:
            there = await QUERIES.notification_look.row(connection, now=self._clock())
            assert there is not None, "a SELECT without FROM always answers a row"  # noqa: S101 - SQL's own promise
            searches = there["alerted"] and self._timer() >= self._search_from
            # Without any lock first, as nearly always none is over.
            decides = there["noticed"] or (searches and await self._over_now(connection))
        looked = await self._decide(searches=searches) if decides else Looked()
        return looked, there["due"] or looked.made > 0

    async def take(self, busy: Collection[int], most: int) -> list[Try]:
        """The next try of each rule that is not `busy`, `most` in all."""
        now = self._clock()
        async with self._database.connection() as connection:
            rows = await QUERIES.notification_take.rows(
                connection, now=now, lease_until=now + LEASE, busy=sorted(busy), max_rows=most
            )
        return [_try(row, now) for row in rows]

    async def settle(self, tried: Try, outcome: Outcome) -> Settled | None:
        """Write down what came of a try; None where it was overtaken."""
        now = self._clock()
        settled = _settled(tried, outcome, now, self._rand())
        async with self._database.transaction() as connection:
            if settled.held_until is not None:
                await _hold(connection, tried, settled.held_until)
            row = await QUERIES.notification_settle.row(
                connection,
                id=tried.message.id,
                attempts=tried.number,
                status=settled.status,
                error=settled.error,
                next_try_at=settled.next_try_at,
                ended_at=None if settled.next_try_at else now,
            )
        return None if row is None else settled

    async def _decide(self, *, searches: bool) -> Looked:
        async with self._database.transaction() as connection:
            rules = [Rule.of(row) for row in await QUERIES.notification_rule_lock_enabled.rows(connection)]
            rows = await QUERIES.notification_notice_take.rows(connection, max_rows=BATCH_NOTICES)
            notices = [_notice(row) for row in rows if row["config_name"] is not None]
            room = await _room(connection, rules, self._clock())
            decided = decide(rules, notices, await _alerts(connection, notices), room)
            made = await self._write(connection, decided)
            more = len(rows) == BATCH_NOTICES
            if more or not searches:
                return Looked(len(rows), *made, more=more)
            over = await self._over_now(connection)
            recovered = decide_recovered({rule.id: rule for rule in rules}, map(_over, over), decided.left)
            told, _ = await self._write(connection, recovered)
        return Looked(len(rows), made[0] + told, made[1], recovered=told)

    async def _over_now(self, connection: Connection) -> list[asyncpg.Record]:
        """The alerts that are over."""
        began = self._timer()
        over = await QUERIES.notification_alert_over.rows(connection, looked_at=LOOKED_AT_EXECUTIONS)
        ended = self._timer()
        self._search_from = ended + sums_good_for(over, ended - began)
        return over

    async def _write(self, connection: Connection, decided: Decided) -> tuple[int, int]:
        """Write what was decided; how many messages are to be sent, and how many are not."""
        await _write_alerts(connection, decided)
        if not decided.told:
            return 0, 0
        now = self._clock()
        rows = await QUERIES.notification_insert.rows(
            connection,
            ids=[uuid7() for _ in decided.told],
            rule_ids=[told.rule.id for told in decided.told],
            subjects=[told.notice.subject for told in decided.told],
            events=[told.notice.event for told in decided.told],
            config_ids=[told.notice.config_id for told in decided.told],
            config_names=[told.notice.config_name for told in decided.told],
            contents=[content(told, now, self._public_url) for told in decided.told],
            statuses=["suppressed" if told.suppressed else "pending" for told in decided.told],
            now=now,
            give_up_at=now + GIVE_UP_AFTER,
        )
        made = sum(row["status"] == "pending" for row in rows)
        return made, len(rows) - made


async def _hold(connection: Connection, tried: Try, until: datetime) -> None:
    """Leave the receiver of a try alone until then, whatever there is to tell it."""
    url = tried.target.webhook_url
    held = await QUERIES.notification_rule_hold.value(connection, id=tried.rule_id, webhook_url=url, until=until)
    if held is not None:
        await QUERIES.notification_hold.rows(connection, rule_id=tried.rule_id, until=until)


async def _room(connection: Connection, rules: Sequence[Rule], now: datetime) -> dict[Account, int]:
    """How many more messages each rule may make now."""
    ids = [rule.id for rule in rules]
    rows = await QUERIES.notification_lately.rows(connection, rule_ids=ids, since=now - HOUR)
    made = {(row["rule_id"], of_errors): row[name] for row in rows for of_errors, name in COUNTED}
    return {account: max(MOST_PER_HOUR - number, 0) for account, number in made.items()}


async def _alerts(connection: Connection, notices: Sequence[Notice]) -> list[Alert]:
    """What is open of the configs that these notices are about."""
    config_ids = sorted({notice.config_id for notice in notices})
    return [Alert(**row) for row in await QUERIES.notification_alert_of.rows(connection, config_ids=config_ids)]


async def _write_alerts(connection: Connection, decided: Decided) -> None:
    if decided.opened:
        alerts = sorted(decided.opened, key=lambda alert: alert.key)
        await QUERIES.notification_alert_put.rows(
            connection,
            rule_ids=[alert.rule_id for alert in alerts],
            config_ids=[alert.config_id for alert in alerts],
            sinces=[alert.since for alert in alerts],
            subjects=[alert.subject for alert in alerts],
            ats=[alert.at for alert in alerts],
            notices=[alert.notices for alert in alerts],
        )
    if decided.closed:
        rule_ids, config_ids = zip(*decided.closed, strict=True)
        await QUERIES.notification_alert_close.rows(connection, rule_ids=rule_ids, config_ids=config_ids)


def _notice(row: asyncpg.Record) -> Notice:
    facts = facts_of(row, row["details"])
    return Notice(
        row["subject"], row["event"], row["config_id"], row["config_name"], frozenset(row["tags"]), row["at"], facts
    )


def _over(row: asyncpg.Record) -> tuple[tuple[int, int], Notice | None]:
    """An alert that is over, and what ended it; None where its config is gone."""
    key = row["rule_id"], row["config_id"]
    if row["config_name"] is None:
        return key, None
    facts = facts_of(row) | {"failing_since": row["since"], "failures": row["notices"]}
    tags = frozenset(row["tags"])
    return key, Notice(row["subject"], "recovered", row["config_id"], row["config_name"], tags, row["at"], facts)


def _try(row: Row, now: datetime) -> Try:
    message = Message(row["id"], row["content"], now)
    return Try(message, Target.of(row, now), row["rule_id"], row["rule_name"], row["attempts"], row["give_up_at"])


def _settled(tried: Try, outcome: Outcome, now: datetime, spread: float) -> Settled:
    if isinstance(outcome, Delivered):
        return Settled("delivered", outcome.note)
    next_try_at = now + retry_delay(tried.number, spread)
    held_until = None if outcome.wants_rest is None else now + outcome.wants_rest
    if outcome.gone or next_try_at > tried.give_up_at:
        return Settled("failed", outcome.reason, held_until=held_until)
    if held_until is not None:
        next_try_at = max(next_try_at, min(held_until, tried.give_up_at))
    return Settled("pending", outcome.reason, next_try_at, held_until)
