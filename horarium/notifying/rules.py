"""Rules, who is told of what by which way: what can be done to them, in a transaction with its line of the audit log.

A secret is told once, in the answer that makes it. It is kept as it is, for it has to sign; whoever can read that
column can read the parameters of every config as well, and a key to lock it with would lie beside it. A URL is shown
in full to those alone who may write rules, as its path may be all that keeps others out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
from uuid_utils.compat import uuid7

from horarium.audit_log import Target as Changed
from horarium.audit_log import note, shown, what_changed
from horarium.errors import Conflict, FieldError, InvalidInput, NotFound
from horarium.kept import Kept
from horarium.notifying.channels import Message, Target
from horarium.notifying.signing import SECRET_RULE, is_secret, new_secret
from horarium.notifying.timetable import GIVE_UP_AFTER
from horarium.notifying.webhook import MOST_URL_CHARS, is_webhook_url, without_path
from horarium.notifying.wording import content_of_test
from horarium.sql.queries import QUERIES
from horarium.views import total_good_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    from horarium.audit_log import Author
    from horarium.model import NotificationRuleCreate, NotificationRulePatch
    from horarium.notifying.channels import Channels, Outcome
    from horarium.sql.database import Database
    from horarium.sql.queries import Connection

__all__ = ["MOST_RULES", "NotificationFilter", "Notifications"]

MOST_RULES = 200
PREVIOUS_SIGNS = timedelta(hours=24)
"""How long the secret before the last one goes on signing."""

EDITABLE = ("name", "events", "config_ids", "tags", "repeat", "errors", "webhook_url", "recipients", "enabled")
ANEW = ("events", "config_ids", "tags", "enabled")
"""Fields by which a rule becomes another: what it has told before says nothing any more."""


@dataclass(frozen=True, slots=True)
class NotificationFilter:
    """What a list of messages is narrowed to; None leaves a filter out."""

    status: str | None = None
    rule_id: int | None = None
    config_id: int | None = None


class Notifications:
    """Actions on rules and messages; raises NotFound, Conflict, InvalidInput and Unavailable."""

    def __init__(
        self,
        database: Database,
        channels: Channels,
        *,
        clock: Callable[[], datetime],
        public_url: str | None = None,
    ) -> None:
        self._database = database
        self._channels = channels
        self._clock = clock
        self._public_url = public_url
        self._totals = Kept(self._count, good_for=total_good_for)

    async def page(self, *, after: int, limit: int) -> tuple[list[asyncpg.Record], int]:
        """A page of rules, in the order they were made, and how many there are in all."""
        async with self._database.connection() as connection:
            rows = await QUERIES.notification_rule_list.rows(connection, after=after, max_rows=limit)
            return rows, int(await QUERIES.notification_rule_count.value(connection))

    async def get(self, rule_id: int) -> asyncpg.Record:
        """One rule."""
        async with self._database.connection() as connection:
            return await _rule(connection, rule_id)

    async def create(self, body: NotificationRuleCreate, *, by: Author) -> asyncpg.Record:
        """A new rule; one for a webhook is given a secret where it has none."""
        made = body.model_dump(exclude={"webhook", "email"}) | self._channel(body)
        _check_recovery(made)
        async with self._database.transaction() as connection:
            if await QUERIES.notification_rule_count.value(connection) >= MOST_RULES:
                raise Conflict("too_many", f"there are {MOST_RULES} notification rules, and no more may be made")
            await _check_configs(connection, made["config_ids"])
            rule_id = await QUERIES.notification_rule_insert.value(connection, **made, created_by=by.user_id)
            if rule_id is None:
                raise _name_taken(body.name)
            row = await _rule(connection, rule_id)
            await note(connection, by, "notification_rule.created", _changed(row), after=_masked(shown(row, EDITABLE)))
        return row

    async def edit(
        self, rule_id: int, patch: NotificationRulePatch, *, version: int | None, by: Author
    ) -> asyncpg.Record:
        """Change the fields that `patch` gives; `version` is the one that the caller has seen, None for any."""
        try:
            async with self._database.transaction() as connection:
                old = await _locked(connection, rule_id, version)
                wanted = {name: old[name] for name in EDITABLE} | self._changes(patch, old)
                _check_recovery(wanted)
                await _check_configs(connection, wanted["config_ids"], known=old["config_ids"])
                await QUERIES.notification_rule_update.value(connection, id=rule_id, **wanted)
                if wanted["webhook_url"] != old["webhook_url"]:
                    await QUERIES.notification_hasten.rows(connection, rule_id=rule_id, now=self._clock())
                if any(wanted[name] != old[name] for name in ANEW):
                    await QUERIES.notification_alert_close_all.rows(connection, rule_id=rule_id)
                if not wanted["enabled"]:
                    await QUERIES.notification_drop.rows(
                        connection, rule_id=rule_id, now=self._clock(), error="the rule was disabled"
                    )
                new = await _rule(connection, rule_id)
                before, after = map(_masked, what_changed(old, new, EDITABLE))
                await note(connection, by, "notification_rule.edited", _changed(new), before=before, after=after)
        except asyncpg.UniqueViolationError:
            raise _name_taken(patch.name) from None
        return new

    async def rotate(self, rule_id: int, secret: str | None, *, by: Author) -> asyncpg.Record:
        """Give a webhook's rule another secret; the one until now signs beside it for a day."""
        _check_secret(secret, "secret")
        async with self._database.transaction() as connection:
            old = await _locked(connection, rule_id, None)
            if old["secret"] is None:
                raise Conflict("state", "only a webhook has a secret, and this rule sends mail")
            await QUERIES.notification_rule_rotate.value(
                connection, id=rule_id, secret=secret or new_secret(), previous_until=self._clock() + PREVIOUS_SIGNS
            )
            row = await _rule(connection, rule_id)
            await note(connection, by, "notification_rule.secret_rotated", _changed(row))
        return row

    async def delete(self, rule_id: int, *, version: int | None, by: Author) -> None:
        """Take a rule away, and with it its messages; what waits to be sent is not sent any more."""
        async with self._database.transaction() as connection:
            old = await _locked(connection, rule_id, version)
            await QUERIES.notification_rule_delete.value(connection, id=rule_id)
            await note(connection, by, "notification_rule.deleted", _changed(old), before=_masked(shown(old, EDITABLE)))

    async def test(self, rule_id: int, *, by: Author) -> Outcome:
        """Send a message that tells of nothing, now and once."""
        now = self._clock()
        async with self._database.transaction() as connection:
            row = await _rule(connection, rule_id)
            await note(connection, by, "notification_rule.tested", _changed(row))
        body = content_of_test(row["name"], now, self._public_url)
        return await self._channels.send(Target.of(row, now), Message(uuid7(), body, now))

    async def messages(
        self, wanted: NotificationFilter, *, before: UUID | None, limit: int
    ) -> tuple[list[asyncpg.Record], int]:
        """A page of messages, newest first, and how many there are in all."""
        async with self._database.connection() as connection:
            rows = await QUERIES.notification_list.rows(
                connection, **asdict(wanted), id=None, before=before, max_rows=limit
            )
        return rows, await self._totals.get(wanted)

    async def _count(self, wanted: NotificationFilter) -> int:
        async with self._database.connection() as connection:
            return int(await QUERIES.notification_count.value(connection, **asdict(wanted)))

    async def retry(self, message_id: UUID, *, by: Author) -> asyncpg.Record:
        """Try a message that has not arrived at once, and for another day."""
        now = self._clock()
        async with self._database.transaction() as connection:
            rule = await QUERIES.notification_rule_lock_of.row(connection, notification_id=message_id)
            row = await QUERIES.notification_lock.row(connection, id=message_id)
            if rule is None or row is None:
                raise NotFound("notification", message_id)
            if row["status"] == "delivered":
                raise Conflict("state", "the message has arrived")
            if not rule["enabled"]:
                raise Conflict("state", f"the rule {rule['name']} is disabled")
            await QUERIES.notification_retry.value(connection, id=message_id, now=now, give_up_at=now + GIVE_UP_AFTER)
            await note(connection, by, "notification.retried", Changed("notification", message_id, rule["name"]))
            (shown_row,) = await QUERIES.notification_list.rows(
                connection, **asdict(NotificationFilter()), id=message_id, before=None, max_rows=1
            )
        return shown_row

    def _channel(self, body: NotificationRuleCreate) -> dict[str, Any]:
        """The columns that say where a new rule sends to."""
        if (body.webhook is None) == (body.email is None):
            raise InvalidInput(FieldError(("webhook",), "give either webhook or email"))
        if body.webhook is not None:
            _check_url(body.webhook.url)
            _check_secret(body.webhook.secret, "webhook", "secret")
            secret = body.webhook.secret or new_secret()
            return {"webhook_url": body.webhook.url, "secret": secret, "recipients": None}
        self._check_mail()
        return {"webhook_url": None, "secret": None, "recipients": _recipients(body.email)}

    def _changes(self, patch: NotificationRulePatch, old: asyncpg.Record) -> dict[str, Any]:
        """The columns that an edit changes."""
        changes = patch.model_dump(exclude_unset=True, exclude={"webhook", "email"})
        for given, column in (("webhook", "webhook_url"), ("email", "recipients")):
            if getattr(patch, given) is not None and old[column] is None:
                raise InvalidInput(FieldError((given,), "a rule keeps its channel; make another rule"))
        if patch.webhook is not None:
            _check_url(patch.webhook.url)
            changes["webhook_url"] = patch.webhook.url
        if patch.email is not None:
            changes["recipients"] = _recipients(patch.email)
        return changes

    def _check_mail(self) -> None:
        if not self._channels.has_mail:
            raise InvalidInput(
                FieldError(("email",), "no mail server is set: HORARIUM_SMTP_URL and HORARIUM_SMTP_FROM")
            )


