"""Measures what it costs to wait: CPU of a million configs of which none is due, and of a due tick among so many.

Lets the whole core of the tree run over CONFIGS configs, first without those who walk through all configs (cleanup
once an hour, the auditor when it begins to lead), then with each of them in the middle of its walk, then through the
auditor's later passes; and reads the CPU seconds of this process, of Postgres and of Redis, and our share of the
dearest second. Beside it, in the same run, a peer: what `taskiq scheduler` does each minute, which is to read every
schedule from taskiq-redis' list source. Then fires DUE configs each second among ever more of them: what a due tick
costs must not depend on how many are not due.

    idle      CPU of our process in percent of one core      aim: at most 1 %
    flat      CPU of a due tick, most configs / fewest       aim: 1; more than 1.3 would mean that idle configs cost

Prints figures; fails only when a tick has no row or two, never because a machine is slow.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from datetime import datetime
from typing import TYPE_CHECKING

import anyio
from common import Cpu, Window, check_window, core, fire, make_configs, resources, start_afresh, timed, wait_until
from taskiq import ScheduledTask
from taskiq_redis import ListRedisScheduleSource

from horarium.actors import auditor
from horarium.host import calm_collector
from horarium.logs import configure_logging

if TYPE_CHECKING:
    from common import Confirmed

    from horarium.resources import Resources

CALM = 0.05
"""Below this share of a core what a start brings with it (the loader's first comparison) is over."""

POLL_SECONDS = 60.0
"""How often `taskiq scheduler` reads every schedule, unless told otherwise."""

HEAD_START_SECONDS = 6.0


async def calm_down() -> None:
    """Wait until the start is over."""

    async def is_calm() -> bool:
        before = Cpu.now()
        await anyio.sleep(2)
        return (Cpu.now() - before).own < 2 * CALM

    await wait_until(is_calm, seconds=300)


async def spent(seconds: float) -> str:
    """The CPU of so many seconds, and ours of the dearest of them, which is asked for without a look at the servers."""
    before, began = Cpu.now(), time.monotonic()
    dearest, last = 0.0, time.process_time()
    while (passed := time.monotonic() - began) < seconds:
        await anyio.sleep(min(1.0, seconds - passed))
        now = time.process_time()
        dearest, last = max(dearest, now - last), now
    return f"{(Cpu.now() - before).shares(passed)}, ours at most {100 * dearest:.0f} % for a second"


async def idle(r: Resources, configs: int, seconds: float) -> None:
    """Print what waiting costs: while nobody walks through all configs, and with each of those who do now and then."""
    await calm_down()
    print(f"idle      {await spent(seconds)}: {configs:,} configs, nobody walks through them (aim: ours at most 1 %)")
    async with core(r, only="cleanup"):
        await anyio.sleep(1.0)
        print(f"          {await spent(seconds)}: cleanup in the middle of its walk")
    await audits(r, seconds)


async def audits(r: Resources, seconds: float) -> None:
    """Print what the auditor costs: the pass in which it reads everything, and those after it with their pauses."""

    async def is_through() -> bool:
        return r.audit.last is not None

    async with core(r, only="auditor"):
        await anyio.sleep(auditor.PASS_SECONDS)
        before, began = Cpu.now(), time.monotonic()
        await wait_until(is_through, seconds=1800, every=0.2)
        cost, took = Cpu.now() - before, time.monotonic() - began
        print(f"          {cost.shares(took)}: the auditor's first pass, all of it, in {took:.0f} s")
        print(f"          {await spent(seconds + auditor.PASS_SECONDS)}: its passes after that")


async def tick_cost(r: Resources, broker: Confirmed, due: int, seconds: int) -> tuple[float, float]:
    """CPU milliseconds of 1,000 due ticks, and the median of the seconds from tick to message."""
    window = Window.soon(due, seconds, head_start=HEAD_START_SECONDS)
    async with r.database.transaction() as connection:
        await fire(connection, window)
    await anyio.sleep(window.first.timestamp() - 0.5 - time.time())
    before = Cpu.now()

    async def all_confirmed() -> bool:
        return len(broker.at) >= window.ticks

    await wait_until(all_confirmed, seconds=seconds + 60, every=0.2)
    cost = Cpu.now() - before
    await check_window(r, window)
    return 1e6 * cost.own / window.ticks, statistics.median(broker.latencies())


async def among(r: Resources, configs: int, options: argparse.Namespace) -> float:
    """Measure with so many configs; returns the CPU milliseconds of 1,000 due ticks."""
    await start_afresh(r.database, r.redis)
    await make_configs(r.database, configs)
    began = time.perf_counter()
    async with timed(r) as (process, broker), core(process, without=("auditor", "cleanup")):
        loaded = time.perf_counter() - began
        if configs == options.sizes[-1]:
            await idle(process, configs, options.seconds)
        else:
            await calm_down()
        milliseconds, latency = await tick_cost(process, broker, options.due, options.ticks)
    print(
        f"tick      {milliseconds:.0f} ms CPU for 1,000 due ticks, sent {1000 * latency:.0f} ms after their tick"
        f" (median), {configs:,} configs, loaded in {loaded:.1f} s"
    )
    return milliseconds


async def peer(r: Resources, schedules: int) -> None:
    """Print what it costs to read every schedule, as a polling scheduler does."""
    await r.redis.flushall()
    assert r.settings.redis_url is not None
    source = ListRedisScheduleSource(r.settings.redis_url.get_secret_value(), prefix="peer", skip_past_schedules=True)
    task = ScheduledTask(task_name="echo", labels={}, args=[], kwargs={"message": "hi"}, cron="0 0 1 1 *")
    for n in range(schedules):
        await source.add_schedule(task.model_copy(update={"schedule_id": f"schedule-{n}"}))
    began, before = time.perf_counter(), Cpu.now()
    read = await source.get_schedules()
    cost, wall = Cpu.now() - before, time.perf_counter() - began
    assert len(read) == schedules
    await source.shutdown()
    print(
        f"peer      {cost.shares(POLL_SECONDS)}, taskiq reads {schedules:,} schedules once each"
        f" {POLL_SECONDS:.0f} s: {wall:.2f} s a time, what it does each second not counted"
    )


async def measure(options: argparse.Namespace) -> None:
    """Measure everything, the fewest configs first."""
    print(f"{options.due:,} due each second, load {os.getloadavg()[0]:.1f}, {datetime.now().astimezone():%F %T}")
    async with resources() as r:
        costs = [await among(r, configs, options) for configs in options.sizes]
        await peer(r, options.peer)
    print(f"flat      {costs[-1] / costs[0]:.2f}, most configs / fewest (aim: 1)")


def main() -> None:
    """Read the sizes and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--configs", type=int, default=1_000_000, help="the most; a tenth of it, and so on, are less")
    parser.add_argument("--due", type=int, default=1_000)
    parser.add_argument("--ticks", type=int, default=8, help="of each config that is due")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to be idle")
    parser.add_argument("--peer", type=int, default=100_000, help="schedules that the peer reads")
    parser.add_argument("--short", action="store_true", help="small and quick: shows that the bench works")
    options = parser.parse_args()
    if options.short:
        options.configs, options.due, options.ticks, options.seconds = 1_000, 100, 2, 2.0
        options.peer, auditor.PASS_SECONDS = 1_000, 0.5
    options.sizes = [size for n in (1000, 100, 10, 1) if (size := options.configs // n) >= options.due]
    configure_logging("console", "error")
    calm_collector()
    anyio.run(measure, options, backend_options={"use_uvloop": True})


if __name__ == "__main__":
    main()
