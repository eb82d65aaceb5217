"""Task configs: keep them, act on them, run them, look at them."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads annotations at run time
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID  # noqa: TC003 - as above

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from horarium.advice import Saved
from horarium.errors import FieldError, InvalidInput
from horarium.firing import fires_next
from horarium.http.executions import ExecutionQuery, list_page
from horarium.http.paging import ConfigIds, Page, PageQuery, cut, read_cursor, write_cursor
from horarium.http.routing import IDEMPOTENCY_KEY, IF_MATCH, Empty, Reply, Route
from horarium.model import (
    Action,
    Backfill,
    BackfillRequest,
    ConfigName,
    ConfigStatus,
    Execution,
    Instant,
    PauseRequest,
    RunRequest,
    SavedConfig,
    SchedulerType,
    TaskConfig,
    TaskConfigCreate,
    TaskConfigPatch,
)
from horarium.sql.task_configs import ConfigFilter, ConfigPage

if TYPE_CHECKING:
    import asyncpg

    from horarium.http.routing import Call

__all__ = ["ROUTES"]

BASE = "/api/v1/task-configs"
ONE = BASE + r"/{config_id:[0-9]{1,18}}"
INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


class ConfigsQuery(PageQuery):
    """Filters and order of a list of configs; `q` looks for text in name and description."""

    status: ConfigStatus | None = None
    scheduler_type: SchedulerType | None = None
    task_type: str | None = None
    tag: str | None = None
    q: str | None = None
    sort: Literal["id", "-id", "name", "-name", "created_at", "-created_at"] = "id"


class ConfigQuery(BaseModel):
    """What a config's detail adds."""

    model_config = ConfigDict(extra="forbid")

    verify_scheduler_status: bool = False
    include_stats: bool = False


class NamesQuery(BaseModel):
    """Of which configs."""

    model_config = ConfigDict(extra="forbid")

    config_ids: ConfigIds


class HistoryQuery(BaseModel):
    """How many events."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=100)] = 50


class Stats(BaseModel):
    """A config's figures; durations in seconds, of successful runs; `success_rate` of runs that ended, 0 to 1."""

    total: int
    success: int
    failed: int
    timeout: int
    cancelled: int
    lost: int
    skipped: int
    success_rate: float | None
    avg_duration_seconds: float | None
    p95_duration_seconds: float | None
    last_run_at: datetime | None


class HistoryEvent(BaseModel):
    """Something that happened to the config. What is not named here belongs to its kind of event."""

    model_config = ConfigDict(extra="allow")

    event: str
    timestamp: datetime


