"""Notifications: rules, who is told of what by which way; and messages, what was told and what came of it."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotations when the models are made
from typing import TYPE_CHECKING, Annotated, Literal, Self
from uuid import UUID  # noqa: TC003 - as above

from pydantic import ConfigDict, Field, StringConstraints

from horarium.model.fields import Answer, Name, Patch, Request, Tag
from horarium.notifying.mail_server import ADDRESS, MOST_ADDRESS_CHARS

if TYPE_CHECKING:
    from typing import Any

    from horarium.sql.queries import Row

__all__ = [
    "Notification",
    "NotificationErrors",
    "NotificationEvent",
    "NotificationRepeat",
    "NotificationRule",
    "NotificationRuleCreate",
    "NotificationRulePatch",
    "NotificationStatus",
    "NotificationTest",
    "RotateRequest",
    "SignedNotificationRule",
]

NotificationEvent = Literal["failed", "timeout", "lost", "missed", "config_error", "recovered"]
NotificationStatus = Literal["pending", "delivered", "failed", "suppressed"]
NotificationRepeat = Literal["first", "every"]
NotificationErrors = Literal["message", "kind"]
Address = Annotated[str, StringConstraints(max_length=MOST_ADDRESS_CHARS, pattern=ADDRESS)]
Url = Annotated[str, StringConstraints(max_length=2000, pattern=r"^https?://[!-~]+$")]
Secret = Annotated[str, StringConstraints(max_length=100)]
Events = Annotated[list[NotificationEvent], Field(min_length=1, max_length=6)]
ConfigIds = Annotated[list[Annotated[int, Field(ge=1, le=2**63 - 1)]], Field(max_length=200)]
Tags = Annotated[list[Tag], Field(max_length=50)]


class WebhookMoved(Request):
    """Another address of a webhook."""

    url: Url


class WebhookRequest(WebhookMoved):
    """A webhook; without a secret it is given one."""

    secret: Annotated[Secret | None, Field(repr=False)] = None


class EmailChannel(Request):
    """Who is written to."""

    to: Annotated[list[Address], Field(min_length=1, max_length=20)]


class NotificationRuleCreate(Request):
    """A new rule, by webhook or by email. Without `config_ids` and `tags` it is about every config.

    `repeat`: whether every failure in a row is told, or the first, until the config is well again. `errors`: how much
    of an error goes out.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "nightly runs",
                    "events": ["failed", "timeout", "lost", "missed", "config_error", "recovered"],
                    "tags": ["nightly"],
                    "webhook": {"url": "https://ops.example/hooks/horarium"},
                }
            ]
        }
    )

    name: Name
    events: Events
    config_ids: ConfigIds = Field([])
    tags: Tags = Field([])
    repeat: NotificationRepeat = "first"
    errors: NotificationErrors = "message"
    webhook: WebhookRequest | None = None
    email: EmailChannel | None = None
    enabled: bool = True


class NotificationRulePatch(Patch):
    """An edit of a rule: the fields that are given change. A rule keeps its channel."""

    name: Name | None = None
    events: Events | None = None
    config_ids: ConfigIds | None = None
    tags: Tags | None = None
    repeat: NotificationRepeat | None = None
    errors: NotificationErrors | None = None
    webhook: WebhookMoved | None = None
    email: EmailChannel | None = None
    enabled: bool | None = None


class RotateRequest(Request):
    """Another secret; without one it is given one."""

    secret: Annotated[Secret | None, Field(repr=False)] = None


class Webhook(Answer):
    """A webhook. Its path is masked for whoever may not write rules; until `previous_secret_until` two secrets sign."""

    url: str
    previous_secret_until: datetime | None


class Email(Answer):
    """Who is written to."""

    to: list[str]


class LastNotification(Answer):
    """The newest message of a rule, and what came of it."""

    event: NotificationEvent
    status: NotificationStatus
    at: datetime
    error: str | None


class NotificationRule(Answer):
    """Who is told of what, by webhook or by email, and how the last message fared."""

    id: int
    name: str
    events: list[NotificationEvent]
    config_ids: list[int]
    tags: list[str]
    repeat: NotificationRepeat
    errors: NotificationErrors
    webhook: Webhook | None
    email: Email | None
    enabled: bool
    version: int
    created_by: int | None
    created_at: datetime
    updated_at: datetime
    last: LastNotification | None

    @classmethod
    def of(cls, row: Row, url: str | None) -> Self:
        """From a row; `url` is as much of a webhook's as the caller may see."""
        return cls(**_fields(row, url))


class SignedNotificationRule(NotificationRule):
    """A rule whose secret was just made: the one answer that holds it. Null where mail is sent."""

    secret: Annotated[str | None, Field(repr=False)]

    @classmethod
    def of(cls, row: Row, url: str | None) -> Self:
        """The same, with the secret."""
        return cls(**_fields(row, url), secret=row["secret"])


class NotificationTest(Answer):
    """What came of a test: whether the receiver took it, how long that took, and why not, or what was odd."""

    delivered: bool
    detail: str | None
    seconds: float


class Notification(Answer):
    """A message. `task_id` is null where there is no execution; `next_try_at` unless it is `pending`."""

    id: UUID
    rule_id: int
    rule_name: str
    event: NotificationEvent
    config_id: int
    config_name: str
    task_id: UUID | None
    status: NotificationStatus
    attempts: int
    last_error: str | None
    created_at: datetime
    next_try_at: datetime | None
    ended_at: datetime | None


def _fields(row: Row, url: str | None) -> dict[str, Any]:
    """The fields of a rule, from its row."""
    plain = ("id", "name", "events", "config_ids", "tags", "repeat", "errors", "enabled", "version", "created_by")
    fields: dict[str, Any] = {name: row[name] for name in (*plain, "created_at", "updated_at")}
    last = row["last_event"] and LastNotification(
        event=row["last_event"], status=row["last_status"], at=row["last_at"], error=row["last_error"]
    )
    webhook = None if url is None else Webhook(url=url, previous_secret_until=row["previous_until"])
    email = None if row["recipients"] is None else Email(to=row["recipients"])
    return {**fields, "webhook": webhook, "email": email, "last": last}
