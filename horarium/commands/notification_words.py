"""Rules and messages of notifications as people read them: a line of a list each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from horarium.commands.words import age, plain, status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

__all__ = ["EVENTS", "MESSAGE_HEADINGS", "RULE_HEADINGS", "message_words", "rule_words"]

RULE_HEADINGS = ("ID", "RULE", "LAST", "TELLS", "ABOUT", "TO")
MESSAGE_HEADINGS = ("ID", "STATUS", "RULE", "ERROR", "MADE", "TRIES", "EVENT", "CONFIG")
EVENTS = ("failed", "timeout", "lost", "missed", "config_error", "recovered")


def rule_words(now: datetime) -> Callable[[dict[str, Any]], Sequence[str | Text]]:
    """What a list says of a rule at this instant."""

    def words(rule: dict[str, Any]) -> Sequence[str | Text]:
        return (str(rule["id"]), rule["name"], _last(rule, now), _tells(rule), _about(rule), _to(rule))

    return words


def message_words(now: datetime) -> Callable[[dict[str, Any]], Sequence[str | Text]]:
    """What a list says of a message at this instant."""

    def words(message: dict[str, Any]) -> Sequence[str | Text]:
        return (
            message["id"],
            status(message["status"]),
            message["rule_name"],
            plain(message["last_error"] or ""),
            age(message["created_at"], now),
            str(message["attempts"]),
            message["event"],
            message["config_name"],
        )

    return words


def _last(rule: dict[str, Any], now: datetime) -> Text:
    """What came of its newest message, and when that was made; that it is disabled, where it is."""
    if not rule["enabled"]:
        return Text("disabled", "dim")
    last = rule["last"]
    return Text("nothing yet", "dim") if last is None else status(last["status"]).append(f" {age(last['at'], now)}", "")


def _tells(rule: dict[str, Any]) -> str:
    told = "all events" if set(rule["events"]) >= set(EVENTS) else ", ".join(rule["events"])
    return told if rule["repeat"] == "first" else f"{told}, every time"


def _about(rule: dict[str, Any]) -> str:
    about = [*(f"config {each}" for each in rule["config_ids"]), *(f"#{tag}" for tag in rule["tags"])]
    return ", ".join(about) or "every config"


def _to(rule: dict[str, Any]) -> str:
    return str(rule["webhook"]["url"]) if rule["webhook"] else ", ".join(rule["email"]["to"])
