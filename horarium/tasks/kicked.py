"""What a delivered message is: an attempt of a row that the ledger has, or something that an app has kicked by itself.

What Horarium sends says so in its labels, and is claimed by the id and the attempt in them. Everything else is the
app's own: an *external* execution, whose row its claim makes. The app, and its result backend, know it by the id of its
message, which may be any text; a UUID is taken as it is, and of another text one is made that is always the same. By
that id a second delivery is known for a duplicate.

The app may try again, by taskiq's retry middlewares or by `Context.requeue()`, and sends the same id once more. taskiq
counts in the labels how often, so that it can be told from a message that is delivered twice: each count is an
execution of its own, which names the one that it repeats (docs/decisions/0039).

Pure: bytes have been parsed before, rows are made later.
"""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson
from taskiq.labels import prepare_label
from uuid_utils.compat import uuid7

from horarium.sql.executions import Claim, storable_json, storable_text
from horarium.sql.external import Kicked
from horarium.tasks.message import EXTERNAL, REQUEUES, RETRIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from taskiq.message import TaskiqMessage

__all__ = ["NO_JSON", "Kick", "claim_in", "kicked", "take_off_labels"]

NO_JSON = "its arguments are not JSON, so that it cannot be sent again"

SCHEDULED = frozenset({"cron", "interval", "date", "manual"})
OURS = ("scheduler_type", "execution_id", "attempt")
"""The labels that are put on what an app has kicked when it is sent again."""

TIMEOUT_SECONDS = 86_400.0
"""How long a task may run whose app sets no `timeout`: taskiq itself sets none, and every row has to end."""

LONGEST_SECONDS = 7 * 86_400.0
RETRY_BACKOFF_SECONDS = 10.0
PRIORITY, HIGHEST_PRIORITY = 5, 9
MAX_RETRIES_LABEL, BACKOFF_LABEL = "horarium_max_retries", "horarium_retry_backoff_seconds"
MAX_SMALLINT = 2**15 - 1
LONGEST_NAME = 1000
"""Characters of an id or a task's name; what is longer is no message that anybody meant."""

ONLY_JSON = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME

MESSAGES = uuid5(NAMESPACE_URL, "horarium:message")


def claim_in(message: TaskiqMessage) -> Claim | None:
    """The attempt that a message of ours is for; None for one that an app has kicked by itself.

    Raises ValueError, TypeError or LookupError for one that no row can have sent.
    """
    scheduler_type = message.labels.get("scheduler_type")
    if scheduler_type == EXTERNAL:
        return Claim(UUID(message.labels["execution_id"]), _attempt_in(message.labels))
    if scheduler_type in SCHEDULED:
        return Claim(UUID(message.task_id), _attempt_in(message.labels))
    return None


def take_off_labels(message: TaskiqMessage) -> bool:
    """Leave a message that is sent again as its app wrote it, whose own retries copy the labels; whether it is one."""
    if message.labels.get("scheduler_type") != EXTERNAL:
        return False
    for name in OURS:
        message.labels.pop(name, None)
    return True


@dataclass(frozen=True, slots=True)
class Kick:
    """What an app has kicked: its row, and what stands against running it (`fault`) or sending it again."""

    row: Kicked
    can_be_sent_again: bool
    fault: str | None


def kicked(message: TaskiqMessage, signature: inspect.Signature | None) -> Kick:
    """What an app has kicked with this message; raises ValueError for one that no row can hold.

    `signature` is the task's, None where the task is not known here. A policy that cannot be read fails the run.
    """
    if max(len(message.task_id), len(message.task_name)) > LONGEST_NAME:
        raise ValueError("an id or a name without end")
    turn = _counted(message.labels, REQUEUES) + _counted(message.labels, RETRIES)
    first = _message_id(message.task_id)
    again = _rebuilt(message)
    policies, fault = _policies(message.labels)
    if again is None:
        policies["max_retries"] = 0
    row = Kicked(
        execution_id=uuid7(),
        message_id=_turn(first, turn),
        retry_of=_turn(first, turn - 1) if turn else None,
        task_type=storable_text(message.task_name) or "",
        parameters=storable_json(_parameters(message, signature)) or "{}",
        message=again or orjson.dumps({"task_id": storable_text(message.task_id)}).decode(),
        queue=_text(message.labels, "queue", "queue_name") or "default",
        **policies,
    )
    return Kick(row, again is not None, fault)


def _message_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return uuid5(MESSAGES, text.encode("utf-8", "replace").decode())


def _turn(first: UUID, turn: int) -> UUID:
    return uuid5(first, str(turn)) if turn else first


def _rebuilt(message: TaskiqMessage) -> str | None:
    """What the message has to be made of to be sent again, as JSON; None where it is not made of JSON."""
    typed = {name: prepare_label(message.labels[name]) for name in message.labels_types or {} if name in message.labels}
    whole = {
        "task_id": message.task_id,
        "labels": message.labels | {name: text for name, (text, _) in typed.items()},
        "labels_types": {name: kind for name, (_, kind) in typed.items()},
        "args": message.args,
        "kwargs": message.kwargs,
    }
    try:
        return orjson.dumps(whole, option=ONLY_JSON).decode()
    except TypeError:  # orjson says so of whatever is not JSON, and of what is deeper or larger than it reads
        return None


def _parameters(message: TaskiqMessage, signature: inspect.Signature | None) -> dict[str, Any]:
    """The arguments by the names that the task has for them, as far as it has any."""
    if not message.args:
        return message.kwargs
    try:
        bound = (signature or inspect.Signature()).bind_partial(*message.args)
    except TypeError:  # more of them than it takes; the run says so
        return {"*args": message.args} | message.kwargs
    return bound.arguments | message.kwargs


def _attempt_in(labels: Mapping[str, Any]) -> int:
    """The attempt that a message is for; ValueError for what no row can have, and no claim may ask Postgres for."""
    attempt = labels.get("attempt", 1)
    if type(attempt) is not int or not 0 <= attempt <= MAX_SMALLINT:
        raise ValueError("attempt")
    return attempt


def _counted(labels: Mapping[str, Any], name: str) -> int:
    """A label that counts something, whichever way it was written."""
    count = int(labels.get(name, 0))
    if count < 0:
        raise ValueError(name)
    return count


def _seconds(labels: Mapping[str, Any], name: str, otherwise: float) -> float:
    seconds = float(labels.get(name, otherwise))
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(name)
    return min(seconds, LONGEST_SECONDS)


def _policies(labels: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """How it is run, and what is wrong with what the labels say of that; taskiq's own where they say nothing."""
    try:
        return {
            "priority": min(_counted(labels, "priority"), HIGHEST_PRIORITY) if "priority" in labels else PRIORITY,
            "timeout_seconds": _seconds(labels, "timeout", TIMEOUT_SECONDS),
            "max_retries": min(_counted(labels, MAX_RETRIES_LABEL), MAX_SMALLINT),
            "retry_backoff_seconds": _seconds(labels, BACKOFF_LABEL, RETRY_BACKOFF_SECONDS),
        }, None
    except (ValueError, TypeError, OverflowError) as error:
        return _policies({})[0], f"a label of the message cannot be read: {error}"


def _text(labels: Mapping[str, Any], *names: str) -> str | None:
    return next((storable_text(str(labels[name])) for name in names if name in labels), None)
