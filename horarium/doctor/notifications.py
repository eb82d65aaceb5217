"""Notifications: do they arrive, and can they be sent from here at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from horarium.doctor.diagnosis import ok, warning
from horarium.doctor.house import ready
from horarium.sql.queries import QUERIES
from horarium.terminal import human_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from horarium.doctor.diagnosis import Diagnosis
    from horarium.doctor.patient import Patient

__all__ = ["NotificationFacts", "RuleFacts", "ask_notifications", "judge_notifications"]

WAITS_SECONDS = 900.0
"""A message that waits longer has failed about eight times; `HorariumNotificationsWait` says the same."""


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """A rule that is obeyed: for how long its oldest message waits; why its newest was given up, None: it was not."""

    name: str
    by_mail: bool = False
    waiting_seconds: float | None = None
    given_up: str | None = None


@dataclass(frozen=True, slots=True)
class NotificationFacts:
    """The rules that are obeyed, and whether a mail server is set here."""

    rules: Sequence[RuleFacts] = ()
    has_mail: bool = False


async def ask_notifications(patient: Patient) -> NotificationFacts | None:
    """The facts; None before there are tables."""
    async with ready(patient) as database:
        if database is None:
            return None
        async with database.connection() as connection:
            rows = await QUERIES.doctor_notifications.rows(connection)
    return NotificationFacts([RuleFacts(**row) for row in rows], has_mail=patient.settings.smtp_url is not None)


def judge_notifications(facts: NotificationFacts | None) -> Iterator[Diagnosis]:
    """What to make of them."""
    if facts is None:
        return
    if not facts.rules:
        yield ok("notifications", "no rule is enabled: nobody is told when executions end badly")
        return
    unwell = [*_without_a_server(facts), *(each for rule in facts.rules for each in _not_arriving(rule))]
    yield from unwell or [
        ok("notifications", f"rules: {len(facts.rules)} enabled; no message waits long, none was given up")
    ]


def _without_a_server(facts: NotificationFacts) -> Iterator[Diagnosis]:
    by_mail = [rule.name for rule in facts.rules if rule.by_mail]
    if by_mail and not facts.has_mail:
        summary = f"{', '.join(by_mail)}: mail cannot be sent from here, as HORARIUM_SMTP_URL is unset"
        yield warning("notifications", summary, "set it, and HORARIUM_SMTP_FROM, for every `horarium up`")


def _not_arriving(rule: RuleFacts) -> Iterator[Diagnosis]:
    if rule.given_up is not None:
        summary = f"the newest message of {rule.name} was given up: {rule.given_up}"
        remedy = f"`horarium notifications test '{rule.name}'`; `horarium notifications retry` sends it again"
        yield warning("notifications", summary, remedy)
    elif rule.waiting_seconds is not None and rule.waiting_seconds > WAITS_SECONDS:
        summary = f"a message of {rule.name} has waited for {human_duration(rule.waiting_seconds)}"
        yield warning("notifications", summary, "`horarium notifications deliveries --status pending` says why")
