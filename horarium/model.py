"""What travels in and out of the API, as pydantic models: the contract's field names, units and defaults.

Requests forbid what they do not know, so a misspelt field is an error and not a silence. Answers are built from rows
of Postgres by `of(row)`. A schedule is checked by `horarium.schedule`, parameters by the task type's signature; both
happen when a config is saved, and both name the field at fault.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from uuid import UUID  # noqa: TC003 - as above

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from horarium.sql.queries import Row

__all__ = [
    "Action",
    "Answer",
    "ApiKey",
    "ApiKeyCreate",
    "AuditEntry",
    "ConfigStatus",
    "Execution",
    "ExecutionStatus",
    "Instant",
    "LastExecution",
    "Login",
    "NewApiKey",
    "PasswordChange",
    "PauseRequest",
    "Refresh",
    "Role",
    "RunRequest",
    "SchedulePreview",
    "SchedulerType",
    "TaskConfig",
    "TaskConfigCreate",
    "TaskConfigPatch",
    "TokenPair",
    "Trigger",
    "User",
    "UserCreate",
    "UserPatch",
]

SchedulerType = Literal["cron", "interval", "date", "manual"]
ConfigStatus = Literal["active", "inactive", "paused", "error"]
Trigger = Literal["schedule", "manual", "backfill", "retry", "external"]
ExecutionStatus = Literal[
    "pending", "queued", "running", "retrying", "success", "failed", "timeout", "cancelled", "lost", "skipped"
]
Overlap = Literal["allow_all", "skip", "buffer_one", "buffer_all", "cancel_other"]
Role = Literal["admin", "operator", "viewer"]


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must hold no control and no invisible characters")
    return text


Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_printable)
]
Email = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")]
NewPassword = Annotated[str, StringConstraints(max_length=1000)]
Text = Annotated[str, StringConstraints(max_length=10_000, pattern=r"^[^\x00]*$")]
QueueName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), AfterValidator(_printable)]
Parameters = dict[str, Any]
JitterSeconds = Annotated[int, Field(ge=0, le=86_400)]
TimeoutSeconds = Annotated[float, Field(gt=0, le=604_800)]
RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)


def _rfc3339(given: Any) -> Any:
    """Pydantic would take a number for Unix seconds; an instant is text, or a datetime that is one already."""
    if isinstance(given, str):
        if RFC3339.fullmatch(given.upper()) is None:
            raise ValueError("must be RFC 3339 with an offset, such as 2030-01-31T09:00:00Z")
        return datetime.fromisoformat(given.upper())
    return given


def _within_reach(instant: datetime) -> datetime:
    if not 1970 <= instant.year <= 9997:
        raise ValueError("must lie in the years 1970 to 9997")
    return instant


# As in a schedule: at the ends of the calendar zones lead out of it, and asyncpg takes the very ends for infinity.
Instant = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_within_reach), Strict()]


class Request(BaseModel):
    """Base of everything that comes in."""

    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    """Base of everything that goes out."""

    model_config = ConfigDict(frozen=True)


class Login(Request):
    """Credentials of a person."""

    username: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=1000), Field(repr=False)]
    remember_me: bool = False


class Refresh(Request):
    """A refresh token, to be changed for a new pair."""

    refresh_token: Annotated[str, StringConstraints(min_length=1, max_length=500), Field(repr=False)]


class TokenPair(Answer):
    """What a login or a refresh gives; `expires_at` is the access token's."""

    access_token: Annotated[str, Field(repr=False)]
    refresh_token: Annotated[str, Field(repr=False)]
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of a scheme (RFC 6750)
    expires_at: datetime


class User(Answer):
    """A user, without anything secret."""

    id: int
    username: str
    email: str | None
    full_name: str | None
    role: Role
    is_active: bool
    created_at: datetime
    updated_at: datetime


class _Account(Request):
    """The fields of a user that may be left out."""

    email: Email | None = None
    full_name: Name | None = None
    role: Role = "viewer"
    is_active: bool = True


class UserCreate(_Account):
    """A new user."""

    username: Name
    password: Annotated[NewPassword, Field(repr=False)]


