"""Task configs as people read them: a line in a list, a page of one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from horarium.commands.words import age, countdown, moment, outcome, pairs, plain, seconds, status
from horarium.schedule import ScheduleError, describe, parse_schedule
from horarium.terminal import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["CONFIG_HEADINGS", "NEXT_HEADINGS", "config_page", "config_words", "event_words", "next_words", "schedule"]

CONFIG_HEADINGS = ("ID", "NAME", "STATE", "NEXT", "LAST", "SCHEDULE", "TYPE", "TAGS")
NEXT_HEADINGS = ("TICK", "IN", "IN ITS ZONE", "FIRES")
OUTCOMES = ("success", "failed", "timeout", "cancelled", "lost", "skipped")
CRON_PARTS = ("minute", "hour", "day", "month", "day_of_week")
INTERVAL_UNITS = (("days", "d"), ("hours", "h"), ("minutes", "m"), ("seconds", "s"))
WHY = ("error", "reason")
TOLD_ELSEWHERE = ("timestamp", "event", "task_id")


def config_words(now: datetime) -> Callable[[dict[str, Any]], Sequence[str | Text]]:
    """What a list says of a config at this instant."""

    def words(config: dict[str, Any]) -> Sequence[str | Text]:
        return (
            str(config["id"]),
            config["name"],
            status(config["status"]),
            _next(config, now),
            outcome(config["last_execution"], now),
            schedule(config),
            config["task_type"],
            ", ".join(config["tags"]),
        )

    return words


def schedule(config: dict[str, Any]) -> str:
    """When it runs: `*/5 * * * * Europe/Paris`, `every 1h 30m`, `at 2030-...`, `by hand`."""
    given = config["schedule_config"]
    kind = config["scheduler_type"]
    if kind == "cron":
        expression = given.get("cron_expression") or " ".join(str(given.get(part, "*")) for part in CRON_PARTS)
        zone = given.get("timezone", "UTC")
        return plain(expression if zone == "UTC" else f"{expression} {zone}")
    if kind == "interval":
        return "every " + " ".join(f"{given[unit]}{letter}" for unit, letter in INTERVAL_UNITS if given.get(unit))
    return plain(f"at {given.get('run_date')}" if kind == "date" else "by hand")


def _in_words(config: dict[str, Any], now: datetime) -> str:
    """A cron in English; nothing of one that this release cannot read, which a newer server may well have."""
    if config["scheduler_type"] != "cron":
        return ""
    try:
        return plain(describe(parse_schedule("cron", config["schedule_config"], now=now)))
    except ScheduleError:
        return ""


def config_page(config: dict[str, Any], now: datetime) -> list[Text]:
    """All that is known of a config, the most asked for first."""
    head = Text.assemble(
        (plain(config["name"]), "bold"), (f"  config {config['id']}, version {config['version']}", "dim")
    )
    last = config["last_execution"]
    rows: list[tuple[str, str | Text]] = [
        ("State", _state(config)),
        ("Schedule", schedule(config)),
        ("In words", _in_words(config, now)),
        ("Next", _with_moment(_next(config, now), config["next_run_at"])),
        ("Last", outcome(last, now).append("" if last is None else f"  {last['task_id']}")),
        ("Description", config["description"]),
        ("Task", f"{config['task_type']}, queue {config['queue']}, priority {config['priority']}"),
        ("Parameters", plain(config["parameters"])),
        *_policies(config),
        ("Tags", ", ".join(config["tags"])),
        ("Created", f"{moment(config['created_at'])}, changed {age(config['updated_at'], now)}"),
        *_stats(config.get("stats")),
    ]
    return [head, *pairs(rows)]


def next_words(now: datetime) -> Callable[[dict[str, Any]], Sequence[str]]:
    """What is said of a run to come at this instant."""

    def words(run: dict[str, Any]) -> Sequence[str]:
        put_off = run["fires_at"] is not None and run["fires_at"] != run["tick_at"]
        local = str(datetime.fromisoformat(run["local"]))
        return moment(run["tick_at"]), countdown(run["tick_at"], now), local, run["fires_at"] if put_off else ""

    return words


def event_words(events: list[dict[str, Any]], now: datetime) -> list[Text]:
    """Events, newest first, in columns."""
    rows = [
        (
            age(event["timestamp"], now),
            status(event["event"]),
            event.get("task_id") or "",
            ", ".join(f"{name} {plain(event[name])}" for name in _worth_telling(event)),
        )
        for event in events
    ]
    return columns([("WHEN", "EVENT", "TASK ID", "MORE"), *rows])


def _worth_telling(event: dict[str, Any]) -> list[str]:
    """The names of what an event holds besides, why it came to that before all else."""
    told = [name for name, value in event.items() if name not in TOLD_ELSEWHERE and value is not None]
    return sorted(told, key=lambda name: name not in WHY)


def _state(config: dict[str, Any]) -> Text:
    state = status(config["status"])
    if config["paused_until"] is not None:
        state.append(f" until {moment(config['paused_until'])}", "")
    return state.append(f": {plain(config['paused_reason'])}" if config["paused_reason"] else "", "")


def _next(config: dict[str, Any], now: datetime) -> str:
    if config["status"] == "paused" and config["paused_until"] is not None:
        return f"resumes {countdown(config['paused_until'], now)}"
    return countdown(config["next_run_at"] if config["status"] == "active" else None, now)


def _with_moment(words: str, instant: str | None) -> str:
    return words if instant is None else f"{words}  {moment(instant)}"


def _policies(config: dict[str, Any]) -> list[tuple[str, str]]:
    """What happens when something goes wrong or comes too late."""
    retries = f"{config['max_retries']}, the first after {seconds(config['retry_backoff_seconds'])}"
    window = seconds(config["catchup_window_seconds"])
    jitter = config["jitter_seconds"]
    return [
        ("Timeout", seconds(config["timeout_seconds"])),
        ("Retries", retries if config["max_retries"] else "none"),
        ("Overlap", config["overlap"]),
        ("Catch-up", f"{config['catchup']}, within {window}, at most {config['max_catchup_runs']} runs"),
        ("Jitter", f"up to {seconds(jitter)}" if jitter else ""),
        ("From", moment(config["start_at"]) if config["start_at"] else ""),
        ("Until", moment(config["end_at"]) if config["end_at"] else ""),
    ]


def _stats(stats: dict[str, Any] | None) -> list[tuple[str, str]]:
    if stats is None:
        return []
    counts = [f"{stats['total']} in all", *(f"{stats[name]} {name}" for name in OUTCOMES if stats[name])]
    rate, average, slow = stats["success_rate"], stats["avg_duration_seconds"], stats["p95_duration_seconds"]
    return [
        ("Runs", ", ".join(counts)),
        ("Success", "" if rate is None else f"{rate:.1%} of those that ended"),
        ("Took", "" if average is None else f"{seconds(average)} on average, 95% within {seconds(slow)}"),
    ]
