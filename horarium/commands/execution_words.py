"""Executions as people read them: a line in a list, a page of one with its attempts and its traceback."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from horarium.commands.words import age, moment, pairs, plain, seconds, status, text_block
from horarium.terminal import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["HEADINGS", "called", "change_line", "execution_page", "execution_words", "outcome_line"]

HEADINGS = ("TASK ID", "STATUS", "WHEN", "TOOK", "CONFIG", "TRY", "TRIGGER", "REASON")
ATTEMPT_HEADINGS = ("TRY", "ENDED AS", "STARTED", "TOOK", "WORKER", "WHY")


def execution_words(now: datetime) -> Callable[[dict[str, Any]], Sequence[str | Text]]:
    """What a list says of an execution at this instant."""

    def words(execution: dict[str, Any]) -> Sequence[str | Text]:
        return (
            execution["task_id"],
            status(execution["status"]),
            age(execution["tick_at"] or execution["created_at"], now),
            seconds(execution["duration_seconds"]),
            called(execution),
            str(execution["attempt"]),
            execution["trigger"],
            _reason(execution),
        )

    return words


def called(execution: dict[str, Any]) -> str:
    """What its config is called, where that was put beside it; else which config or task type it is of."""
    config_id = execution["config_id"]
    return str(execution.get("config_name") or (execution["task_type"] if config_id is None else f"config {config_id}"))


def change_line(execution: dict[str, Any]) -> Text:
    """What became of an execution just now, on one line."""
    at = execution["completed_at"] or execution["started_at"] or execution["queued_at"] or execution["created_at"]
    took = "" if execution["duration_seconds"] is None else f"  took {seconds(execution['duration_seconds'])}"
    why = _reason(execution) or _last_line(execution["error"])
    return Text.assemble(
        (f"{datetime.fromisoformat(at).astimezone():%H:%M:%S}  ", "dim"),
        execution["task_id"],
        "  ",
        _padded(status(execution["status"])),
        f"  {plain(called(execution))}{took}",
        f"  {why}" if why else "",
    )


def outcome_line(execution: dict[str, Any]) -> str:
    """How an execution that was waited for has ended."""
    took = "" if execution["duration_seconds"] is None else f" after {seconds(execution['duration_seconds'])}"
    attempts = f" in attempt {execution['attempt']}" if execution["attempt"] > 1 else ""
    why = _last_line(execution["error"]) or _reason(execution)
    return f"{execution['status']}{took}{attempts}{f': {why}' if why else ''}"


def execution_page(execution: dict[str, Any], now: datetime) -> list[Text]:
    """All that is known of an execution."""
    head = Text.assemble((execution["task_id"], "bold"), "  ", status(execution["status"]))
    rows: list[tuple[str, str | Text]] = [
        (
            "Config",
            called(execution) + ("" if execution["config_id"] is None else f" ({execution['config_id']})"),
        ),
        ("Task", f"{execution['task_type']}, queue {execution['queue']}"),
        ("Trigger", execution["trigger"]),
        ("Repeats", execution.get("retry_of") or ""),
        ("Tick", _tick(execution)),
        ("Late by", "" if execution["lateness_seconds"] is None else seconds(execution["lateness_seconds"])),
        ("Reason", _reason(execution)),
        ("Created", f"{moment(execution['created_at'])}  {age(execution['created_at'], now)}"),
        ("Started", _or_nothing(execution["started_at"])),
        ("Ended", _ended(execution)),
        ("Deadline", "" if execution["completed_at"] else _or_nothing(execution["deadline_at"])),
        ("Cancelling", _or_nothing(execution["cancel_requested_at"])),
        ("Worker", execution["worker"] or ""),
        ("Progress", _progress(execution)),
        ("Result", "" if execution["result"] is None else plain(execution["result"])),
    ]
    return [head, *pairs(rows), *_attempts(execution["attempts"]), *_error(execution["error"])]


def _padded(text: Text) -> Text:
    text.align("left", len("cancelled"))
    return text


def _reason(execution: dict[str, Any]) -> str:
    count = execution["tick_count"]
    return ", ".join(filter(None, (plain(execution["reason"] or ""), f"{count} ticks" if count > 1 else "")))


def _tick(execution: dict[str, Any]) -> str:
    if execution["tick_at"] is None:
        return ""
    until = "" if execution["tick_until"] is None else f" to {moment(execution['tick_until'])}"
    return f"{moment(execution['tick_at'])}{until}"


def _ended(execution: dict[str, Any]) -> str:
    if execution["completed_at"] is None:
        return ""
    took = execution["duration_seconds"]
    return moment(execution["completed_at"]) + ("" if took is None else f"  took {seconds(took)}")


def _progress(execution: dict[str, Any]) -> str:
    share = execution.get("progress")
    words = plain(execution.get("progress_message") or "")
    return "  ".join(filter(None, ("" if share is None else f"{share:.0%}", words)))


def _or_nothing(instant: str | None) -> str:
    return "" if instant is None else moment(instant)


def _attempts(attempts: list[dict[str, Any]]) -> list[Text]:
    """Every try in a line; one that succeeded at once needs no table."""
    if len(attempts) < 2:
        return []
    rows = [
        (
            str(attempt["attempt"]),
            status(attempt["status"]),
            moment(attempt["started_at"]),
            seconds(_between(attempt["started_at"], attempt["completed_at"])),
            attempt["worker"] or "",
            _last_line(attempt["error"]) or plain(attempt["reason"] or ""),
        )
        for attempt in attempts
    ]
    lines = columns([ATTEMPT_HEADINGS, *rows])
    return [Text(), *(Text("  ", no_wrap=True, overflow="ellipsis").append_text(line) for line in lines)]


def _between(start: str | None, end: str | None) -> float | None:
    if start is None or end is None:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def _error(error: str | None) -> list[Text]:
    return [] if not error else [Text(), Text("  Error", "red"), *text_block(error)]


def _last_line(error: str | None) -> str:
    """What a traceback comes to."""
    lines = (error or "").strip().splitlines()
    return plain(lines[-1]) if lines else ""
