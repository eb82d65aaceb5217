"""A worker that is to begin nothing more: what waits for its turn goes back to the broker, what runs goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from horarium.tasks.stream_broker import GROUP, NOBODY
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.workbench import Workbench

pytestmark = pytest.mark.anyio


async def in_hand(bench: Workbench, count: int) -> None:
    """Wait until the worker has so many messages in hand."""

    async def so_many() -> bool:
        return bench.receiver.active == count

    await eventually(so_many)


async def given_back(bench: Workbench) -> int:
    """How many messages are held by nobody."""
    summary = cast("dict[str, Any]", await bench.broker._redis.xpending(bench.broker._streams[0], GROUP))
    held = {each["name"]: int(each["pending"]) for each in summary["consumers"]}
    return held.get(NOBODY.encode(), 0)


async def test_a_plain_function_that_waits_for_its_process_is_given_back_and_the_one_that_runs_goes_on(
    bench: Workbench, tmp_path: Path
) -> None:
    """There is one process for such functions on this bench."""
    running = await bench.running("test.plain_forever", tmp_path / "pid")
    waiting = await bench.row("test.plain_forever", {"mark": str(tmp_path / "other")})
    await bench.send(waiting)
    await in_hand(bench, 2)

    bench.receiver.give_back()
    await in_hand(bench, 1)

    assert (await bench.read(running))["status"] == "running"
    assert (await bench.read(waiting))["attempt"] == 1
    assert (await bench.read(waiting))["started_at"] is None
    assert await given_back(bench) == 1


async def test_what_waits_behind_the_fence_is_given_back(bench: Workbench) -> None:
    bench.receiver.fence()
    waiting = await bench.row("echo", {"message": "later"})
    await bench.send(waiting)
    await in_hand(bench, 1)

    bench.receiver.give_back()
    await in_hand(bench, 0)

    assert await given_back(bench) == 1


async def test_what_still_arrives_is_not_begun(bench: Workbench) -> None:
    bench.receiver.give_back()
    late = await bench.row("echo", {"message": "late"})
    await bench.send(late)

    async def turned_away() -> bool:
        return await given_back(bench) == 1

    await eventually(turned_away)
    assert (await bench.read(late))["started_at"] is None


async def test_a_worker_that_takes_again_begins_what_arrives(bench: Workbench) -> None:
    bench.receiver.give_back()
    await bench.receiver.hand_back_all()
    bench.receiver.take()

    assert (await bench.run("echo", {"message": "again"}))["status"] == "success"


async def test_a_worker_is_idle_when_nothing_is_in_hand(bench: Workbench, tmp_path: Path) -> None:
    await bench.running("test.waits_for", tmp_path / "mark", {"path": str(tmp_path / "go")})
    (tmp_path / "go").write_text("go")

    await bench.receiver.idle()

    assert bench.receiver.active == 0
