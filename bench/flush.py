"""Measures how long it takes to be whole again after Redis was emptied, while some configs fire each second.

Lets the whole core of the tree run over CONFIGS configs, flushes everything between two ticks, and waits for the index
to be loaded and for the first tick later than the flush to have its row and message. Then writes the same members raw,
with a redis-py pipeline, into an empty Redis of the same run.

    flush     from FLUSHALL to the index loaded, and to the first later tick sent    aim: within 5 s
    ratio     raw seconds / our seconds

Prints figures; fails only when the index is not whole or a tick is lost or doubled, never because a machine is slow.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import TYPE_CHECKING

import anyio
from common import Window, core, make_configs, resources, start_afresh, timed, wait_until

from horarium.host import calm_collector
from horarium.logs import configure_logging

if TYPE_CHECKING:
    from common import Confirmed

    from horarium.resources import Resources

PAGE = 1000
BEFORE_SECONDS = 3
"""How long the configs fire before the flush."""


async def ours(r: Resources, configs: int, due: int, seconds: int) -> tuple[float, float]:
    """Seconds from the flush to the index loaded, and to the first later tick confirmed."""
    window = Window.soon(due, seconds, head_start=max(2, configs / 5_000))
    await make_configs(r.database, configs, window)
    async with timed(r) as (process, broker), core(process):
        await anyio.sleep(window.first.timestamp() + BEFORE_SECONDS + 0.5 - time.time())
        assert broker.at, "nothing fired before the flush"
        flushed_at = time.time()
        await r.redis.flushall()
        loaded_at = await wait_until(r.due_index.is_loaded, seconds=120)
        assert await r.due_index.size() == configs

        async def all_written() -> bool:
            return await ticks_with_a_row(r) >= window.ticks

        await wait_until(all_written, seconds=seconds + 60, every=0.5)
    assert await ticks_with_a_row(r) == window.ticks
    return loaded_at - flushed_at, first_after(broker, flushed_at) - flushed_at


async def ticks_with_a_row(r: Resources) -> int:
    """How many ticks the ledger covers, those of a stretch included."""
    async with r.database.connection() as connection:
        return int(await connection.fetchval("SELECT coalesce(sum(tick_count), 0) FROM executions"))


def first_after(broker: Confirmed, instant: float) -> float:
    """When the first tick later than an instant was confirmed."""
    return min(at for (_, tick), at in broker.at.items() if tick is not None and tick.timestamp() > instant)


async def raw(r: Resources) -> float:
    """Seconds to write the very members that are there now, with nothing in between."""
    specs = await r.redis.hgetall(r.keys.spec)
    ticks = dict(await r.redis.zrange(r.keys.due, 0, -1, withscores=True))
    ids = list(ticks)
    await r.redis.flushall()
    began = time.perf_counter()
    for first in range(0, len(ids), PAGE):
        page = ids[first : first + PAGE]
        async with r.redis.pipeline(transaction=False) as pipe:
            pipe.hset(r.keys.spec, mapping={i: specs[i] for i in page})
            pipe.zadd(r.keys.due, {i: ticks[i] for i in page})
            await pipe.execute()
    return time.perf_counter() - began


async def measure(configs: int, due: int, seconds: int) -> None:
    """Measure both and print what came of it."""
    print(f"flush of {configs:,} configs while {due:,} fire each second, load {os.getloadavg()[0]:.1f}")
    async with resources() as r:
        await start_afresh(r.database, r.redis)
        loaded, fired = await ours(r, configs, due, seconds)
        limit = await raw(r)
    print(f"flush     loaded after {loaded:.2f} s, first later tick sent after {fired:.2f} s (aim: 5 s)")
    print(f"ratio     {limit / loaded:.2f} of the raw rate: {limit:.2f} s for the same members by HSET and ZADD alone")


def main() -> None:
    """Read the sizes and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--configs", type=int, default=100_000)
    parser.add_argument("--due", type=int, default=100)
    parser.add_argument("--short", action="store_true", help="small and quick: shows that the bench works")
    options = parser.parse_args()
    configure_logging("console", "critical")  # that the index was lost is no news here
    calm_collector()
    sizes = (2_000, 50, 6) if options.short else (options.configs, options.due, 20)
    anyio.run(measure, *sizes, backend_options={"use_uvloop": True})


if __name__ == "__main__":
    main()