class UserPatch(Request):
    """An edit of a user: the fields that are given change. A role, a password or a disabling end all its sessions."""

    username: Name | None = None
    email: Email | None = None
    full_name: Name | None = None
    role: Role | None = None
    is_active: bool | None = None
    password: Annotated[NewPassword | None, Field(repr=False)] = None

    @field_validator("username", "role", "is_active", "password", mode="before")
    @classmethod
    def _only_what_may_be_missing_can_be_emptied(cls, given: Any) -> Any:
        if given is None:
            raise ValueError("cannot be null; leave the field out to keep it")
        return given


class PasswordChange(Request):
    """One's own password, and what it is to be."""

    current_password: Annotated[str, StringConstraints(min_length=1, max_length=1000), Field(repr=False)]
    new_password: Annotated[NewPassword, Field(repr=False)]


class ApiKeyCreate(Request):
    """A new API key; without `expires_at` it is good until it is deleted."""

    name: Name
    role: Role = "viewer"
    expires_at: Instant | None = None


class ApiKey(Answer):
    """An API key. `prefix` are its first characters; `last_used_at` is up to five minutes late."""

    id: int
    name: str
    prefix: str
    role: Role
    expires_at: datetime | None
    created_by: int | None
    created_at: datetime
    last_used_at: datetime | None


class NewApiKey(ApiKey):
    """A key that was just made: the one answer that holds its text, `key`."""

    key: Annotated[str, Field(repr=False)]


class AuditEntry(Answer):
    """A change: who made it, from which address, and the fields that differ. Secrets are masked."""

    id: int
    at: datetime
    actor_kind: Literal["user", "api_key", "system"]
    actor_id: int | None
    actor_name: str
    action: str
    target_kind: str
    target_id: str
    target_name: str | None
    address: str | None
    request_id: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class _Policies(Request):
    """The fields of a config that have a default; units are seconds."""

    description: Text = ""
    parameters: Parameters = Field(default_factory=dict)
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    timeout_seconds: TimeoutSeconds = 300.0
    max_retries: Annotated[int, Field(ge=0, le=100)] = 0
    retry_backoff_seconds: Annotated[float, Field(ge=0, le=3600)] = 10.0
    overlap: Overlap = "skip"
    catchup: Literal["skip", "latest", "all"] = "latest"
    catchup_window_seconds: Annotated[int, Field(ge=0, le=31_536_000)] = 3600
    max_catchup_runs: Annotated[int, Field(ge=0, le=1000)] = 100
    jitter_seconds: JitterSeconds = 0
    start_at: Instant | None = None
    end_at: Instant | None = None
    tags: Annotated[list[Tag], Field(max_length=50)] = Field(default_factory=list)


class TaskConfigCreate(_Policies):
    """A new task config. `queue` defaults to the task type's own."""

    name: Name
    task_type: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    scheduler_type: SchedulerType
    schedule_config: dict[str, Any] = Field(default_factory=dict)
    status: Literal["active", "inactive"] = "active"
    queue: QueueName | None = None


class TaskConfigPatch(Request):
    """An edit: the fields that are given change, the others stay. Status changes by the actions."""

    name: Name | None = None
    description: Text | None = None
    task_type: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    parameters: Parameters | None = None
    scheduler_type: SchedulerType | None = None
    schedule_config: dict[str, Any] | None = None
    queue: QueueName | None = None
    priority: Annotated[int, Field(ge=0, le=9)] | None = None
    timeout_seconds: TimeoutSeconds | None = None
    max_retries: Annotated[int, Field(ge=0, le=100)] | None = None
    retry_backoff_seconds: Annotated[float, Field(ge=0, le=3600)] | None = None
    overlap: Overlap | None = None
    catchup: Literal["skip", "latest", "all"] | None = None
    catchup_window_seconds: Annotated[int, Field(ge=0, le=31_536_000)] | None = None
    max_catchup_runs: Annotated[int, Field(ge=0, le=1000)] | None = None
    jitter_seconds: JitterSeconds | None = None
    start_at: Instant | None = None
    end_at: Instant | None = None
    tags: Annotated[list[Tag], Field(max_length=50)] | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _only_dates_can_be_emptied(cls, given: Any, info: ValidationInfo) -> Any:
        if given is None and info.field_name not in ("start_at", "end_at"):
            raise ValueError("cannot be null; leave the field out to keep it")
        return given


class LastExecution(Answer):
    """The newest execution of a config."""

    task_id: UUID
    status: ExecutionStatus
    reason: str | None
    tick_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None


