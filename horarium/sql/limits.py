"""Typed access to limits: claims under them, and letting those go that wait for room.

Both are one transaction of the same shape (docs/decisions/0042): lock the limits, in the order of their keys; in later
statements count what has room and lock the rows; decide (`admission.py`); write. So two who decide about one limit do
so one after the other, each seeing what the one before has written. Limits are locked first, executions second, by id.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from horarium.admission import Candidate, Gate, Key, Line, admit, opens_in, release, room
from horarium.sql.executions import Claim, attempt_of
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from horarium.outcome import Attempt
    from horarium.sql.queries import Connection

__all__ = ["Admitted", "Refused", "Released", "claim_limited", "release_limited"]

RESERVED_SECONDS = 10.0
"""How long room is kept for what was let go and no worker has claimed, counted from when the broker has its message."""


class Admitted(NamedTuple):
    """An attempt that was claimed under limits; it is to start `starts_in` seconds from now, or has none to wait."""

    attempt: Attempt
    line: Line
    starts_in: float


class Refused(NamedTuple):
    """An execution that waits for room now."""

    task_id: UUID
    config_id: int | None
    attempt: int
    tick_at: datetime | None


@dataclass(frozen=True, slots=True)
class Released:
    """Rows to send; `more_in`: seconds until there is room for more of what waits, by rate alone."""

    rows: Sequence[asyncpg.Record]
    more_in: float


async def claim_limited(
    connection: Connection, worker: str, claims: Sequence[Claim]
) -> tuple[dict[Claim, Admitted], list[Refused]]:
    """Take attempts for `worker` as far as there is room; inside a transaction.

    What is in neither answer may not be had by anybody. What this worker has claimed before is its own still, and takes
    no second room.
    """
    ids = [claim.execution_id for claim in claims]
    limits = await QUERIES.limit_lock_of.rows(connection, ids=ids)
    rows = await QUERIES.limit_claimable.rows(
        connection, ids=ids, attempts=[claim.attempt for claim in claims], worker=worker
    )
    new = [row for row in rows if not row["again"]]
    starts = {row["id"]: row["started_at"] for row in rows if row["again"]}
    starts |= await _admit(connection, limits, new)
    late = [row["id"] for row in new if row["id"] not in starts]
    won = await QUERIES.limit_claim.rows(connection, ids=list(starts), starts=list(starts.values()), worker=worker)
    refused = await QUERIES.limit_refuse.rows(connection, ids=late) if late else []
    return {Claim(row["id"], row["attempt"]): _admitted(row) for row in won}, [
        Refused(row["task_id"], row["config_id"], row["attempt"], row["tick_at"]) for row in refused
    ]


async def _admit(
    connection: Connection, limits: Sequence[asyncpg.Record], rows: Sequence[asyncpg.Record]
) -> dict[UUID, datetime]:
    """When each of these may start, of those that may; the rates are told."""
    if not rows:
        return {}
    wanting = [Candidate(row["id"], _line(row), row["priority"], row["released"]) for row in rows]
    besides = [each.execution_id for each in wanting]
    gates, now = await _gates(connection, limits, besides=besides, unlimited_at=rows[0]["now"])
    waiting = [_line(row) for row in await QUERIES.limit_lines.rows(connection)]
    starts = admit(wanting, gates, waiting, now)
    paced = {key: gate.next_start_at for key, gate in gates.items() if gate.spacing is not None}
    if starts and paced:
        kinds, names = [key.kind for key in paced], [key.name for key in paced]
        await QUERIES.limit_spend.rows(connection, kinds=kinds, names=names, next_start_ats=list(paced.values()))
    return starts


async def release_limited(connection: Connection, concerned: AbstractSet[Key] | None = None) -> Released:
    """Let those go for which there is room, of the lines that these keys concern, or of all; inside a transaction."""
    rows = await QUERIES.limit_lines.rows(connection)
    lines = [line for line in map(_line, rows) if concerned is None or not concerned.isdisjoint(line.keys)]
    if not lines:
        return Released((), math.inf)
    keys = sorted({key for line in lines for key in line.keys})
    limits = await QUERIES.limit_lock.rows(connection, kinds=[k.kind for k in keys], names=[k.name for k in keys])
    gates, now = await _gates(connection, limits, besides=(), unlimited_at=rows[-1]["now"])
    going = release(await _heads(connection, lines, gates, now), gates, now)
    rows = await QUERIES.limit_release.rows(connection, ids=going) if going else []
    sent = {row["id"]: row for row in rows}  # in the order of their turn, without what was cancelled meanwhile
    return Released([sent[each] for each in going if each in sent], opens_in(lines, gates, now))


async def _heads(
    connection: Connection, lines: Sequence[Line], gates: Mapping[Key, Gate], now: datetime
) -> list[Candidate]:
    """Of each line as many as there is room for."""
    open_lines = {line: count for line in lines if (count := room(line, gates, now))}
    if not open_lines:
        return []
    rows = await QUERIES.limit_heads.rows(
        connection,
        task_types=[line.task_type for line in open_lines],
        queues=[line.queue for line in open_lines],
        counts=list(open_lines.values()),
    )
    return [Candidate(row["id"], _line(row), row["priority"]) for row in rows]


async def _gates(
    connection: Connection, limits: Sequence[asyncpg.Record], *, besides: Sequence[UUID], unlimited_at: datetime
) -> tuple[dict[Key, Gate], datetime]:
    """The limits, which are locked, with what has room under them, and when that was so."""
    if not limits:
        return {}, unlimited_at
    usage = await QUERIES.limit_usage.rows(
        connection,
        kinds=[row["kind"] for row in limits],
        names=[row["name"] for row in limits],
        besides=list(besides),
        reserved_seconds=RESERVED_SECONDS,
    )
    used = {Key(row["kind"], row["name"]): (row["running"], row["reserved"]) for row in usage}
    gates = {key: _gate(row, *used[key]) for row in limits if (key := Key(row["kind"], row["name"]))}
    return gates, max(row["now"] for row in usage)


def _gate(row: asyncpg.Record, running: int, reserved: int) -> Gate:
    spacing = None if row["rate"] is None else timedelta(seconds=row["period_seconds"] / row["rate"])
    return Gate(row["max_running"], spacing, row["next_start_at"], running, reserved)


def _line(row: asyncpg.Record) -> Line:
    return Line(row["task_type"], row["queue"])


def _admitted(row: asyncpg.Record) -> Admitted:
    return Admitted(attempt_of(row), _line(row), row["starts_in"])
