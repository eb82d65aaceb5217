"""Keeps the due index in Redis equal to the active configs in Postgres.

Postgres has the truth: a config, and its newest tick row, say from where on ticks have no row yet. The index is a
cursor that can be made again from them at any time. Four things bring a change in, each covering for the one before:

1. a `Reload` message from whoever changed a config in this process, answered when the index shows the change;
2. a NOTIFY from Postgres for changes made through another process, and a comparison of everything whenever the
   connection that hears them is made: what was notified before it is heard by nobody;
3. a look each second whether the index was flushed, which leads to a full load, or Redis was started again, which may
   have cost it what was written last, and leads to a comparison of everything;
4. a comparison, a page of configs at a time, of every version in Postgres with the one in the index.

A config that cannot be understood (its schedule was written by hand, say) becomes `error`, says why in its history, and
tells whoever wants to be told; the others are loaded all the same.

Where several processes share the index, each brings in the changes that it makes and those that it hears of (the first
two), so that an edit is answered when the index shows it. Healing and comparing (the last two) are the leader's.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import structlog
from uuid_utils.compat import uuid7

from horarium.actors.gathering import gather
from horarium.actors.patience import patiently
from horarium.crashpoints import crashpoint
from horarium.errors import Unavailable
from horarium.firing import FiringSpec
from horarium.keyspace.due_index import DueEntry
from horarium.keyspace.history import HistoryEvent
from horarium.leadership import ALONE
from horarium.messages import Nudge, Reload
from horarium.schedule import ScheduleError
from horarium.sql.executions import storable_text
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import asyncpg
    from anyio.abc import TaskStatus

    from horarium.keyspace.due_index import DueIndex
    from horarium.leadership import Leads
    from horarium.messages import Mailboxes
    from horarium.sql.database import Database
    from horarium.supervisor import ChildContext

__all__ = ["Loaded", "ScheduleLoader"]

log = structlog.get_logger(__name__)

CHANNEL = "horarium_task_configs"
LOOK_SECONDS = 1.0
"""How often the loader looks whether the index was flushed."""

PAGE_CONFIGS = 1000
"""Configs loaded or compared at a time: a page takes some ten milliseconds of Postgres."""

LANES = 2
"""Pages under way at once in a full load: one is packed while Redis writes another and Postgres reads the next."""

COMPARE_EVERY_LOOKS = 5
"""A page is compared every so many looks: 100,000 configs are gone through in about eight minutes."""


MILLISECOND = timedelta(milliseconds=1)
"""The resolution of the index."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one step did to the index."""

    put: int = 0
    removed: int = 0


