"""What becomes of each row, before anything is written. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from horarium.legacy.configs import NewConfig, new_config
from horarium.legacy.users import NewUser, new_user
from horarium.legacy.words import CONFIG_COLUMNS, USER_COLUMNS, LeftOut, Reading, Remark, unread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from horarium.legacy.source import Legacy
    from horarium.tasks.registry import TaskTypes

__all__ = ["Here", "Plan", "make_plan"]

New = TypeVar("New", NewUser, NewConfig)
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Here:
    """The names that are taken here: of users in small letters, with their ids; of configs as they are."""

    users: Mapping[str, int] = field(default_factory=dict)
    configs: frozenset[str] = frozenset()


@dataclass
class Plan:
    """What is to be written, and a remark on every row and column that is not as it was."""

    users: list[NewUser] = field(default_factory=list)
    configs: list[NewConfig] = field(default_factory=list)
    owners: dict[object, int] = field(default_factory=dict)
    """Ids over there of users who are here already, and their ids here."""
    there: list[str] = field(default_factory=list)
    left_out: list[Remark] = field(default_factory=list)
    altered: list[Remark] = field(default_factory=list)


def make_plan(legacy: Legacy, here: Here, task_types: TaskTypes, now: datetime) -> Plan:
    """The plan; `here` is what is there already, and is left alone."""
    plan = Plan()
    users = _sorted_out(plan, "user", legacy.users, USER_COLUMNS, new_user, str.lower)
    for user in users:
        known = here.users.get(user.name.lower())
        if known is None:
            plan.users.append(_remarked(plan, "user", user))
        else:
            plan.owners[user.legacy_id] = known
            plan.there.append(f"user {user.name}")
    make = lambda row: new_config(row, task_types, now)  # noqa: E731 - one argument is left open
    for config in _sorted_out(plan, "task config", legacy.configs, CONFIG_COLUMNS, make, str):
        if config.name in here.configs:
            plan.there.append(f"task config {config.name}")
        else:
            plan.configs.append(_remarked(plan, "task config", config))
    plan.altered += unread("users", legacy.tables["users"], USER_COLUMNS)
    plan.altered += unread("task_configs", legacy.tables["task_configs"], CONFIG_COLUMNS)
    return plan


def _sorted_out(
    plan: Plan,
    kind: str,
    rows: Iterable[Row],
    columns: Mapping[str, tuple[str, ...]],
    make: Callable[[Row], New],
    same: Callable[[str], str],
) -> list[New]:
    """The rows that can be carried over, the oldest first; of two that would have one name, the first."""
    kept: dict[str, New] = {}
    for row in sorted(rows, key=lambda row: _age(row, columns)):
        subject = _subject(kind, Reading(row, columns))
        try:
            made = make(row)
        except LeftOut as reason:
            plan.left_out.append(Remark(subject, str(reason)))
            continue
        if (first := kept.setdefault(same(made.name), made)) is not made:
            why = f"{kind} {first.name} (id {first.legacy_id}) has that name already; give one of them another"
            plan.left_out.append(Remark(subject, why))
    return list(kept.values())


def _age(row: Row, columns: Mapping[str, tuple[str, ...]]) -> tuple[int, str]:
    read = Reading(row, columns)
    return read.identity() or 0, str(read.get("id"))


def _subject(kind: str, read: Reading) -> str:
    name = read.text("username" if kind == "user" else "name") or "without a name"
    return f"{kind} {name} (id {read.get('id')})"


def _remarked(plan: Plan, kind: str, new: New) -> New:
    plan.altered += [Remark(f"{kind} {new.name} (id {new.legacy_id})", why) for why in new.remarks]
    return new
