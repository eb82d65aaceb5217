"""Writing a plan: one transaction, all of it or nothing, with a line in the audit log for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from horarium.audit_log import SYSTEM, Target, note, shown
from horarium.legacy.plan import Here
from horarium.sql.queries import QUERIES
from horarium.sql.task_configs import EDITABLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from horarium.legacy.configs import NewConfig
    from horarium.legacy.plan import Plan
    from horarium.legacy.users import NewUser
    from horarium.sql.database import Database
    from horarium.sql.queries import Connection

__all__ = ["Taken", "take_over", "what_is_here"]

USER_SHOWN = ("username", "email", "full_name", "role", "is_active")


@dataclass(frozen=True, slots=True)
class Taken:
    """Who or what was taken over: the name, the id here and the id there."""

    kind: str
    name: str
    id: int
    legacy_id: object


async def what_is_here(database: Database) -> Here:
    """The names that are taken."""
    async with database.connection() as connection:
        users = await QUERIES.legacy_known_users.rows(connection)
        configs = await QUERIES.legacy_known_configs.rows(connection)
    return Here({row["name"]: row["id"] for row in users}, frozenset(row["name"] for row in configs))


async def take_over(database: Database, plan: Plan, now: datetime) -> list[Taken]:
    """Write it; a name that was taken meanwhile is left alone. Ticks are owed from `now` on."""
    async with database.transaction() as connection:
        await _reserve(connection, plan)
        users = [taken for user in plan.users if (taken := await _user(connection, user))]
        owners = plan.owners | {taken.legacy_id: taken.id for taken in users}
        made = [await _config(connection, config, owners.get(config.made_by), now) for config in plan.configs]
    return users + [taken for taken in made if taken is not None]


async def _reserve(connection: Connection, plan: Plan) -> None:
    """Keep the ids that are to be kept from being given to a row before theirs."""
    if plan.users:
        await QUERIES.legacy_reserve_users.value(connection, highest=_highest(plan.users))
    if plan.configs:
        await QUERIES.legacy_reserve_configs.value(connection, highest=_highest(plan.configs))


def _highest(rows: Sequence[NewUser] | Sequence[NewConfig]) -> int:
    return max(row.wanted_id or 1 for row in rows)


async def _user(connection: Connection, user: NewUser) -> Taken | None:
    row = await QUERIES.legacy_user_insert.row(connection, wanted_id=user.wanted_id, **user.values)
    if row is None:
        return None
    target = Target("user", row["id"], row["username"])
    await note(connection, SYSTEM, "user.taken_over", target, after=shown(row, USER_SHOWN))
    return Taken("user", row["username"], row["id"], user.legacy_id)


async def _config(connection: Connection, config: NewConfig, created_by: int | None, now: datetime) -> Taken | None:
    row = await QUERIES.legacy_config_insert.row(
        connection, wanted_id=config.wanted_id, **config.values, created_by=created_by, scheduled_from=now
    )
    if row is None:
        return None
    target = Target("task_config", row["id"], row["name"])
    await note(connection, SYSTEM, "task_config.taken_over", target, after=shown(row, EDITABLE))
    return Taken("task config", row["name"], row["id"], config.legacy_id)
