"""The Lua verbs of the due index, on a real Redis."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis

from horarium.errors import Unavailable
from horarium.keyspace.due_index import SCRIPT_ROWS, Advance, DueConfig, DueEntry, DueIndex, to_ms
from horarium.keyspace.keys import Keys
from horarium.keyspace.pool import connect
from tests.support.rig import NOON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path

    from redis.asyncio.connection import AbstractConnection

pytestmark = pytest.mark.anyio

MANY = 2 * SCRIPT_ROWS + 500
KEYS = Keys()


@pytest.fixture
async def redis(redis_db: str) -> AsyncIterator[Redis]:
    client = connect(redis_db)
    yield client
    await client.aclose()


@pytest.fixture
def index(redis: Redis) -> DueIndex:
    return DueIndex(redis, KEYS)


async def test_it_knows_which_run_of_redis_has_it(index: DueIndex, redis: Redis) -> None:
    told = await redis.info()

    assert await index.run_id() == told["run_id"]


async def test_a_redis_that_does_not_tell_of_itself_has_an_index_all_the_same(redis: Redis, redis_db: str) -> None:
    allowed = {"enabled": True, "passwords": ["+of tests"], "categories": ["+@all"], "keys": ["*"]}
    await redis.acl_setuser("untold", **allowed, commands=["-info"])
    client = Redis.from_url(redis_db, username="untold", password="of tests")
    try:
        assert await DueIndex(client, KEYS).run_id() is None
    finally:
        await client.aclose()
        await redis.acl_deluser("untold")


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def entry(config_id: int, seconds: float, *, version: int = 1, spec: bytes = b'{"name":"x"}') -> DueEntry:
    return DueEntry(config_id, version, at(seconds), spec)


async def due(index: DueIndex, now: datetime = NOON, *, passed_over: int = 0, limit: int = 100) -> list[DueConfig]:
    return await index.due(now, passed_over=passed_over, limit=limit)


# due_read


async def test_nothing_is_due_in_an_empty_index(index: DueIndex) -> None:
    assert await due(index) == []
    assert await index.next_tick() is None


async def test_what_is_due_is_read_earliest_first_with_what_it_takes_to_decide(index: DueIndex) -> None:
    await index.upsert(
        [entry(1, -1), entry(2, -2, version=5, spec=b'{"grave":"\xc3\xa9"}'), entry(3, 0), entry(4, 0.001)]
    )

    assert await due(index) == [
        DueConfig(2, at(-2), 5, b'{"grave":"\xc3\xa9"}'),
        DueConfig(1, at(-1), 1, b'{"name":"x"}'),
        DueConfig(3, at(0), 1, b'{"name":"x"}'),
    ]


async def test_ticks_are_exact_to_the_millisecond(index: DueIndex) -> None:
    await index.upsert([entry(1, 0.123)])

    assert await due(index, at(0.122999)) == []
    assert [config.tick for config in await due(index, at(0.123))] == [at(0.123)]
    assert await index.next_tick() == at(0.123)


async def test_ticks_of_any_century_come_back_as_they_were_put(index: DueIndex) -> None:
    far = NOON.replace(year=9990, microsecond=123_000)
    await index.upsert([DueEntry(1, 1, far, b"{}")])

    assert await index.ticks([1]) == {1: far}


async def test_due_configs_are_read_in_pages(index: DueIndex) -> None:
    await index.upsert([entry(n, -n) for n in range(1, 8)])

    pages = [await due(index, passed_over=passed_over, limit=3) for passed_over in (0, 3, 6, 9)]

    assert [[config.config_id for config in page] for page in pages] == [[7, 6, 5], [4, 3, 2], [1], []]


async def test_a_page_may_be_larger_than_lua_can_unpack_at_once(index: DueIndex) -> None:
    await index.upsert([entry(n, -n) for n in range(1, MANY + 1)])

    read = await due(index, limit=MANY)

    assert [config.config_id for config in read] == list(range(MANY, 0, -1))
    assert {config.spec for config in read} == {b'{"name":"x"}'}


async def test_an_entry_that_lost_its_spec_is_read_without_one(index: DueIndex, redis: Redis) -> None:
    await index.upsert([entry(1, -2), entry(2, -1)])
    await redis.hdel(KEYS.spec, "1")

    assert [(config.config_id, config.version, config.spec) for config in await due(index)] == [
        (1, 0, b""),
        (2, 1, b'{"name":"x"}'),
    ]


# due_upsert


async def test_an_entry_is_put_with_its_version(index: DueIndex) -> None:
    assert await index.upsert([entry(1, 10, version=3)]) == 1
    assert await index.versions([1, 2]) == {1: 3}
    assert await index.ticks([1, 2]) == {1: at(10)}


async def test_the_same_and_a_newer_version_overwrite(index: DueIndex) -> None:
    await index.upsert([entry(1, 10, version=3)])

    assert await index.upsert([entry(1, 20, version=3)]) == 1
    assert await index.upsert([entry(1, 30, version=4)]) == 1
    assert await index.ticks([1]) == {1: at(30)}


async def test_an_older_version_is_refused_and_the_rest_of_its_batch_is_put(index: DueIndex) -> None:
    await index.upsert([entry(1, 10, version=3)])

    assert await index.upsert([entry(1, 20, version=2), entry(2, 20)]) == 1
    assert await index.ticks([1, 2]) == {1: at(10), 2: at(20)}
    assert await index.versions([1]) == {1: 3}


async def test_a_version_of_many_digits_is_compared_as_a_number(index: DueIndex) -> None:
    await index.upsert([entry(1, 10, version=10**12)])

    assert await index.upsert([entry(1, 20, version=999_999_999_999)]) == 0
    assert await index.versions([1]) == {1: 10**12}


async def test_more_entries_than_one_call_takes_are_all_put(index: DueIndex) -> None:
    assert await index.upsert([entry(n, n) for n in range(1, MANY + 1)]) == MANY
    assert await index.size() == MANY
    assert sorted(await index.config_ids()) == list(range(1, MANY + 1))


# due_advance


async def test_a_config_moves_on_while_version_and_tick_are_as_they_were_read(index: DueIndex) -> None:
    await index.upsert([entry(1, 0)])

    assert await index.advance([Advance(1, 1, at(0), at(1.5))]) == 1
    assert await index.ticks([1]) == {1: at(1.5)}


async def test_a_config_of_another_version_stays(index: DueIndex) -> None:
    await index.upsert([entry(1, 0, version=2)])

    assert await index.advance([Advance(1, 1, at(0), at(60))]) == 0
    assert await index.ticks([1]) == {1: at(0)}


async def test_a_config_that_was_moved_meanwhile_stays(index: DueIndex) -> None:
    await index.upsert([entry(1, 5)])

    assert await index.advance([Advance(1, 1, at(0), at(60))]) == 0
    assert await index.ticks([1]) == {1: at(5)}


async def test_a_config_that_is_gone_does_not_come_back(index: DueIndex) -> None:
    assert await index.advance([Advance(1, 1, at(0), at(60))]) == 0
    assert await index.size() == 0


async def test_a_config_without_a_tick_left_is_taken_out_whole(index: DueIndex, redis: Redis) -> None:
    await index.upsert([entry(1, 0), entry(2, 0)])

    assert await index.advance([Advance(1, 1, at(0), None)]) == 1
    assert await index.config_ids() == [2]
    assert await redis.hkeys(KEYS.spec) == [b"2"]


async def test_more_moves_than_one_call_takes_are_all_made(index: DueIndex) -> None:
    await index.upsert([entry(n, 0) for n in range(1, MANY + 1)])

    assert await index.advance([Advance(n, 1, at(0), at(1)) for n in range(1, MANY + 1)]) == MANY
    assert await due(index, limit=MANY) == []


# The rest


async def test_configs_are_removed_whole_and_counted(index: DueIndex, redis: Redis) -> None:
    await index.upsert([entry(1, 0), entry(2, 0)])

    assert await index.remove([1, 7]) == 1
    assert await index.remove([]) == 0
    assert await redis.hkeys(KEYS.spec) == [b"2"]


async def test_a_config_with_half_an_entry_has_no_version(index: DueIndex, redis: Redis) -> None:
    await index.upsert([entry(1, 0), entry(2, 0)])
    await redis.zrem(KEYS.due, "1")
    await redis.hdel(KEYS.spec, "2")

    assert await index.versions([1, 2]) == {}
    assert await index.versions([]) == {}


async def listed(index: DueIndex, after: tuple[int, datetime] | None, limit: int = 10) -> list[int]:
    """The configs of a page behind this one, which fired then."""
    place = None if after is None else (after[0], to_ms(after[1]))
    return [config.config_id for config in await index.page(place, limit)]


async def test_the_whole_index_is_paged_by_tick(index: DueIndex) -> None:
    await index.upsert([entry(1, 30), entry(2, 10), entry(3, 20)])

    assert await listed(index, None, 2) == [2, 3]
    assert await listed(index, (3, at(20)), 2) == [1]
    assert await listed(index, (1, at(30)), 2) == []


async def test_a_page_has_what_it_takes_to_tell_of_a_config(index: DueIndex) -> None:
    await index.upsert([entry(1, 30)])

    (config,) = await index.page(None, 1)

    assert (config.tick, config.version, config.spec) == (at(30), 1, entry(1, 30).spec)


async def test_a_list_goes_on_behind_the_config_it_has_come_to(index: DueIndex) -> None:
    await index.upsert([entry(1, 10), entry(2, 20), entry(3, 20), entry(4, 30)])

    assert [await listed(index, (config, at(20))) for config in (2, 3)] == [[3, 4], [4]]


async def test_a_list_whose_config_has_moved_on_goes_on_where_it_was(index: DueIndex) -> None:
    await index.upsert([entry(1, 10), entry(2, 20), entry(3, 20), entry(4, 30)])
    await index.remove([1])
    await index.advance([Advance(2, 1, at(20), at(90))])

    assert [await listed(index, (config, at(tick))) for tick, config in ((10, 1), (20, 2))] == [[3, 4, 2]] * 2


async def test_nothing_is_put_out_of_a_list_by_what_moves_on_while_its_page_is_read(
    index: DueIndex, redis: Redis, redis_db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right after the first that the page asks of Redis, what was listed first moves on."""
    await index.upsert([entry(1, 10), entry(2, 20), entry(3, 30)])
    async with connect(redis_db) as other:
        answered = redis.connection_pool.release

        async def and_a_tick(connection: AbstractConnection) -> None:
            await answered(connection)
            await DueIndex(other, KEYS).advance([Advance(1, 1, at(10), at(90))])

        monkeypatch.setattr(redis.connection_pool, "release", and_a_tick)

        assert await listed(index, (2, at(20))) == [3]


