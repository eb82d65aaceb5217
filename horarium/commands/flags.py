"""Flags that several commands share, as data, and the decorator that gives them to a command.

Typer reads a command's flags off its signature. One with every field of a config would have thirty parameters, twice:
so the decorator writes the signature, and the command gets what was given as one dict.
"""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from horarium.commands import arguments
from horarium.commands.completion import config_names
from horarium.model import ConfigStatus, ExecutionStatus, SchedulerType, TaskConfigCreate, Trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["BACKFILL_FLAGS", "CONFIG_FILTERS", "CONFIG_FLAGS", "EXECUTION_FILTERS", "PARAMETER_FLAGS", "with_flags"]


def _text(*names: str, help: str, panel: str, metavar: str = "TEXT") -> Any:  # noqa: A002 - typer's word
    return Annotated[str | None, typer.Option(*names, help=help, metavar=metavar, rich_help_panel=panel)]


def _number(name: str, *, help: str, panel: str) -> Any:  # noqa: A002 - typer's word
    return Annotated[int | None, typer.Option(name, help=help, metavar="NUMBER", rich_help_panel=panel)]


def _read(name: str, reader: Callable[[str], Any], metavar: str, *, help: str, panel: str) -> Any:  # noqa: A002 - as above
    return Annotated[Any, typer.Option(name, parser=reader, help=help, metavar=metavar, rich_help_panel=panel)]


def _one_of(field: str) -> str:
    return ", ".join(get_args(TaskConfigCreate.model_fields[field].annotation))


WHEN = "When it runs (one of --cron, --every, --at, --manual)"
WHAT = "What it runs"
HOW = "How it runs"

PARAMETER_FLAGS: dict[str, Any] = {
    "param": Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            metavar="KEY=VALUE",
            help="One parameter; JSON where the value can be read as such, else text. May be given again.",
            rich_help_panel=WHAT,
        ),
    ],
    "params_json": _read(
        "--params-json", arguments.parameters, "OBJECT", help="All parameters, as a JSON object.", panel=WHAT
    ),
}

CONFIG_FLAGS: dict[str, Any] = {
    "cron": _text("--cron", metavar="EXPRESSION", help="5 fields, or 6 with seconds first.", panel=WHEN),
    "tz": _text(
        "--tz", metavar="ZONE", help="Zone of --cron or --at, such as Europe/Paris (default: UTC).", panel=WHEN
    ),
    "every": _read("--every", arguments.every, "DURATION", help="Such as 30s, 5m or 1d2h30m.", panel=WHEN),
    "anchor": _read(
        "--anchor", arguments.instant, "INSTANT", help="Where --every counts from (default: now).", panel=WHEN
    ),
    "at": _text("--at", metavar="INSTANT", help="Once, such as 2030-01-31T09:00:00Z.", panel=WHEN),
    "manual": Annotated[bool | None, typer.Option("--manual", help="Only by hand.", rich_help_panel=WHEN)],
    "start_at": _text("--start-at", metavar="INSTANT", help="No tick before it; `none` takes it away.", panel=WHEN),
    "end_at": _text("--end-at", metavar="INSTANT", help="No tick after it; `none` takes it away.", panel=WHEN),
    "jitter_seconds": _read(
        "--jitter", arguments.whole, "DURATION", help="Puts each tick off by up to this.", panel=WHEN
    ),
    "task_type": _text("--type", help="Task type, such as http_request.", panel=WHAT),
    **PARAMETER_FLAGS,
    "description": _text("--description", help="What it is for.", panel=WHAT),
    "tag": Annotated[
        list[str] | None,
        typer.Option(
            "--tag", help="A tag; may be given again. They replace those it has; '' for none.", rich_help_panel=WHAT
        ),
    ],
    "queue": _text("--queue", help="Queue that its messages go to.", panel=HOW),
    "priority": _number("--priority", help="0 to 9, 9 first.", panel=HOW),
    "timeout_seconds": _read(
        "--timeout", arguments.duration, "DURATION", help="How long an attempt may take.", panel=HOW
    ),
    "max_retries": _number("--retries", help="How often a failed one is tried again.", panel=HOW),
    "retry_backoff_seconds": _read(
        "--retry-backoff", arguments.duration, "DURATION", help="Before the first retry.", panel=HOW
    ),
    "overlap": _text("--overlap", help=f"While an earlier one runs: {_one_of('overlap')}.", panel=HOW),
    "catchup": _text("--catchup", help=f"Of ticks missed while nothing ran: {_one_of('catchup')}.", panel=HOW),
    "catchup_window_seconds": _read(
        "--catchup-window", arguments.whole, "DURATION", help="How late a tick may still run.", panel=HOW
    ),
    "max_catchup_runs": _number("--max-catchup-runs", help="How many ticks are caught up at once.", panel=HOW),
}


BACKFILL_FLAGS: dict[str, Any] = {
    "overlap": _text("--overlap", help=f"In place of the config's own: {_one_of('overlap')}.", panel=HOW),
    "dry_run": Annotated[bool | None, typer.Option("--dry-run", help="Say how many it would make, and make none.")],
    "yes": Annotated[bool | None, typer.Option("--yes", help="Do not ask, however many they are.")],
}

FILTER = "Which"

CONFIG_FILTERS: dict[str, Any] = {
    "status": _text("--status", help=f"In this state: {', '.join(get_args(ConfigStatus))}.", panel=FILTER),
    "tag": _text("--tag", help="With this tag.", panel=FILTER),
    "task_type": _text("--type", help="Of this task type.", panel=FILTER),
    "scheduler_type": _text("--schedule", help=f"Of this kind: {', '.join(get_args(SchedulerType))}.", panel=FILTER),
    "q": _text("--q", help="With this text in name or description.", panel=FILTER),
    "sort": _text("--sort", help="By id, name or created_at; -name turns it round.", panel=FILTER),
}

EXECUTION_FILTERS: dict[str, Any] = {
    "config": Annotated[
        str | None,
        typer.Option(
            "--config", help="Of this config, by its id or name.", autocompletion=config_names, rich_help_panel=FILTER
        ),
    ],
    "status": _text("--status", help=f"In this state: {', '.join(get_args(ExecutionStatus))}.", panel=FILTER),
    "trigger": _text("--trigger", help=f"Made by: {', '.join(get_args(Trigger))}.", panel=FILTER),
    "worker": _text("--worker", help="Run by this worker.", panel=FILTER),
    "since": _read(
        "--since", arguments.past, "INSTANT", help="With a tick since then, or since so long: 2h.", panel=FILTER
    ),
    "until": _read("--until", arguments.past, "INSTANT", help="With a tick until then, or so long ago.", panel=FILTER),
}


def with_flags(flags: Mapping[str, Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command these flags; its parameter `given` gets those that were used."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def called(**values: Any) -> None:
            given = {name: values.pop(name) for name in flags}
            command(**values, given={name: value for name, value in given.items() if _was_given(value)})

        own = [each for name, each in inspect.signature(command, eval_str=True).parameters.items() if name != "given"]
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        more = [inspect.Parameter(name, kind, default=None, annotation=flag) for name, flag in flags.items()]
        required = [each for each in own if each.default is inspect.Parameter.empty]
        rest = [each for each in own if each not in required]
        called.__signature__ = inspect.Signature([*required, *more, *rest])  # type: ignore[attr-defined]  # PEP 362
        called.__annotations__ = {}
        return called

    return decorate


def _was_given(value: object) -> bool:
    return value is not None and value != []
