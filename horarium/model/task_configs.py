"""Task configs: what creates and edits one, how one is shown, and what can be done to it."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotations when the models are made
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self
from uuid import UUID  # noqa: TC003 - as above

from pydantic import ConfigDict, Field, StringConstraints

from horarium.model.executions import ExecutionStatus  # noqa: TC001 - as above
from horarium.model.fields import (
    Answer,
    Instant,
    JitterSeconds,
    Name,
    Parameters,
    Patch,
    QueueName,
    Request,
    ScheduleConfig,
    Tag,
    Text,
    TimeoutSeconds,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from horarium.sql.queries import Row

__all__ = [
    "Action",
    "Catchup",
    "ConfigName",
    "ConfigStatus",
    "LastExecution",
    "Overlap",
    "PauseRequest",
    "RunRequest",
    "SchedulePreview",
    "SchedulerType",
    "TaskConfig",
    "TaskConfigCreate",
    "TaskConfigPatch",
]

SchedulerType = Literal["cron", "interval", "date", "manual"]
ConfigStatus = Literal["active", "inactive", "paused", "error"]
Catchup = Literal["skip", "latest", "all"]
Overlap = Literal["allow_all", "skip", "buffer_one", "buffer_all", "cancel_other"]


class _Policies(Request):
    """The fields of a config that have a default; units are seconds."""

    description: Text = ""
    parameters: Parameters = Field(default_factory=dict)
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    timeout_seconds: TimeoutSeconds = 300.0
    max_retries: Annotated[int, Field(ge=0, le=100)] = 0
    retry_backoff_seconds: Annotated[float, Field(ge=0, le=3600)] = 10.0
    overlap: Overlap = "skip"
    catchup: Catchup = "latest"
    catchup_window_seconds: Annotated[int, Field(ge=0, le=31_536_000)] = 3600
    max_catchup_runs: Annotated[int, Field(ge=0, le=1000)] = 100
    jitter_seconds: JitterSeconds = 0
    start_at: Instant | None = None
    end_at: Instant | None = None
    tags: Annotated[list[Tag], Field(max_length=50)] = Field(default_factory=list)


class TaskConfigCreate(_Policies):
    """A new task config. `queue` defaults to the task type's own."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "warm the cache",
                    "task_type": "http_request",
                    "parameters": {"method": "POST", "url": "https://cache.example/warm"},
                    "scheduler_type": "cron",
                    "schedule_config": {"cron_expression": "*/5 9-17 * * 1-5", "timezone": "Europe/Paris"},
                    "timeout_seconds": 60,
                    "max_retries": 2,
                    "tags": ["cache"],
                },
                {
                    "name": "say hello",
                    "task_type": "echo",
                    "parameters": {"message": "hello"},
                    "scheduler_type": "interval",
                    "schedule_config": {"minutes": 10},
                },
            ]
        }
    )

    name: Name
    task_type: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    scheduler_type: SchedulerType
    schedule_config: ScheduleConfig = Field(default_factory=dict)
    status: Literal["active", "inactive"] = "active"
    queue: QueueName | None = None


class TaskConfigPatch(Patch):
    """An edit: the fields that are given change, the others stay. Status changes by the actions."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"description": "now with a retry", "max_retries": 1}]})

    name: Name | None = None
    description: Text | None = None
    task_type: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    parameters: Parameters | None = None
    scheduler_type: SchedulerType | None = None
    schedule_config: ScheduleConfig | None = None
    queue: QueueName | None = None
    priority: Annotated[int, Field(ge=0, le=9)] | None = None
    timeout_seconds: TimeoutSeconds | None = None
    max_retries: Annotated[int, Field(ge=0, le=100)] | None = None
    retry_backoff_seconds: Annotated[float, Field(ge=0, le=3600)] | None = None
    overlap: Overlap | None = None
    catchup: Catchup | None = None
    catchup_window_seconds: Annotated[int, Field(ge=0, le=31_536_000)] | None = None
    max_catchup_runs: Annotated[int, Field(ge=0, le=1000)] | None = None
    jitter_seconds: JitterSeconds | None = None
    start_at: Instant | None = None
    end_at: Instant | None = None
    tags: Annotated[list[Tag], Field(max_length=50)] | None = None

    emptied: ClassVar = frozenset({"start_at", "end_at"})
    elsewhere: ClassVar = {
        "status": "is changed by start, stop, pause and resume",
        "version": "is given as If-Match, and counted by Horarium",
    }


class LastExecution(Answer):
    """The newest execution of a config."""

    task_id: UUID
    status: ExecutionStatus
    reason: str | None
    tick_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None


class TaskConfig(Answer):
    """A task config as the API shows it.

    `next_run_at` is the due index's, in the answer to a write what it is about to be; null where nothing is scheduled.
    `source` names what declares it, where `apply` was told so.
    """

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
    catchup: Catchup
    catchup_window_seconds: int
    max_catchup_runs: int
    jitter_seconds: int
    start_at: datetime | None
    end_at: datetime | None
    tags: list[str]
    paused_reason: str | None
    paused_until: datetime | None
    source: str | None
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


class ConfigName(Answer):
    """What a config is called; one that was deleted is still named where its executions are shown."""

    id: int
    name: str
    status: ConfigStatus
    is_deleted: bool


class PauseRequest(Request):
    """Why a config is paused, and until when; without `until` it waits for a resume."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "the warehouse is moving", "until": "2099-01-31T09:00:00Z"}]}
    )

    reason: Text | None = None
    until: Instant | None = None


class RunRequest(Request):
    """A run by hand; parameters replace the config's for this run."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"parameters": {"message": "by hand"}}]})

    parameters: Parameters | None = None


class SchedulePreview(Request):
    """A schedule to look at before it is saved, with what a config says beside it.

    `config_id` names the config that is to have it: its id decides by how much jitter puts each tick off, and an
    interval without an anchor keeps the config's. `timeout_seconds` is looked at where it is given.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "scheduler_type": "cron",
                    "schedule_config": {"cron_expression": "30 2 * * *", "timezone": "Europe/Berlin"},
                    "count": 5,
                }
            ]
        }
    )

    scheduler_type: SchedulerType
    schedule_config: ScheduleConfig = Field(default_factory=dict)
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
