"""What columns and values of the older system are called, and what they are here. Pure.

A row is read by *fields*, ours; each has the names that it goes by over there, the likeliest first, of which the first
that holds something counts. A value that means something else here is not guessed at: it is left out, with a remark.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["CONFIG_COLUMNS", "USER_COLUMNS", "LeftOut", "Reading", "Remark", "shown", "unread"]

USER_COLUMNS: dict[str, tuple[str, ...]] = {
    "id": ("id", "user_id"),
    "username": ("username", "user_name", "login", "email"),
    "email": ("email", "mail", "email_address"),
    "full_name": ("full_name", "fullname", "display_name", "name"),
    "first_name": ("first_name",),
    "last_name": ("last_name",),
    "password_hash": ("hashed_password", "password_hash", "password"),
    "role": ("role", "user_role"),
    "is_admin": ("is_superuser", "is_admin", "superuser"),
    "is_active": ("is_active", "active", "enabled"),
    "is_disabled": ("disabled", "is_disabled"),
    "is_deleted": ("deleted_at", "is_deleted", "deleted"),
    "created_at": ("created_at", "date_joined"),
}

CONFIG_COLUMNS: dict[str, tuple[str, ...]] = {
    "id": ("id", "config_id", "task_config_id"),
    "name": ("name", "title"),
    "description": ("description",),
    "task_type": ("task_type", "task_name", "task"),
    "parameters": ("parameters", "params", "kwargs"),
    "scheduler_type": ("scheduler_type", "schedule_type", "trigger_type"),
    "schedule_config": ("schedule_config", "schedule", "trigger_args"),
    "status": ("status", "state"),
    "is_active": ("is_active", "is_enabled", "enabled", "active"),
    "is_deleted": ("deleted_at", "is_deleted", "deleted"),
    "queue": ("queue", "queue_name"),
    "priority": ("priority",),
    "timeout_seconds": ("timeout_seconds", "timeout"),
    "max_retries": ("max_retries", "retries", "max_retry"),
    "retry_backoff_seconds": ("retry_backoff_seconds", "retry_delay_seconds", "retry_delay"),
    "overlap": ("overlap",),
    "catchup": ("catchup",),
    "catchup_window_seconds": ("catchup_window_seconds", "misfire_grace_time"),
    "max_catchup_runs": ("max_catchup_runs",),
    "jitter_seconds": ("jitter_seconds", "jitter"),
    "start_at": ("start_at", "start_date"),
    "end_at": ("end_at", "end_date"),
    "tags": ("tags", "labels"),
    "created_by": ("created_by", "created_by_id", "owner_id", "user_id"),
    "created_at": ("created_at",),
}

LARGEST_ID = 2**53
NO = ("false", "f", "no", "n", "0", "0.0", "off")
UNSHOWN = 60  # characters of a value in a remark


class LeftOut(Exception):
    """A row cannot be carried over; the message says why."""


@dataclass(frozen=True, slots=True)
class Remark:
    """What became of a row, or of a part of one, and why."""

    subject: str
    why: str


@dataclass
class Reading:
    """One row, read by our fields; what had to be changed is in `remarks`."""

    row: Mapping[str, Any]
    columns: Mapping[str, tuple[str, ...]]
    remarks: list[str] = field(default_factory=list)

    def get(self, name: str) -> Any:
        """The first of its columns that holds something, or None."""
        held = (self.row.get(column) for column in self.columns[name])
        return next((value for value in held if value is not None and value != ""), None)

    def text(self, name: str) -> str | None:
        """The same as text, without the blanks around it."""
        value = self.get(name)
        return None if value is None else str(value).strip() or None

    def flag(self, name: str) -> bool | None:
        """The same as yes or no; an instant (`deleted_at`) is a yes."""
        value = self.get(name)
        if value is None or isinstance(value, bool):
            return value
        return str(value).strip().lower() not in NO

    def json(self, name: str) -> Any:
        """The same, of a column of JSON or of text that holds JSON. Raises LeftOut."""
        value = self.get(name)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise LeftOut(f"{name} is no JSON") from None

    def identity(self) -> int | None:
        """Its id, where it is a number that ids here can be."""
        value = self.get("id")
        return value if isinstance(value, int) and 0 < value < LARGEST_ID else None

    def instant(self, name: str) -> datetime | None:
        """An instant, in UTC; what has no offset is UTC already. One that cannot be read is left out, and said."""
        text = self.text(name)
        try:
            moment = None if text is None else datetime.fromisoformat(text)
        except ValueError:
            self.remarks.append(f"{name} {shown(text)} is no instant, left out")
            return None
        if moment is None or not 1970 <= moment.year <= 9997:
            return None
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def shown(value: object) -> str:
    """A value in a remark, cut."""
    return repr(value)[:UNSHOWN]


def unread(table: str, there: Iterable[str], columns: Mapping[str, tuple[str, ...]]) -> list[Remark]:
    """The columns that have no counterpart here."""
    known = {name for names in columns.values() for name in names}
    return [Remark(f"{table}.{column}", "there is nothing like it here") for column in there if column not in known]
