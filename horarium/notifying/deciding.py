"""Which rule tells of what: from notices, rules and open alerts to messages. Pure.

An alert is a rule's memory of a config: something bad was told, and nothing good has been since. Under `first` what
is bad while it is open is counted and not told. So a config that fails a thousand times in a row is one message, and
one more when it is well again, in whatever batches the thousand come. That a config is in error is told all the same:
it runs no more until somebody mends it, so nothing else would say so.

A rule makes so many messages an hour and no more. What is past that is written down as suppressed, and opens no alert:
the config's next failure is told, once there is room. The last message before says that it is the last. What is told of
configs in error is counted apart, since no next failure follows it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from horarium.sql.queries import Row

__all__ = ["Alert", "Decided", "Errors", "Event", "Notice", "Rule", "Told", "decide", "decide_recovered"]

Event = Literal["failed", "timeout", "lost", "missed", "config_error", "recovered"]
Repeat = Literal["first", "every"]
Errors = Literal["message", "kind"]
Key = tuple[int, int]
"""A rule and a config, by their ids."""
Account = tuple[int, bool]
"""What messages of an hour are counted under: a rule, by its id, and whether they are of configs in error."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Who wants to be told of which events, of which configs, how often, and how much of an error."""

    id: int
    events: frozenset[str]
    config_ids: frozenset[int]
    tags: frozenset[str]
    repeat: Repeat
    errors: Errors

    @classmethod
    def of(cls, row: Row) -> Rule:
        """The rule that a row holds."""
        config_ids, tags = frozenset(row["config_ids"]), frozenset(row["tags"])
        return cls(row["id"], frozenset(row["events"]), config_ids, tags, row["repeat"], row["errors"])

    def wants(self, notice: Notice) -> bool:
        """Whether it is about this event of this config; without ids and tags it is about every config."""
        everyone = not self.config_ids and not self.tags
        ours = everyone or notice.config_id in self.config_ids or not self.tags.isdisjoint(notice.tags)
        return ours and notice.event in self.events


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that has happened to a config, at an instant; `facts` are what there is to say of it."""

    subject: UUID
    event: Event
    config_id: int
    config_name: str
    tags: frozenset[str]
    at: datetime
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Alert:
    """Since when a config has been bad for a rule, the newest bad one, and how many there were."""

    rule_id: int
    config_id: int
    since: datetime
    subject: UUID
    at: datetime
    notices: int = 1

    @property
    def key(self) -> Key:
        """Whose it is, of which config."""
        return self.rule_id, self.config_id

    def with_another(self, notice: Notice) -> Alert:
        """The alert after one more; a run that began earlier and ended later moves the instant alone."""
        subject, at = max(self.subject, notice.subject), max(self.at, notice.at)
        return replace(self, subject=subject, at=at, notices=self.notices + 1)


@dataclass(frozen=True, slots=True)
class Told:
    """A message to make: of a rule, about a notice. `last`: the rule has no room for another within the hour."""

    rule: Rule
    notice: Notice
    suppressed: bool = False
    last: bool = False


@dataclass(frozen=True, slots=True)
class Decided:
    """Messages to make; alerts to write, to close; how many more messages may be made after that."""

    told: Sequence[Told]
    left: Mapping[Account, int]
    opened: Sequence[Alert] = ()
    closed: Sequence[Key] = ()


def decide(
    rules: Sequence[Rule], notices: Iterable[Notice], alerts: Iterable[Alert], room: Mapping[Account, int]
) -> Decided:
    """What to tell of `notices`, in their order; `room` is how many more messages each rule may make."""
    known = {alert.key: alert for alert in alerts}
    left = dict(room)
    told: list[Told] = []
    changed: dict[Key, Alert] = {}
    for notice in notices:
        for rule in (rule for rule in rules if rule.wants(notice)):
            alert = known.get((rule.id, notice.config_id))
            if alert is None or rule.repeat == "every" or notice.event == "config_error":
                told.append(_told(rule, notice, left))
            if alert is not None:
                alert = alert.with_another(notice)
            elif not told[-1].suppressed:
                alert = Alert(rule.id, notice.config_id, notice.at, notice.subject, notice.at)
            if alert is not None:
                known[alert.key] = changed[alert.key] = alert
    return Decided(told, left, opened=tuple(changed.values()))


def decide_recovered(
    rules: Mapping[int, Rule], over: Iterable[tuple[Key, Notice | None]], room: Mapping[Account, int]
) -> Decided:
    """What to tell of alerts that are over, each with what ended it, None where the config is gone.

    One that its rule has no room to tell of stays open, and is told of later.
    """
    left = dict(room)
    told: list[Told] = []
    closed: list[Key] = []
    for key, notice in over:
        rule = rules.get(key[0])
        if rule is not None and notice is not None and notice.event in rule.events:
            if not left[_account(rule, notice)]:
                continue
            told.append(_told(rule, notice, left))
        closed.append(key)
    return Decided(told, left, closed=closed)


def _account(rule: Rule, notice: Notice) -> Account:
    return rule.id, notice.event == "config_error"


def _told(rule: Rule, notice: Notice, left: dict[Account, int]) -> Told:
    """A message, and what room is left after it."""
    account = _account(rule, notice)
    before = left[account]
    left[account] = max(before - 1, 0)
    return Told(rule, notice, suppressed=before == 0, last=before == 1)
