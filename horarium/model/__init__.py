"""What travels in and out of the API, as pydantic models: the contract's field names, units and defaults.

Requests forbid what they do not know, so a misspelt field is an error and not a silence. Answers are built from rows
of Postgres by `of(row)`. A schedule is checked by `horarium.schedule`, parameters by the task type's signature; both
happen when a config is saved, and both name the field at fault.

A model is imported when it is first asked for: making them all costs a command of the command line, which needs two, a
tenth of a second.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from horarium.model.executions import (
        ConfigOutcomes,
        Execution,
        ExecutionDetail,
        ExecutionLog,
        ExecutionStatus,
        Reason,
        RelatedExecution,
        Trigger,
    )
    from horarium.model.fields import Answer, Instant, Request
    from horarium.model.figures import CalendarDay, ConfigCalendar, ConfigDurations, RunDuration
    from horarium.model.identity import (
        ApiKey,
        ApiKeyCreate,
        AuditEntry,
        Login,
        NewApiKey,
        PasswordChange,
        Refresh,
        User,
        UserCreate,
        UserPatch,
    )
    from horarium.model.limits import Limit, LimitPut
    from horarium.model.logins import Role, TokenPair
    from horarium.model.notifications import (
        Notification,
        NotificationRule,
        NotificationRuleCreate,
        NotificationRulePatch,
        NotificationStatus,
        NotificationTest,
        RotateRequest,
        SignedNotificationRule,
    )
    from horarium.model.overview import (
        FailedExecution,
        InFlight,
        InFlightExecution,
        Lane,
        Mark,
        OverviewAnswer,
        OverviewBin,
    )
    from horarium.model.task_configs import (
        Action,
        ConfigName,
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
    "CalendarDay",
    "ConfigCalendar",
    "ConfigChange",
    "ConfigDurations",
    "ConfigName",
    "ConfigOutcomes",
    "ConfigStatus",
    "ConfigWarning",
    "ConfigsApplied",
    "Execution",
    "ExecutionDetail",
    "ExecutionLog",
    "ExecutionStatus",
    "FailedExecution",
    "FieldChange",
    "InFlight",
    "InFlightExecution",
    "Instant",
    "Lane",
    "LastExecution",
    "Limit",
    "LimitPut",
    "Login",
    "Mark",
    "NewApiKey",
    "Notification",
    "NotificationRule",
    "NotificationRuleCreate",
    "NotificationRulePatch",
    "NotificationStatus",
    "NotificationTest",
    "OverviewAnswer",
    "OverviewBin",
    "PasswordChange",
    "PauseRequest",
    "Reason",
    "Refresh",
    "RelatedExecution",
    "Request",
    "Role",
    "RotateRequest",
    "RunDuration",
    "RunRequest",
    "SavedConfig",
    "SchedulePreview",
    "SchedulerType",
    "SignedNotificationRule",
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

MODULES = {
    "backfills": (
        "Backfill",
        "BackfillRequest",
    ),
    "declared": (
        "AppliedWarning",
        "ApplyRequest",
        "ConfigChange",
        "ConfigWarning",
        "ConfigsApplied",
        "FieldChange",
        "SavedConfig",
        "WarningCode",
    ),
    "executions": (
        "ConfigOutcomes",
        "Execution",
        "ExecutionDetail",
        "ExecutionLog",
        "ExecutionStatus",
        "Reason",
        "RelatedExecution",
        "Trigger",
    ),
    "fields": (
        "Answer",
        "Instant",
        "Request",
    ),
    "figures": (
        "CalendarDay",
        "ConfigCalendar",
        "ConfigDurations",
        "RunDuration",
    ),
    "identity": (
        "ApiKey",
        "ApiKeyCreate",
        "AuditEntry",
        "Login",
        "NewApiKey",
        "PasswordChange",
        "Refresh",
        "User",
        "UserCreate",
        "UserPatch",
    ),
    "limits": (
        "Limit",
        "LimitPut",
    ),
    "logins": ("Role", "TokenPair"),
    "notifications": (
        "Notification",
        "NotificationRule",
        "NotificationRuleCreate",
        "NotificationRulePatch",
        "NotificationStatus",
        "NotificationTest",
        "RotateRequest",
        "SignedNotificationRule",
    ),
    "overview": (
        "FailedExecution",
        "InFlight",
        "InFlightExecution",
        "Lane",
        "Mark",
        "OverviewAnswer",
        "OverviewBin",
    ),
    "task_configs": (
        "Action",
        "ConfigName",
        "ConfigStatus",
        "LastExecution",
        "PauseRequest",
        "RunRequest",
        "SchedulePreview",
        "SchedulerType",
        "TaskConfig",
        "TaskConfigCreate",
        "TaskConfigPatch",
    ),
}
"""Where each is at home."""
HOMES = {name: module for module, names in MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
