"""What travels in and out of the API, as pydantic models: the contract's field names, units and defaults.

Requests forbid what they do not know, so a misspelt field is an error and not a silence. Answers are built from rows
of Postgres by `of(row)`. A schedule is checked by `horarium.schedule`, parameters by the task type's signature; both
happen when a config is saved, and both name the field at fault.
"""

from __future__ import annotations

from horarium.model.backfills import Backfill, BackfillRequest
from horarium.model.declared import (
    AppliedWarning,
    ApplyRequest,
    ConfigChange,
    ConfigsApplied,
    ConfigWarning,
    FieldChange,
    SavedConfig,
    WarningCode,
)
from horarium.model.executions import Execution, ExecutionStatus, Trigger
from horarium.model.fields import Answer, Instant, Request
from horarium.model.identity import (
    ApiKey,
    ApiKeyCreate,
    AuditEntry,
    Login,
    NewApiKey,
    PasswordChange,
    Refresh,
    Role,
    TokenPair,
    User,
    UserCreate,
    UserPatch,
)
from horarium.model.limits import Limit, LimitPut
from horarium.model.task_configs import (
    Action,
    ConfigStatus,
    LastExecution,
    PauseRequest,
    RunRequest,
    SchedulePreview,
    SchedulerType,
    TaskConfig,
    TaskConfigCreate,
    TaskConfigPatch,
)

__all__ = [
    "Action",
    "Answer",
    "ApiKey",
    "ApiKeyCreate",
    "AppliedWarning",
    "ApplyRequest",
    "AuditEntry",
    "Backfill",
    "BackfillRequest",
    "ConfigChange",
    "ConfigStatus",
    "ConfigWarning",
    "ConfigsApplied",
    "Execution",
    "ExecutionStatus",
    "FieldChange",
    "Instant",
    "LastExecution",
    "Limit",
    "LimitPut",
    "Login",
    "NewApiKey",
    "PasswordChange",
    "PauseRequest",
    "Refresh",
    "Request",
    "Role",
    "RunRequest",
    "SavedConfig",
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
    "WarningCode",
]