async def test_a_flush_takes_the_mark_of_a_full_load_with_it(index: DueIndex, redis: Redis) -> None:
    await index.begin_load()
    begun = await index.is_loaded()
    await index.end_load()
    ended = await index.is_loaded()
    await redis.flushdb()

    assert (begun, ended, await index.is_loaded()) == (False, True, False)


async def test_a_load_that_a_flush_interrupted_does_not_count(index: DueIndex, redis: Redis) -> None:
    await index.begin_load()
    await redis.flushdb()

    assert await index.end_load() is False
    assert await index.is_loaded() is False


async def test_a_redis_that_has_forgotten_its_scripts_is_told_them_again(index: DueIndex, redis: Redis) -> None:
    await index.upsert([entry(1, -1)])
    await redis.script_flush()

    assert [config.config_id for config in await due(index)] == [1]


async def test_a_redis_that_is_away_is_unavailable(tmp_path: Path) -> None:
    nowhere = connect(f"unix://{tmp_path}/redis.sock")
    try:
        with pytest.raises(Unavailable):
            await due(DueIndex(nowhere, KEYS))
    finally:
        await nowhere.aclose()


# Those that fire before an instant


async def test_those_that_fire_before_an_instant_are_told_with_their_number(index: DueIndex) -> None:
    await index.upsert([entry(number, number) for number in range(1, 6)])

    found, total = await index.firing_before(at(4), most=10)

    assert ([each.config_id for each in found], total) == ([1, 2, 3], 3)
    assert found[0].spec == b'{"name":"x"}'


async def test_of_too_many_evenly_spread_ones_are_told(index: DueIndex) -> None:
    await index.upsert([entry(number, number) for number in range(100)])

    found, total = await index.firing_before(at(100), most=4)

    assert ([each.config_id for each in found], total) == ([0, 25, 50, 75], 100)
    assert found[-1].spec == b'{"name":"x"}'


async def test_nothing_fires_before_an_instant_in_an_empty_index(index: DueIndex) -> None:
    assert await index.firing_before(at(1), most=4) == ([], 0)