async def _rule(connection: Connection, rule_id: int) -> asyncpg.Record:
    row = await QUERIES.notification_rule_get.row(connection, id=rule_id)
    if row is None:
        raise NotFound("notification rule", rule_id)
    return row


async def _locked(connection: Connection, rule_id: int, version: int | None) -> asyncpg.Record:
    row = await QUERIES.notification_rule_lock.row(connection, id=rule_id)
    if row is None:
        raise NotFound("notification rule", rule_id)
    if version is not None and row["version"] != version:
        raise Conflict("version", f"the rule is at version {row['version']}, not at version {version}; read it again")
    return row


def _check_recovery(rule: Mapping[str, Any]) -> None:
    """Raise InvalidInput for a rule that could never tell anything."""
    if set(rule["events"]) == {"recovered"}:
        raise InvalidInput(FieldError(("events",), "recovered follows a failure that was told: name another event"))


async def _check_configs(connection: Connection, config_ids: Iterable[int], known: Iterable[int] = ()) -> None:
    """Raise InvalidInput for a config that there is not; `known` ones were there when the rule was told of them."""
    unknown = set(config_ids).difference(known)
    gone = {row["id"] for row in await QUERIES.task_config_gone.rows(connection, ids=sorted(unknown))}
    places = [place for place, each in enumerate(config_ids) if each in gone]
    if places:
        raise InvalidInput(*(FieldError(("config_ids", place), "there is no such config") for place in places))


def _check_url(url: str) -> None:
    if not is_webhook_url(url):
        rule = (
            "must be an http:// or https:// URL with a host name or an address, without user or fragment,"
            f" {MOST_URL_CHARS} ASCII characters at most"
        )
        raise InvalidInput(FieldError(("webhook", "url"), rule))


def _check_secret(secret: str | None, *loc: str) -> None:
    if secret is not None and not is_secret(secret):
        raise InvalidInput(FieldError(loc, SECRET_RULE))


def _recipients(email: Any) -> list[str]:
    """Each address once, in their order."""
    return list(dict.fromkeys(email.to))


def _name_taken(name: str | None) -> Conflict:
    return Conflict("name", f"there is a notification rule named {name!r} already")


def _changed(row: Mapping[str, Any] | asyncpg.Record) -> Changed:
    return Changed("notification_rule", row["id"], row["name"])


def _masked(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields of a rule as the audit log may have them; of a URL whose path alone has changed it says so much."""
    url = fields.get("webhook_url")
    return fields if url is None else {**fields, "webhook_url": without_path(url)}
