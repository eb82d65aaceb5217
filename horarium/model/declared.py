"""Many task configs declared at once, what that changes, and what may surprise about a config that is kept."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field

from horarium.model.fields import Answer, Name, Request
from horarium.model.task_configs import TaskConfig, TaskConfigCreate
from horarium.schedule import SurpriseCode

__all__ = [
    "AppliedWarning",
    "ApplyRequest",
    "ConfigChange",
    "ConfigWarning",
    "ConfigsApplied",
    "FieldChange",
    "SavedConfig",
    "WarningCode",
]

WarningCode = SurpriseCode | Literal["timeout_beyond_broker", "queue_not_read", "not_looked_at"]
"""Everything that is warned of; nothing of it is refused."""

MOST_CONFIGS = 20_000


class ApplyRequest(Request):
    """Configs as they are to be, by name; what is left out of one has its default.

    `prune` removes the configs that are not named here: of those that `source` has declared, or without a source of
    those that none has. `dry_run` says what would change, and changes nothing.
    """

    configs: Annotated[list[TaskConfigCreate], Field(max_length=MOST_CONFIGS)]
    prune: bool = False
    dry_run: bool = False
    source: Name | None = None


class FieldChange(Answer):
    """A field as it was and as it is."""

    before: Any
    after: Any


class ConfigChange(Answer):
    """What was done to a config; an update names the fields that changed."""

    name: str
    action: Literal["create", "update", "delete"]
    fields: dict[str, FieldChange] = Field(default_factory=dict)


class ConfigWarning(Answer):
    """What may surprise about a config; `loc` is the field to look at."""

    loc: list[str | int]
    msg: str
    code: WarningCode


class AppliedWarning(ConfigWarning):
    """The same of one of many: `loc` begins with its place in the request."""

    name: str | None = None


class SavedConfig(TaskConfig):
    """A config that was made or edited, with what may surprise about it."""

    warnings: list[ConfigWarning]

    @classmethod
    def with_warnings(cls, config: TaskConfig, warnings: list[ConfigWarning]) -> Self:
        """The config as it is answered to whoever changed it."""
        return cls(**config.model_dump(), warnings=warnings)


class ConfigsApplied(Answer):
    """What a declaration has changed, or would have: names in the order of the request, those deleted by id."""

    dry_run: bool
    created: list[str]
    updated: list[str]
    deleted: list[str]
    unchanged: list[str]
    changes: list[ConfigChange]
    warnings: list[AppliedWarning]