class TaskConfig(Answer):
    """A task config as the API shows it. `next_run_at` is the due index's; null where nothing is scheduled."""

    id: int
    name: str
    description: str
    task_type: str
    parameters: Parameters
    scheduler_type: SchedulerType
    schedule_config: dict[str, Any]
    status: ConfigStatus
    queue: str
    priority: int
    timeout_seconds: float
    max_retries: int
    retry_backoff_seconds: float
    overlap: Overlap
    catchup: Literal["skip", "latest", "all"]
    catchup_window_seconds: int
    max_catchup_runs: int
    jitter_seconds: int
    start_at: datetime | None
    end_at: datetime | None
    tags: list[str]
    paused_reason: str | None
    paused_until: datetime | None
    version: int
    created_by: int | None
    created_at: datetime
    updated_at: datetime
    next_run_at: datetime | None = None
    last_execution: LastExecution | None = None

    @classmethod
    def of(cls, row: Row, *, next_run_at: datetime | None, last: Mapping[str, Any] | None) -> Self:
        """The config that a row describes, with what Redis and the ledger add to it."""
        known = {name: row[name] for name in cls.model_fields if name not in ("next_run_at", "last_execution")}
        return cls(**known, next_run_at=next_run_at, last_execution=LastExecution(**last) if last else None)


class PauseRequest(Request):
    """Why a config is paused, and until when; without `until` it waits for a resume."""

    reason: Text | None = None
    until: Instant | None = None


class RunRequest(Request):
    """A run by hand; parameters replace the config's for this run."""

    parameters: Parameters | None = None


class SchedulePreview(Request):
    """A schedule to look at before it is saved, with what a config says beside it.

    `config_id` names the config that is to have it: its id decides by how much jitter puts each tick off, and an
    interval without an anchor keeps the config's. `timeout_seconds` is looked at where it is given.
    """

    scheduler_type: SchedulerType
    schedule_config: dict[str, Any] = Field(default_factory=dict)
    start_at: Instant | None = None
    end_at: Instant | None = None
    jitter_seconds: JitterSeconds = 0
    timeout_seconds: TimeoutSeconds | None = None
    config_id: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    count: Annotated[int, Field(ge=1, le=100)] = 10


class Action(Answer):
    """What an action on a config did."""

    success: bool = True
    message: str
    action: Literal["start", "stop", "pause", "resume", "reload"]
    config_id: int
    status: ConfigStatus


class AttemptRecord(Answer):
    """One try of an execution. `status` is what it ended as, or `running`."""

    attempt: int
    status: str
    reason: str | None = None
    error: str | None = None
    worker: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None


class Execution(Answer):
    """One row of the ledger. A stretch of skipped ticks has `tick_until` and a `tick_count` above 1.

    `buffered`: it waits for the other executions of its config to end.
    """

    task_id: UUID
    config_id: int | None
    task_type: str
    trigger: Trigger
    tick_at: datetime | None
    tick_until: datetime | None
    tick_count: int
    status: ExecutionStatus
    reason: str | None
    attempt: int
    attempts: list[AttemptRecord]
    buffered: bool
    queue: str
    worker: str | None
    created_at: datetime
    queued_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    deadline_at: datetime | None
    cancel_requested_at: datetime | None
    duration_seconds: float | None
    lateness_seconds: float | None
    result: Any
    error: str | None

    @classmethod
    def of(cls, row: Row) -> Self:
        """The execution that a row describes."""
        derived = {"task_id", "attempts", "duration_seconds", "lateness_seconds"}
        return cls(
            **{name: row[name] for name in cls.model_fields if name not in derived},
            task_id=row["id"],
            attempts=_attempts(row),
            duration_seconds=_seconds(row["started_at"], row["completed_at"]),
            lateness_seconds=_seconds(row["tick_at"], row["started_at"]),
        )


def _attempts(row: Row) -> list[AttemptRecord]:
    records = [AttemptRecord(**earlier) for earlier in row["earlier_attempts"]]
    if row["started_at"] is not None:
        names = ("attempt", "status", "reason", "error", "worker", "started_at", "completed_at")
        records.append(AttemptRecord(**{name: row[name] for name in names}))
    return records


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return (end - start).total_seconds() if start is not None and end is not None else None
