"""The ways out: a message goes to the webhook or to the people that its rule names, and what came of it is told.

A try has a deadline, and ends as `Delivered` or `Undelivered`: a receiver that is away, slow or refuses is no error
of ours, so nothing is raised for it. Nor is an error of ours, which a message would meet on every try: it is logged,
and costs that message alone. A reason is shown to whoever may read rules, and so holds no address in full: the path of
a webhook is as good as a password.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import structlog

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID

    from horarium.notifying.mail import Mailer
    from horarium.notifying.webhook import Webhooks
    from horarium.sql.queries import Row

__all__ = ["SEND_SECONDS", "Channels", "Delivered", "Message", "Outcome", "Sends", "Target", "Undelivered"]

log = structlog.get_logger(__name__)

SEND_SECONDS = 10.0
"""How long a try may take from its first packet to its last."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a rule sends to: a URL, with the secrets that sign, or people."""

    webhook_url: str | None = field(repr=False)
    keys: tuple[str, ...] = field(repr=False)
    recipients: tuple[str, ...]

    @classmethod
    def of(cls, row: Row, now: datetime) -> Target:
        """Where the rule of a row sends to; a secret that was changed signs until its time is over."""
        previous = row["previous_secret"] if row["previous_until"] and row["previous_until"] > now else None
        keys = tuple(key for key in (row["secret"], previous) if key is not None)
        return cls(row["webhook_url"], keys, tuple(row["recipients"] or ()))


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent, at an instant; its id is the same on every try."""

    id: UUID
    body: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has it; `note` says what was odd, as when one of several addresses was refused."""

    note: str | None = None


@dataclass(frozen=True, slots=True)
class Undelivered:
    """The receiver has it not, or has not said so; `gone`: it never will, so that there is nothing to try again.

    `wants_rest`: how long the receiver asks to be sent nothing at all.
    """

    reason: str
    gone: bool = False
    wants_rest: timedelta | None = None


Outcome = Delivered | Undelivered


class Sends(Protocol):
    """Whatever takes a message to where it is to go."""

    async def send(self, target: Target, message: Message) -> Outcome:
        """Try once."""


class Channels:
    """Sends by whichever way a target has; without a mail server no mail goes out."""

    def __init__(self, webhooks: Webhooks, mailer: Mailer | None) -> None:
        self._webhooks = webhooks
        self._mailer = mailer

    @property
    def has_mail(self) -> bool:
        """Whether a mail server is set."""
        return self._mailer is not None

    async def send(self, target: Target, message: Message) -> Outcome:
        """Try once, within `SEND_SECONDS`."""
        try:
            return await self._sent(target, message)
        except Exception as error:  # noqa: BLE001 - logged: one bad message must not keep the others from being sent
            kind, stack = type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
            # The frames without the exception, whose words may quote a webhook's URL.
            log.error("notification.unsendable", notification=str(message.id), error=kind, stack=stack)  # noqa: TRY400
            return Undelivered(f"an error of Horarium's own: {kind}")

    async def _sent(self, target: Target, message: Message) -> Outcome:
        if target.webhook_url is not None:
            return await self._webhooks.send(target.webhook_url, target.keys, message)
        if self._mailer is None:
            return Undelivered("no mail server is set here: HORARIUM_SMTP_URL")
        return await self._mailer.send(target.recipients, message)
