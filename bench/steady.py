"""Measures how long after its tick a message is confirmed, when some hundred ticks are due in each second of a minute.

Lets the whole core of the tree fire DUE of CONFIGS configs every second, then writes as many rows and messages raw,
at the same rhythm in the same run, with asyncpg's COPY and a redis-py pipeline: a raw message is confirmed with all
others of its second.

    steady    p50, p99 and longest from the tick to its message confirmed, its row committed before    aim: p99 50 ms
    ratio     raw p99 / our p99

A tick is committed when the disk says so. A disk that others keep busy answers in seconds now and then, so its own
longest answer stands beside; TMPDIR=/dev/shm leaves the disk out.

Prints figures; fails only when a tick has no row or two, or a message is missing, never because a machine is slow.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

import anyio
import asyncpg
import orjson
from common import (
    COLUMNS,
    QUEUE,
    Window,
    check_window,
    core,
    make_configs,
    percentile,
    resources,
    start_afresh,
    timed,
    wait_until,
)
from uuid_utils.compat import uuid7

from horarium.host import calm_collector
from horarium.logs import configure_logging

if TYPE_CHECKING:
    from collections.abc import Iterator

    from horarium.resources import Resources


async def ours(r: Resources, configs: int, due: int, seconds: int) -> list[float]:
    """Seconds from each tick to its message, least first."""
    await start_afresh(r.database, r.redis)
    window = Window.soon(due, seconds, head_start=max(2, configs / 5_000))
    await make_configs(r.database, configs, window)
    async with timed(r) as (process, broker), core(process):
        assert time.time() < window.first.timestamp(), "the machine took too long to load: raise the head start"

        async def all_confirmed() -> bool:
            return len(broker.at) >= window.ticks

        await wait_until(all_confirmed, seconds=configs / 5_000 + seconds + 60, every=0.2)
        assert await r.redis.xlen(r.keys.queue(QUEUE)) == window.ticks
    await check_window(r, window)
    return broker.latencies()


async def raw(r: Resources, due: int, seconds: int) -> list[float]:
    """The same by COPY and XADD, with nothing in between."""
    await start_afresh(r.database, r.redis)
    assert r.settings.database_url is not None
    connection = await asyncpg.connect(r.settings.database_url.get_secret_value())
    await connection.set_type_codec(  # COPY is binary, and asyncpg has no binary encoder for jsonb of its own
        "jsonb", schema="pg_catalog", format="binary", encoder=lambda v: b"\x01" + orjson.dumps(v), decoder=orjson.loads
    )
    latencies: list[float] = []
    for tick in Window.soon(due, seconds, head_start=0).instants:
        rows = [
            (uuid7(), n, "echo", "schedule", tick, "pending", {"message": f"hi {n}"}, QUEUE, 5, 300.0, 0, 10.0, "cron")
            for n in range(due)
        ]
        lines = [orjson.dumps({"task_id": row[0], "labels": {"tick_at": tick}, "kwargs": row[6]}) for row in rows]
        await anyio.sleep(tick.timestamp() - time.time())
        await connection.copy_records_to_table("executions", records=rows, columns=COLUMNS)
        async with r.redis.pipeline(transaction=False) as pipe:
            for line in lines:
                pipe.xadd(r.keys.queue(QUEUE), {"data": line})
            await pipe.execute()
        latencies += [time.time() - tick.timestamp()] * due
    await connection.close()
    return sorted(latencies)


@contextmanager
def watched_disk() -> Iterator[list[float]]:
    """Seconds that the disk takes for a page beside, twenty times a second: no commit is faster than that."""
    taken: list[float] = []
    over = Event()

    def watch() -> None:
        with tempfile.TemporaryFile() as file:
            while not over.wait(0.05):
                os.pwrite(file.fileno(), os.urandom(4096), 0)
                began = time.monotonic()
                os.fsync(file.fileno())
                taken.append(time.monotonic() - began)

    thread = Thread(target=watch)
    thread.start()
    try:
        yield taken
    finally:
        over.set()
        thread.join()


async def measure(configs: int, due: int, seconds: int) -> None:
    """Measure both and print what came of it."""
    print(f"{due:,} due each second for {seconds} s among {configs:,} configs, load {os.getloadavg()[0]:.1f}")
    figures, disk = {}, {}
    async with resources() as r:
        with watched_disk() as disk["steady"]:
            figures["steady"] = await ours(r, configs, due, seconds)
        with watched_disk() as disk["raw"]:
            figures["raw"] = await raw(r, due, seconds)
    for name, taken in figures.items():
        p50, p99, longest = (1000 * percentile(taken, share) for share in (0.5, 0.99, 1.0))
        slowest = 1000 * max(disk[name])
        aim = "   (aim: p99 50 ms)" if name == "steady" else ""
        print(
            f"{name:<8}  p50 {p50:.1f} ms   p99 {p99:.1f} ms   longest {longest:.1f} ms{aim}"
            f"   the disk's longest fsync {slowest:.1f} ms"
        )
    ratio = percentile(figures["raw"], 0.99) / percentile(figures["steady"], 0.99)
    print(f"ratio     {ratio:.2f} raw p99 / our p99")


def main() -> None:
    """Read the sizes and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--configs", type=int, default=100_000)
    parser.add_argument("--due", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--short", action="store_true", help="small and quick: shows that the bench works")
    options = parser.parse_args()
    configure_logging("console", "error")
    calm_collector()
    sizes = (2_000, 100, 3) if options.short else (options.configs, options.due, options.seconds)
    anyio.run(measure, *sizes, backend_options={"use_uvloop": True})


if __name__ == "__main__":
    main()