class TaskConfigDetail(TaskConfig):
    """A config with what the two flags of its call add."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    scheduler_status: Literal["scheduled", "not_scheduled"] | None = None
    stats: Stats | None = None
    recent_history: list[HistoryEvent] | None = None


class RunAnswer(BaseModel):
    """The execution that was made."""

    task_id: UUID


async def list_configs(call: Call) -> Reply:
    """A page of configs."""
    query: ConfigsQuery = call.query
    wanted = ConfigFilter(query.status, query.scheduler_type, query.task_type, query.tag, query.q)
    found, total = await call.services.views.configs(wanted, _place(query, query.limit + 1))
    configs, last = cut(found, query.limit)
    cursor = None if last is None else write_cursor(query.sort, _sorted_by(query.sort, last), last.id)
    return Reply(Page[TaskConfig](items=[*configs], next_cursor=cursor, total=total))


async def list_names(call: Call) -> Reply:
    """What up to 200 configs are called, those that were deleted as well; of an id that is none, nothing is said."""
    names = await call.services.views.named([int(each) for each in call.query.config_ids.split(",")])
    return Reply(Page[ConfigName](items=names, next_cursor=None, total=len(names)))


async def create_config(call: Call) -> Reply:
    """A new config."""
    row = await call.services.task_configs.create(call.body, by=call.author)
    return await _shown(call, row, Location=f"{BASE}/{row['id']}")


async def get_config(call: Call) -> Reply:
    """One config, with more where the query asks for it."""
    query: ConfigQuery = call.query
    views = call.services.views
    config = await views.config(call.config_id)
    more: dict[str, Any] = {}
    if query.verify_scheduler_status:
        more["scheduler_status"] = "scheduled" if await views.is_scheduled(config.id) else "not_scheduled"
    if query.include_stats:
        more["stats"] = _stats(await views.stats(config.id))
        more["recent_history"] = await views.recent_history(config.id, 10)
    shown = TaskConfigDetail(**config.model_dump(), **more)
    absent = {"scheduler_status", "stats", "recent_history"} - more.keys()
    return Reply(shown.model_dump_json(exclude=absent).encode(), _etag(config.version))


async def edit_config(call: Call) -> Reply:
    """Change the fields that are given."""
    row = await call.services.task_configs.edit(call.config_id, call.body, version=call.if_match, by=call.author)
    return await _shown(call, row)


async def delete_config(call: Call) -> Reply:
    """Take a config away; its executions stay."""
    await call.services.task_configs.delete(call.config_id, version=call.if_match, by=call.author)
    return Reply()


async def start_config(call: Call) -> Reply:
    """Owe ticks from now on."""
    return _done("start", await call.services.task_configs.start(call.config_id, by=call.author))


async def stop_config(call: Call) -> Reply:
    """Owe ticks no more."""
    return _done("stop", await call.services.task_configs.stop(call.config_id, by=call.author))


async def pause_config(call: Call) -> Reply:
    """Skip ticks, and write them down, until resumed."""
    given: PauseRequest = call.body
    row = await call.services.task_configs.pause(call.config_id, reason=given.reason, until=given.until, by=call.author)
    return _done("pause", row)


async def resume_config(call: Call) -> Reply:
    """End a pause."""
    return _done("resume", await call.services.task_configs.resume(call.config_id, by=call.author))


async def reload_config(call: Call) -> Reply:
    """Put the config into the due index anew."""
    return _done("reload", await call.services.task_configs.reload(call.config_id, by=call.author))


async def run_config(call: Call) -> Reply:
    """Run once, now."""
    key, configs = call.idempotency_key, call.services.task_configs
    task_id = await configs.run(call.config_id, call.body, idempotency_key=key, by=call.author)
    return Reply(RunAnswer(task_id=task_id), {"Location": f"/api/v1/executions/{task_id}"})


async def backfill_config(call: Call) -> Reply:
    """Run ticks of the past that did not run."""
    return Reply(await call.services.backfills.make(call.config_id, call.body, by=call.author))


async def list_history(call: Call) -> Reply:
    """The newest events, newest first."""
    events = await call.services.views.history(call.config_id, call.query.limit)
    return Reply(Page[HistoryEvent](items=events, next_cursor=None, total=len(events)))


async def list_config_executions(call: Call) -> Reply:
    """A page of the config's executions."""
    await call.services.views.config(call.config_id)
    return await list_page(call, config_id=call.config_id)


def _place(query: ConfigsQuery, limit: int) -> ConfigPage:
    """What stands behind the cursor; raises InvalidInput for one of another order, or made by hand."""
    after = read_cursor(query.cursor, str, str, int)
    if after is None:
        return ConfigPage(query.sort, limit)
    sort, key, config_id = after
    if sort != query.sort:
        raise InvalidInput(FieldError(("cursor",), f"belongs to a list sorted by {sort}"))
    if not sort.endswith("created_at"):
        return ConfigPage(sort, limit, config_id, after_name=key)
    try:
        return ConfigPage(sort, limit, config_id, after_created_at=INSTANT.validate_python(key))
    except ValidationError:
        raise InvalidInput(FieldError(("cursor",), "is not the next_cursor of this list")) from None


