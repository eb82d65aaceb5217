"""Typed access to the ledger; the meaning of each statement stands beside it in queries/executions.sql."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import orjson

from horarium.outcome import Attempt
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from horarium.outcome import Ending
    from horarium.sql.queries import Connection

__all__ = [
    "Claim",
    "Decision",
    "Finish",
    "Finished",
    "TickRow",
    "attempt_of",
    "cancel_others",
    "claim",
    "described",
    "finish",
    "insert_backfill",
    "insert_ticks",
    "last_ticks",
    "mark_queued",
    "refuse",
    "release_buffered",
    "running",
    "storable_json",
    "storable_text",
]

RESULT_LIMIT_BYTES = 256 * 1024
ERROR_LIMIT_CHARS = 16 * 1024

FRESH_WAITING_SECONDS = 2.0
FRESH_RUNNING_SECONDS = 0.5
"""How young the run before a tick may be for the tick to wait for it, not yet begun or begun, under overlap `skip`."""

MOST_BUFFERED = 1000
"""Executions of a config that wait for their turn under overlap `buffer_all`; the ticks after them are skipped."""

Decision = Literal["run", "buffer", "replace", "skip", "overlap", "buffer_full", "defer", "stale", "exists"]
"""What becomes of a tick. The first three are rows to run, now, later, or once all others of the config have ended; the
next three are rows that do not run; the last three are no rows."""


@dataclass(frozen=True, slots=True)
class TickRow:
    """A tick to write, or with a `reason` a stretch of `tick_count` ticks that does not run."""

    execution_id: UUID
    config_id: int
    version: int
    tick_at: datetime
    tick_until: datetime | None = None
    tick_count: int = 1
    reason: str | None = None

    @property
    def attempt(self) -> int:
        """The number of a new row's attempt."""
        return 1

    @property
    def task_id(self) -> UUID:
        """The id of the execution, as it is shown."""
        return self.execution_id


class Claim(NamedTuple):
    """One attempt of one execution."""

    execution_id: UUID
    attempt: int


class Finish(NamedTuple):
    """How a running attempt ended; `held`: without its worker, which lives and may still be at it."""

    execution_id: UUID
    attempt: int
    ending: Ending
    held: bool = False


class Finished(NamedTuple):
    """What the ledger says of an execution after a finish; `awaited`: another one of its config waits for its turn."""

    status: str
    reason: str | None
    attempt: int
    config_id: int | None
    completed_at: datetime | None
    awaited: bool


async def insert_ticks(connection: Connection, ticks: Sequence[TickRow]) -> list[Decision]:
    """Write a batch of ticks; answers what became of each, in order."""
    rows = await QUERIES.execution_insert_ticks.rows(
        connection,
        ids=[t.execution_id for t in ticks],
        config_ids=[t.config_id for t in ticks],
        versions=[t.version for t in ticks],
        tick_ats=[t.tick_at for t in ticks],
        tick_untils=[t.tick_until for t in ticks],
        tick_counts=[t.tick_count for t in ticks],
        reasons=[t.reason for t in ticks],
        waits_seconds=FRESH_WAITING_SECONDS,
        begun_seconds=FRESH_RUNNING_SECONDS,
        most_buffered=MOST_BUFFERED,
    )
    decisions = {row["id"]: row["decision"] for row in rows}
    return [decisions[t.execution_id] for t in ticks]


async def insert_backfill(
    connection: Connection, config_id: int, ticks: Sequence[tuple[UUID, datetime]], *, buffered: bool
) -> list[UUID]:
    """Write an execution for each tick that has none, under these ids; the ids of those that were written."""
    rows = await QUERIES.execution_insert_backfill.rows(
        connection,
        ids=[execution_id for execution_id, _ in ticks],
        config_id=config_id,
        ticks=[tick for _, tick in ticks],
        buffered=buffered,
    )
    return sorted(row["id"] for row in rows)


async def last_ticks(connection: Connection, config_ids: Sequence[int]) -> dict[int, datetime]:
    """Up to which tick each config has rows; a config without any is left out."""
    rows = await QUERIES.execution_last_ticks.rows(connection, config_ids=config_ids)
    return {row["config_id"]: row["last_tick"] for row in rows}


async def mark_queued(connection: Connection, claims: Sequence[Claim]) -> None:
    """Say that the broker holds the message of these attempts."""
    ordered = sorted(claims)
    await QUERIES.execution_mark_queued.rows(
        connection, ids=[c.execution_id for c in ordered], attempts=[c.attempt for c in ordered]
    )


