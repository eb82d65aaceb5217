"""Commands packed by hiredis are the very bytes that redis-py packs by itself, over every kind of connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import BlockingConnectionPool
from redis.exceptions import DataError

from horarium.keyspace.packing import pack_quickly

if TYPE_CHECKING:
    from collections.abc import Sequence

URLS = ["redis://host:1/0", "rediss://host:1/0", "unix:///tmp/redis.sock"]
ARGUMENT = st.one_of(st.text(), st.binary(max_size=10_000), st.integers(), st.floats(allow_nan=False))


def packed(url: str, commands: Sequence[Sequence[Any]], *, quickly: bool) -> bytes:
    """The commands of a pipeline as they are written to the socket."""
    pool = BlockingConnectionPool.from_url(url)
    if quickly:
        pack_quickly(pool)
    return b"".join(pool.make_connection().pack_commands(commands))


@pytest.mark.parametrize("url", URLS)
@given(commands=st.lists(st.tuples(st.sampled_from(["SET", "CONFIG GET", b"XADD"]), ARGUMENT, ARGUMENT), min_size=1))
def test_they_are_the_same_bytes(url: str, commands: list[tuple[Any, ...]]) -> None:
    assert packed(url, commands, quickly=True) == packed(url, commands, quickly=False)


def test_what_cannot_be_packed_is_refused_as_before() -> None:
    with pytest.raises(DataError):
        packed(URLS[0], [("SET", "a", object())], quickly=True)
