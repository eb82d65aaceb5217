"""What a message says: the body of a webhook, the subject and the text of a mail. Pure.

An error is told in short: the exception and its message, without the frames, masked as in a log (`redact`) and cut;
or, where the rule has it so, no more than the exception's type. Whoever may read the execution finds all of it there,
and the message links to it. The body is made once and kept, so that every try of a message sends the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from horarium.endings import error_in_short, error_kind
from horarium.logs import redact
from horarium.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from horarium.notifying.deciding import Errors, Told
    from horarium.sql.queries import Row

__all__ = ["MOST_ERROR_CHARS", "Mail", "content", "content_of_test", "facts_of", "mail"]

MOST_ERROR_CHARS = 1000
TEST = "notification.test"
CONFIG_ERROR = "config.error"
VERBS = {
    "execution.failed": "failed",
    "execution.timeout": "ran past its timeout",
    "execution.lost": "was lost with its worker",
    "execution.missed": "did not run",
    CONFIG_ERROR: "is in error, and does not run until it is mended and started",
    "execution.recovered": "is well again",
}
LINES = (
    ("Reason", "reason"),
    ("Error", "error"),
    ("Tick", "tick_at"),
    ("Until", "tick_until"),
    ("Ticks", "tick_count"),
    ("Attempt", "attempt"),
    ("Started", "started_at"),
    ("Ended", "completed_at"),
    ("Failing since", "failing_since"),
    ("Worker", "worker"),
    ("Execution", "task_id"),
    ("See", "url"),
)
"""What a mail says of an execution, and where in the message's data it stands."""

LAST = "This rule has sent as many messages within an hour as it may. What follows is kept, and not sent."


@dataclass(frozen=True, slots=True)
class Mail:
    """What a message says as a mail."""

    subject: str
    text: str


def facts_of(row: Row, details: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What there is to say of an execution, or by `details` of what has none."""
    started, completed = row["started_at"], row["completed_at"]
    facts = {
        "task_id": None if row["id"] is None else str(row["id"]),
        "task_type": row["task_type"],
        "trigger": row["trigger"] or "schedule",
        "status": row["status"],
        "reason": row["reason"],
        "tick_at": row["tick_at"],
        "tick_until": row["tick_until"],
        "tick_count": row["tick_count"],
        "attempt": row["attempt"],
        "worker": row["worker"],
        "started_at": started,
        "completed_at": completed,
        "duration_seconds": (completed - started).total_seconds() if started and completed else None,
        "error": row["error"],
    }
    return facts | dict(details or {})


def content(told: Told, now: datetime, public_url: str | None) -> str:
    """The body of a message, as JSON."""
    notice = told.notice
    config = {"config_id": notice.config_id, "config_name": notice.config_name, "tags": sorted(notice.tags)}
    facts = dict(notice.facts)
    error = _error(facts.pop("error"), told.rule.errors)
    data = {**config, **facts, "error": error, "url": _link(notice.config_id, facts["task_id"], public_url)}
    if told.last:
        data["last_of_the_hour"] = True
    return _body(CONFIG_ERROR if notice.event == "config_error" else f"execution.{notice.event}", now, data)


def content_of_test(rule_name: str, now: datetime, public_url: str | None) -> str:
    """The body of a message that tells of nothing."""
    url = None if public_url is None else f"{public_url}/notifications"
    return _body(TEST, now, {"rule": rule_name, "url": url})


def mail(body: str) -> Mail:
    """The same message as a mail."""
    message = orjson.loads(body)
    data = message["data"]
    if message["type"] == TEST:
        return Mail("[Horarium] test", _lines(f"A test of the rule {data['rule']}.", [("See", data["url"])]))
    told = f"{data['config_name']} {VERBS[message['type']]}"
    known = [(label, data.get(name)) for label, name in LINES if name != "tick_count" or (data[name] or 1) > 1]
    text = _lines(f"{told}.", known)
    return Mail(f"[Horarium] {printable(told)}", f"{text}\n{LAST}\n" if data.get("last_of_the_hour") else text)


def _body(kind: str, now: datetime, data: Mapping[str, Any]) -> str:
    return orjson.dumps({"type": kind, "timestamp": now, "data": data}).decode()


def _error(error: str | None, wanted: Errors) -> str | None:
    if error is None:
        return None
    short = error_in_short(error) if wanted == "message" else error_kind(error)
    return None if short is None else str(redact(short))[:MOST_ERROR_CHARS]


def _link(config_id: int, task_id: object, public_url: str | None) -> str | None:
    """Where the dashboard shows it; None where nobody has said how the dashboard is reached."""
    if public_url is None:
        return None
    return f"{public_url}/configs/{config_id}" if task_id is None else f"{public_url}/executions/{task_id}"


def _lines(first: str, more: list[tuple[str, Any]]) -> str:
    lines = [f"{label + ':':<14} {value}" for label, value in more if value is not None]
    return "\n".join([first, "", *lines, ""])