async def refuse(connection: Connection, errors: Mapping[Claim, str]) -> dict[UUID, datetime]:
    """End attempts that cannot be sent as failed, each with its error; answers which have ended, and when.

    What is not waiting any more stays as it is.
    """
    ordered = sorted(errors)
    rows = await QUERIES.execution_refuse.rows(
        connection,
        ids=[c.execution_id for c in ordered],
        attempts=[c.attempt for c in ordered],
        errors=[storable_text(errors[c]) for c in ordered],
    )
    return {row["id"]: row["completed_at"] for row in rows}


async def claim(connection: Connection, worker: str, claims: Sequence[Claim]) -> list[Attempt | None]:
    """Take attempts for `worker`; None where another has it, or nobody may have it any more.

    An attempt that this worker claimed before is its own still: the answer to that claim may have been lost. The same
    attempt asked for twice in one batch (a message delivered twice) is answered once.
    """
    ordered = sorted(claims)
    rows = await QUERIES.execution_claim.rows(
        connection, worker=worker, ids=[c.execution_id for c in ordered], attempts=[c.attempt for c in ordered]
    )
    won = {Claim(row["id"], row["attempt"]): attempt_of(row) for row in rows}
    return [won.pop(c, None) for c in claims]


async def finish(connection: Connection, finishes: Sequence[Finish]) -> list[Finished | None]:
    """End running attempts; None where the attempt is no longer the running one."""
    ordered = sorted(finishes, key=lambda f: f.execution_id)
    rows = await QUERIES.execution_finish.rows(
        connection,
        ids=[f.execution_id for f in ordered],
        attempts=[f.attempt for f in ordered],
        statuses=[f.ending.status for f in ordered],
        ended_as=[f.ending.ended_as for f in ordered],
        reasons=[f.ending.reason for f in ordered],
        results=[storable_json(f.ending.result) for f in ordered],
        errors=[storable_text(f.ending.error) for f in ordered],
        retry_delays=[f.ending.retry_delay for f in ordered],
        held=[f.held for f in ordered],
    )
    ended = {row["id"]: Finished(*(row[name] for name in Finished._fields)) for row in rows}
    return [ended.pop(f.execution_id, None) for f in finishes]


async def release_buffered(connection: Connection, config_ids: Sequence[int]) -> list[asyncpg.Record]:
    """Let the oldest buffered execution of each config go that nothing else occupies; inside a transaction."""
    await QUERIES.task_config_serialise.rows(connection, ids=config_ids)
    return await QUERIES.execution_release_buffered.rows(connection, config_ids=config_ids)


async def cancel_others(
    connection: Connection, config_ids: Sequence[int], *, keep: Sequence[UUID]
) -> list[asyncpg.Record]:
    """Cancel what is in flight of these configs, except `keep`; what runs goes on until its worker has stopped it.

    The configs are locked first, as by whoever releases what is buffered: in one order, nobody waits for each other.
    """
    await QUERIES.task_config_serialise.rows(connection, ids=config_ids)
    return await QUERIES.execution_cancel_others.rows(connection, config_ids=config_ids, keep=keep)


async def running(connection: Connection) -> list[asyncpg.Record]:
    """Every running attempt, with its worker and deadline."""
    return await QUERIES.execution_running.rows(connection)


def attempt_of(row: asyncpg.Record) -> Attempt:
    """The attempt that a row of the ledger describes."""
    return Attempt(
        execution_id=row["id"],
        attempt=row["attempt"],
        config_id=row["config_id"],
        task_type=row["task_type"],
        tick_at=row["tick_at"],
        timeout_seconds=row["timeout_seconds"],
        max_retries=row["max_retries"],
        retry_backoff_seconds=row["retry_backoff_seconds"],
        started_at=row["started_at"],
        deadline_at=row["deadline_at"],
        handed_back=row["handed_back"],
        lateness_seconds=row.get("lateness_seconds"),
        message_id=row["message_id"],
        parameters=row.get("parameters"),
    )


def storable_json(value: Any) -> str | None:
    """`value` as JSON text that Postgres takes: what JSON lacks by its repr, no NUL, and not without bound."""
    if value is None:
        return None
    text = _json(value)
    if len(text) > RESULT_LIMIT_BYTES:
        return orjson.dumps({"truncated": text[:1000], "length": len(text), "limit": RESULT_LIMIT_BYTES}).decode()
    return text.replace("\\u0000", "\\ufffd")


def storable_text(text: str | None) -> str | None:
    """`text` as Postgres takes it: its end where it is too long, no NUL, no half of a surrogate pair."""
    if text is None:
        return None
    return text[-ERROR_LIMIT_CHARS:].replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value, default=described, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, RecursionError):  # deeper or odder than orjson goes: its repr is still worth having
        return orjson.dumps(described(value)).decode()


def described(value: object) -> str:
    """The value's repr, as far as it has one: its code is a stranger's, and may raise whatever it likes."""
    try:
        return storable_text(repr(value)) or ""
    except Exception as error:  # noqa: BLE001 - not swallowed: the result says so
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