class ScheduleLoader:
    """The actor."""

    def __init__(self, database: Database, index: DueIndex, mailboxes: Mailboxes, *, leadership: Leads = ALONE) -> None:
        self._database = database
        self._index = index
        self._mailboxes = mailboxes
        self._leadership = leadership
        self._changed: set[int] = set()
        self._compared_until = 0
        self._run_id: str | None = None
        self._beat: Callable[[], None] = lambda: None

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Load everything, then follow the changes."""
        self._beat = context.beat
        await patiently(context, self.load_all, "all schedules")
        task_status.started()
        while True:
            await patiently(context, lambda: self._follow(context))

    async def load_all(self) -> Loaded:
        """Make the whole index, and take out what does not belong there; again, if it is flushed meanwhile."""
        while True:
            self._run_id = await self._index.run_id()
            await self._index.begin_load()
            crashpoint("schedule_loader.load_begun")
            loaded = await self._load_pages()
            crashpoint("schedule_loader.pages_loaded")
            if await self._index.end_load():
                break
            log.warning("due_index.lost_while_loading")
        log.info("schedules.loaded", configs=loaded.put, removed=loaded.removed)
        self._mailboxes.dispatcher.send_nowait(Nudge())
        return loaded

    async def _load_pages(self) -> Loaded:
        """Load page by page, the next one read while the last ones are packed and written."""
        put, after = 0, 0
        strays = set(await self._index.config_ids())
        lanes = anyio.Semaphore(LANES)

        async def load(rows: list[asyncpg.Record]) -> None:
            nonlocal put
            entries = await self._entries(rows)
            done = await self._put_page(entries)
            crashpoint("schedule_loader.page_loaded")
            put += done  # in one go: another page may have been counted meanwhile
            strays.difference_update(e.config_id for e in entries)
            lanes.release()  # not after an error, which ends them all

        async with anyio.create_task_group() as group:
            while rows := await self._page(after):
                after = rows[-1]["id"]
                await lanes.acquire()
                group.start_soon(load, rows)
        return Loaded(put, await self._index.remove(strays))

    async def _put_page(self, entries: Sequence[DueEntry]) -> int:
        """Put a page in, and let what is due in it fire without waiting for the others."""
        put = await self._index.upsert(entries)
        self._mailboxes.dispatcher.send_nowait(Nudge())
        if put == len(entries):
            return put
        # Some are newer than what was read: edited since, or of a database that is no more. A reload tells which.
        return (await self.reload(e.config_id for e in entries)).put

    async def reload(self, config_ids: Iterable[int]) -> Loaded:
        """Bring these configs' entries up to what Postgres says now, a page at a time."""
        ids = sorted(set(config_ids))
        put, removed = 0, 0
        for first in range(0, len(ids), PAGE_CONFIGS):
            self._beat()
            done = await self._reload_page(ids[first : first + PAGE_CONFIGS])
            put, removed = put + done.put, removed + done.removed
        return Loaded(put, removed)

    async def _reload_page(self, ids: Sequence[int]) -> Loaded:
        indexed = await self._index.versions(ids)
        async with self._database.connection() as connection:
            rows = await QUERIES.task_config_schedules.rows(connection, ids=ids)
        # Postgres was asked second: an entry that is newer than its answer comes from a database that is no more
        await self._index.remove(row["id"] for row in rows if indexed.get(row["id"], 0) > row["version"])
        entries = await self._entries(rows)
        put = await self._index.upsert(entries)
        crashpoint("schedule_loader.entries_put")
        removed = await self._index.remove(set(ids) - {e.config_id for e in entries})
        return Loaded(put, removed)

    async def compare_all(self) -> Loaded:
        """Compare every page, from the first."""
        self._compared_until = 0
        put, removed = 0, 0
        while True:
            mended = await self.compare_page()
            put, removed = put + mended.put, removed + mended.removed
            if self._compared_until == 0:
                return Loaded(put, removed)

    async def compare_page(self) -> Loaded:
        """Compare the next page of Postgres' versions with the index, and mend what differs."""
        expected = await self._versions(self._compared_until)
        indexed = await self._index.versions(list(expected))
        self._compared_until = max(expected, default=0)
        wrong = [config_id for config_id, version in expected.items() if indexed.get(config_id) != version]
        mended = await self.reload(wrong)
        if mended.put:
            log.warning("due_index.mended", configs=mended.put)
            self._mailboxes.dispatcher.send_nowait(Nudge())
        return mended

    async def _follow(self, context: ChildContext) -> None:
        """Follow changes until Postgres' notifications end."""
        assert context.inbox is not None, "the tree gives this actor a mailbox"  # noqa: S101 - a fault of the tree
        async with self._database.listening(CHANNEL, self._heard) as connection:
            await self.compare_all()
            looks, next_look = 0, anyio.current_time() + LOOK_SECONDS
            while not connection.is_closed():
                reloads: list[Reload] = []
                with anyio.move_on_at(next_look):
                    reloads = await gather(context.inbox, PAGE_CONFIGS)
                context.working_on("changed configs")
                await self._answer(reloads)
                if anyio.current_time() >= next_look:
                    looks, next_look = looks + 1, anyio.current_time() + LOOK_SECONDS
                    context.working_on("a comparison with Postgres")
                    await connection.execute("SELECT 1")  # a connection cut off in silence is found out here
                    await self._look(looks)
                context.working_on(None)

    async def _look(self, looks: int) -> None:
        if not self._leadership.leads:  # one that heals a flush, and compares, is enough
            return
        run_id = await self._index.run_id()
        if not await self._index.is_loaded():
            log.warning("due_index.lost")
            await self.load_all()
        elif run_id != self._run_id:
            await self.compare_all()
            self._run_id = run_id
        if looks % COMPARE_EVERY_LOOKS == 0:
            await self.compare_page()

    async def _answer(self, reloads: Sequence[Reload]) -> None:
        """Reload what changed; what could not be reloaded now is remembered for the next time."""
        ids = self._changed.union(*(r.config_ids for r in reloads))
        self._changed = set()  # before Postgres is asked: its answer may be older than what is heard of meanwhile
        try:
            loaded = await self.reload(ids)
        except Unavailable:
            self._changed |= ids
            raise
        crashpoint("schedule_loader.reloaded")
        if loaded.put or loaded.removed:
            self._mailboxes.dispatcher.send_nowait(Nudge())
        for message in reloads:
            message.reply.set(None)

    def _heard(self, _connection: object, _pid: int, _channel: str, payload: str) -> None:
        self._changed.add(int(payload))
        if self._mailboxes.loader.depth == 0:
            self._mailboxes.loader.send_nowait(Reload(()))

    async def _page(self, after: int) -> list[asyncpg.Record]:
        self._beat()
        async with self._database.connection() as connection:
            return await QUERIES.task_config_schedules_page.rows(connection, after=after, max_rows=PAGE_CONFIGS)

    async def _versions(self, after: int) -> dict[int, int]:
        self._beat()
        async with self._database.connection() as connection:
            rows = await QUERIES.task_config_versions.rows(connection, after=after, max_rows=PAGE_CONFIGS)
        return {row["id"]: row["version"] for row in rows}

    async def _entries(self, rows: Iterable[asyncpg.Record]) -> list[DueEntry]:
        return [entry for row in rows if (entry := await self._entry(row)) is not None]

    async def _entry(self, row: asyncpg.Record) -> DueEntry | None:
        """The index's entry; None for a config that makes no sense, which becomes `error`."""
        try:
            spec = FiringSpec.of(row)
            tick = spec.first_after(row["decided_until"])
            if tick is None:
                # Due at once, behind what is decided, and not put off: the dispatcher has nothing to fire, and ends it.
                spec, tick = replace(spec, jitter_seconds=0), row["decided_until"] + MILLISECOND
            return DueEntry(row["id"], row["version"], spec.fires_at(row["id"], tick), spec.to_json())
        except Exception as error:  # noqa: BLE001 - not swallowed: one bad row must not keep the others from firing
            await self._refuse(row, error)
            return None

    async def _refuse(self, row: asyncpg.Record, error: Exception) -> None:
        log.warning("schedule.unreadable", config_id=row["id"], exc_info=error)
        async with self._database.connection() as connection:
            marked = await QUERIES.task_config_mark_error.value(
                connection, id=row["id"], version=row["version"], subject=uuid7(), details=_details(error)
            )
        if marked is not None:
            self._mailboxes.record(HistoryEvent.now(row["id"], "task_execution_failed", error=str(error)))


def _details(error: Exception) -> dict[str, str | None]:
    """What there is to tell of a config that makes no sense; another error than of its schedule, with its frames."""
    why = str(error) if isinstance(error, ScheduleError) else "".join(traceback.format_exception(error))
    return {"trigger": None, "status": "error", "error": storable_text(why)}
