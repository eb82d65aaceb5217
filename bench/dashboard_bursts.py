"""Bursts of ticks with nobody looking and with many who look on, in turn, and what the latter cost the dispatcher.

The core of the tree and its API run in this process, as `horarium up` runs them; who looks on is a process of its own.
All configs of the house are made to fire in the same second, among all the executions that there are.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
from common import Cpu, Window, api, core, timed, wait_until
from dashboard_watchers import Watched, browse, watch

from horarium.clock import utc_now
from horarium.messages import Reload

if TYPE_CHECKING:
    from datetime import datetime
    from multiprocessing.connection import Connection

    from dashboard_life import Life

    from horarium.resources import Resources

__all__ = ["REST_SECONDS", "Audience", "compare_browsers", "index_is_full", "look_on"]

REST_SECONDS = 3.0
"""How long after a burst those who look on are counted: until each has read what the burst has changed."""
HEAD_SECONDS = 0.2
"""How long before the tick CPU is counted from: the dispatcher begins a little before it."""
NEVER = "0 0 0 1 1 *"

FIRE_ONCE = """
UPDATE task_configs SET
    status = 'active', schedule_config = jsonb_build_object('timezone', 'UTC', 'cron_expression', $1::text),
    overlap = 'allow_all', scheduled_from = $2, paused_reason = NULL, version = version + 1
WHERE id <= $3
"""


class Burst(NamedTuple):
    """One burst: seconds to the last message, our CPU seconds until then and until everybody has looked."""

    seconds: float
    cpu: float
    cpu_of_all: float
    watched: Watched | None


async def index_is_full(r: Resources) -> None:
    """Wait until all schedules are in the due index."""

    async def it_is() -> bool:
        return bool(await r.redis.get(r.keys.loaded))

    await wait_until(it_is, seconds=60, every=0.2)


class Audience(NamedTuple):
    """Who looks on: so many imitations, told of many events as one or of each, and so many real pages beside them."""

    watchers: int = 0
    browsers: int = 0
    brief: bool = True


NOBODY = Audience()


async def burst(
    r: Resources, life: Life, audience: Audience = NOBODY, *, rest: float = REST_SECONDS
) -> tuple[Burst, int]:
    """All configs fire in one second while these look on; and how often the real pages have read meanwhile."""
    await forget_last(r)
    await fire(r, life, NEVER, utc_now())
    at_any_port = replace(r, settings=r.settings.model_copy(update={"port": 0}))
    async with timed(at_any_port) as (process, broker), core(process), api(process) as port:
        await index_is_full(process)
        there = await gather(process, audience, f"http://127.0.0.1:{port}")
        tick = Window.soon(life.configs, 1, head_start=2 + life.configs / 2_000).first
        await fire(r, life, f"{tick:%-S %-M %-H %-d %-m} *", tick)
        ids = tuple(range(1, life.configs + 1))
        await process.mailboxes.loader.ask(lambda reply: Reload(ids, reply), timeout=60)
        assert utc_now() < tick, "the machine took too long to load: raise the head start"
        await anyio.sleep(tick.timestamp() - time.time() - HEAD_SECONDS)
        before = Cpu.now()

        async def all_confirmed() -> bool:
            return len(broker.at) >= life.configs

        await wait_until(all_confirmed, seconds=60)
        at_last = Cpu.now() - before
        await anyio.sleep(rest)
        in_all = Cpu.now() - before
        ended = [await asked(each) for each in there]
    await check(r, life, tick)
    watched = ended[0] if audience.watchers else None
    return Burst(broker.latencies()[-1], at_last.own, in_all.own, watched), ended[-1] if audience.browsers else 0


async def gather(r: Resources, audience: Audience, url: str) -> list[Connection]:
    """Start all of the audience, and wait until everybody is there."""
    there = []
    if audience.watchers:
        there.append(watch(url, await a_token(r), audience.watchers, brief=audience.brief))
    if audience.browsers:
        there.append(browse(url, audience.browsers))
    for each in there:
        assert await told(each) == "open"
    return there


async def fire(r: Resources, life: Life, expression: str, tick: datetime) -> None:
    """Let all configs fire by this expression, and owe no tick before this one."""
    async with r.database.transaction() as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")  # the loader is told by its mailbox
        await connection.execute(FIRE_ONCE, expression, tick - timedelta(milliseconds=500), life.configs)


async def asked(by: Connection) -> Any:
    """What it has come to, from another process, which ends."""
    by.send("end")
    return await told(by)


async def told(by: Connection) -> Any:
    """What another process has to say."""
    return await anyio.to_thread.run_sync(by.recv)


async def a_token(r: Resources) -> str:
    """The access token of somebody who may look."""
    async with r.database.connection() as connection:
        user = await connection.fetchval(
            "INSERT INTO users (username, role, password_hash) VALUES ('viewer ' || now(), 'viewer', '!') RETURNING id"
        )
    return r.access_tokens.issue(user, 1, now=utc_now())[0]


async def forget_last(r: Resources) -> None:
    """Take away what the last burst has left."""
    async with r.database.connection() as connection:
        await connection.execute("DELETE FROM executions WHERE completed_at IS NULL")
        await connection.execute("VACUUM executions")
        await connection.execute("VACUUM (ANALYZE) task_configs")
        await connection.execute("CHECKPOINT")
    await r.redis.flushall()


async def check(r: Resources, life: Life, tick: datetime) -> None:
    """Every config has exactly one row of that tick."""
    async with r.database.connection() as connection:
        rows = await connection.fetchval("SELECT count(*) FROM executions WHERE tick_at = $1", tick)
    assert rows == life.configs, (rows, life.configs)


async def look_on(r: Resources, life: Life, rounds: int, audience: Audience, *, rest: float) -> None:
    """Bursts alone and watched, in turn; prints what the watchers cost."""
    alone, watched = [], []
    for _ in range(rounds):
        alone.append((await burst(r, life, rest=0))[0])
        watched.append((await burst(r, life, audience, rest=rest))[0])
        print(f"  alone {in_words(alone[-1])}\n  watched {in_words(watched[-1])}")
    ours, with_all = (statistics.median(each.seconds for each in found) for found in (alone, watched))
    print(f"burst {ours / with_all:.2f}: {ours:.3f} s alone, {with_all:.3f} s with {audience.watchers} (aim: 0.9)")
    ours, with_all = (statistics.median(each.cpu for each in found) for found in (alone, watched))
    print(f"cpu   {ours / with_all:.2f}: {ours:.3f} s alone, {with_all:.3f} s with {audience.watchers} (aim: 0.9)")


def in_words(each: Burst) -> str:
    """The figures of one burst."""
    share = 100 * each.cpu / (each.seconds + HEAD_SECONDS)
    text = f"{each.seconds:.3f} s, our CPU {each.cpu:.3f} s, {share:.0f} % of the time, {each.cpu_of_all:.2f} s in all"
    if (watched := each.watched) is None:
        return text
    sent = f"{watched.events:,} events in {watched.stream_bytes / 1e6:.1f} MB"
    sent += f" and {watched.reads} overviews in {watched.read_bytes / 1e6:.1f} MB"
    return f"{text}; sent {sent}; who looked on spent {watched.cpu:.2f} s"


async def compare_browsers(r: Resources, life: Life, audience: Audience) -> None:
    """Whether real pages read as often as those that imitate them."""
    found, reads = await burst(r, life, audience)
    assert found.watched is not None
    imitated, real = found.watched.reads / audience.watchers, reads / audience.browsers
    print(f"imitation: {imitated:.1f} reads each, of {audience.browsers} real pages {real:.1f} each")