def _sorted_by(sort: str, config: TaskConfig) -> str:
    """What a config is sorted by beside its id, as the cursor has it."""
    return {"name": config.name, "created_at": config.created_at.isoformat()}.get(sort.removeprefix("-"), "")


async def _shown(call: Call, row: asyncpg.Record, **headers: str) -> Reply:
    """What was written, as its transaction saw it: nothing that is away by now makes a failure of it."""
    config = TaskConfig.of(row, next_run_at=fires_next(row), last=row["last_execution"])
    (warnings,) = await call.services.advisor.of(Saved(row, row["id"]))
    return Reply(SavedConfig.with_warnings(config, warnings), headers | _etag(row["version"]))


def _etag(version: int) -> dict[str, str]:
    return {"ETag": f'"{version}"'}


def _done(action: Literal["start", "stop", "pause", "resume", "reload"], row: asyncpg.Record) -> Reply:
    message = f"{row['name']} is {row['status']}"
    return Reply(Action(message=message, action=action, config_id=row["id"], status=row["status"]))


def _stats(row: asyncpg.Record) -> Stats:
    ended = sum(row[name] for name in ("success", "failed", "timeout", "cancelled", "lost"))
    return Stats(**dict(row), success_rate=row["success"] / ended if ended else None)


def _action(
    name: str, handler: Any, summary: str, body: type[BaseModel] = Empty, *, may_conflict: bool = True
) -> Route:
    return Route(
        "POST", f"{ONE}/{name}", handler, summary, "operator", Action, body=body, body_required=False,
        conflict="The config's status does not allow it" if may_conflict else None,
    )  # fmt: skip


ROUTES = (
    Route("GET", BASE, list_configs, "A page of configs", "viewer", Page[TaskConfig], query=ConfigsQuery),
    Route(
        "POST", BASE, create_config, "A new config", "operator", SavedConfig, status=201, body=TaskConfigCreate,
        gives=("ETag", "Location"), conflict="Another config has the name",
    ),
    Route(
        "GET", f"{BASE}/names", list_names, "What configs are called", "viewer", Page[ConfigName], query=NamesQuery,
    ),
    Route(
        "GET", ONE, get_config, "One config", "viewer", TaskConfigDetail, query=ConfigQuery, gives=("ETag",),
    ),
    Route(
        "PATCH", ONE, edit_config, "Change a config", "operator", SavedConfig, body=TaskConfigPatch,
        reads=(IF_MATCH,), gives=("ETag",), conflict="The config has another version, or another config has the name",
    ),
    Route(
        "DELETE", ONE, delete_config, "Take a config away", "operator", status=204,
        reads=(IF_MATCH,), conflict="The config has another version",
    ),
    _action("start", start_config, "Owe ticks from now on"),
    _action("stop", stop_config, "Owe ticks no more"),
    _action("pause", pause_config, "Skip ticks until resumed", PauseRequest),
    _action("resume", resume_config, "End a pause"),
    _action("reload", reload_config, "Put the config into the due index anew", may_conflict=False),
    Route(
        "POST", f"{ONE}/run", run_config, "Run once, now", "operator", RunAnswer, status=202,
        body=RunRequest, body_required=False, reads=(IDEMPOTENCY_KEY,), gives=("Location",),
        conflict="The Idempotency-Key was used before, with other parameters, or the task type is no more what it was",
    ),
    Route(
        "POST", f"{ONE}/backfill", backfill_config, "Run ticks of the past that did not run", "operator", Backfill,
        dry_role="viewer", status=202, body=BackfillRequest,
    ),
    Route("GET", f"{ONE}/history", list_history, "Recent events", "viewer", Page[HistoryEvent], query=HistoryQuery),
    Route(
        "GET", f"{ONE}/executions", list_config_executions, "A page of the config's executions", "viewer",
        Page[Execution], query=ExecutionQuery,
    ),
)  # fmt: skip
