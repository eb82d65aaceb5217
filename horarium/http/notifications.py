"""Notifications: rules, which admins write, for a webhook is a way out; messages, which operators may send again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from pydantic import Field

from horarium.errors import FieldError, InvalidInput, NotFound
from horarium.http.paging import Page, PageQuery, cut, read_cursor, write_cursor
from horarium.http.routing import IF_MATCH, Empty, Reply, Route
from horarium.model import (
    Notification,
    NotificationRule,
    NotificationRuleCreate,
    NotificationRulePatch,
    NotificationStatus,
    NotificationTest,
    RotateRequest,
    SignedNotificationRule,
)
from horarium.notifying.channels import Delivered
from horarium.notifying.rules import NotificationFilter
from horarium.notifying.webhook import without_path

if TYPE_CHECKING:
    import asyncpg

    from horarium.http.routing import Call

__all__ = ["ROUTES"]

RULES = "/api/v1/notification-rules"
RULE = f"{RULES}/{{rule_id:[1-9][0-9]{{0,17}}}}"
MESSAGES = "/api/v1/notifications"
LARGEST_ID = 2**63 - 1
Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]


class NotificationsQuery(PageQuery):
    """Filters over messages."""

    status: NotificationStatus | None = None
    rule_id: Id | None = None
    config_id: Id | None = None


async def list_rules(call: Call) -> Reply:
    """A page of rules."""
    query: PageQuery = call.query
    parts = read_cursor(query.cursor, int)
    found, total = await call.services.notifications.page(after=parts[0] if parts else 0, limit=query.limit + 1)
    rows, last = cut(found, query.limit)
    cursor = None if last is None else write_cursor(last["id"])
    rules = [NotificationRule.of(row, _url(call, row)) for row in rows]
    return Reply(Page[NotificationRule](items=rules, next_cursor=cursor, total=total))


async def create_rule(call: Call) -> Reply:
    """A new rule; the answer holds its secret, this once."""
    row = await call.services.notifications.create(call.body, by=call.author)
    headers = {"Location": f"{RULES}/{row['id']}", "Cache-Control": "no-store", **_tag(row)}
    return Reply(SignedNotificationRule.of(row, _url(call, row)), headers)


async def get_rule(call: Call) -> Reply:
    """One rule."""
    row = await call.services.notifications.get(_rule_id(call))
    return Reply(NotificationRule.of(row, _url(call, row)), _tag(row))


async def edit_rule(call: Call) -> Reply:
    """Change the fields that are given."""
    row = await call.services.notifications.edit(_rule_id(call), call.body, version=call.if_match, by=call.author)
    return Reply(NotificationRule.of(row, _url(call, row)), _tag(row))


async def delete_rule(call: Call) -> Reply:
    """Take a rule away, and with it its messages."""
    await call.services.notifications.delete(_rule_id(call), version=call.if_match, by=call.author)
    return Reply()


async def rotate_secret(call: Call) -> Reply:
    """Another secret for a webhook; the answer holds it, this once."""
    row = await call.services.notifications.rotate(_rule_id(call), call.body.secret, by=call.author)
    return Reply(SignedNotificationRule.of(row, _url(call, row)), {"Cache-Control": "no-store", **_tag(row)})


async def try_rule(call: Call) -> Reply:
    """Send a test, and say what came of it."""
    began = time.monotonic()
    outcome = await call.services.notifications.test(_rule_id(call), by=call.author)
    delivered = isinstance(outcome, Delivered)
    detail = outcome.note if isinstance(outcome, Delivered) else outcome.reason
    seconds = round(time.monotonic() - began, 3)
    return Reply(NotificationTest(delivered=delivered, detail=detail, seconds=seconds))


async def list_messages(call: Call) -> Reply:
    """A page of messages."""
    query: NotificationsQuery = call.query
    found, total = await call.services.notifications.messages(
        NotificationFilter(query.status, query.rule_id, query.config_id), before=_before(query), limit=query.limit + 1
    )
    rows, last = cut(found, query.limit)
    cursor = None if last is None else write_cursor(str(last["id"]))
    items = [Notification(**dict(row)) for row in rows]
    return Reply(Page[Notification](items=items, next_cursor=cursor, total=total))


async def retry_message(call: Call) -> Reply:
    """Try a message that has not arrived at once, and for another day."""
    row = await call.services.notifications.retry(_message_id(call), by=call.author)
    return Reply(Notification(**dict(row)))


def _rule_id(call: Call) -> int:
    return int(call.request.match_info["rule_id"])


def _message_id(call: Call) -> UUID:
    try:
        return UUID(call.request.match_info["notification_id"])
    except ValueError:
        raise NotFound("notification", "of that id") from None


def _before(query: PageQuery) -> UUID | None:
    parts = read_cursor(query.cursor, str)
    if parts is None:
        return None
    try:
        return UUID(parts[0])
    except ValueError:
        raise InvalidInput(FieldError(("cursor",), "is not the next_cursor of this list")) from None


def _url(call: Call, row: asyncpg.Record) -> str | None:
    """As much of a webhook's address as the caller may see."""
    url: str | None = row["webhook_url"]
    return url if url is None or call.author.is_admin else without_path(url)


def _tag(row: asyncpg.Record) -> dict[str, str]:
    return {"ETag": f'"{row["version"]}"'}


ROUTES = (
    Route(
        "GET", RULES, list_rules, "A page of notification rules", "viewer", Page[NotificationRule], query=PageQuery,
    ),
    Route(
        "POST", RULES, create_rule, "A new notification rule", "admin", SignedNotificationRule, status=201,
        body=NotificationRuleCreate, gives=("Location", "ETag"), conflict="Another rule has the name",
    ),
    Route("GET", RULE, get_rule, "One notification rule", "viewer", NotificationRule, gives=("ETag",)),
    Route(
        "PATCH", RULE, edit_rule, "Change a notification rule", "admin", NotificationRule, body=NotificationRulePatch,
        reads=(IF_MATCH,), gives=("ETag",), conflict="Another rule has the name, or the rule another version",
    ),
    Route(
        "DELETE", RULE, delete_rule, "Take a notification rule away", "admin", status=204, reads=(IF_MATCH,),
        conflict="The rule has another version",
    ),
    Route(
        "POST", f"{RULE}/rotate-secret", rotate_secret, "Give a webhook another secret", "admin",
        SignedNotificationRule, body=RotateRequest, body_required=False, gives=("ETag",),
        conflict="The rule sends mail",
    ),
    Route(
        "POST", f"{RULE}/test", try_rule, "Send a test, and say what came of it", "admin", NotificationTest,
        body=Empty, body_required=False, conflict=None,
    ),
    Route(
        "GET", MESSAGES, list_messages, "A page of messages, newest first", "viewer", Page[Notification],
        query=NotificationsQuery,
    ),
    Route(
        "POST", f"{MESSAGES}/{{notification_id}}/retry", retry_message, "Try a message again", "operator",
        Notification, body=Empty, body_required=False, conflict="The message has arrived, or its rule is disabled",
    ),
)  # fmt: skip
