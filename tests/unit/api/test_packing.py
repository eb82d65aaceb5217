"""Answers are packed for those who take them so, if they are long, and whoever does not is answered all the same."""

from __future__ import annotations

import gzip

import pytest
from aiohttp.test_utils import make_mocked_request

from horarium.http.app import ROUTES
from horarium.http.packing import LEAST_BYTES, fitting, takes_gzip
from horarium.packing import Packed

LONG = b"[" + b"1234, " * LEAST_BYTES + b"5]"
SHORT = b"[1]"
BROWSER = {"Accept-Encoding": "gzip, deflate, br, zstd"}


@pytest.mark.parametrize(
    "accepted", ["gzip", "gzip, deflate, br", "br;q=1.0, gzip;q=0.5", "*", "GZIP", "identity, *;q=0.1"]
)
def test_gzip_is_sent_to_whoever_takes_it(accepted: str) -> None:
    assert takes_gzip(accepted)


@pytest.mark.parametrize(
    "accepted",
    ["", "identity", "deflate, br", "gzip;q=0", "gzip; q=0.000", "x-gzip", "*;q=0", "gzip;q=0, *", "*, gzip;q=0"],
)
def test_gzip_is_sent_to_nobody_else(accepted: str) -> None:
    assert not takes_gzip(accepted)


def test_a_long_answer_is_packed_and_says_so() -> None:
    body, fields = fitting(make_mocked_request("GET", "/", BROWSER), LONG)

    assert (gzip.decompress(body), len(body) < len(LONG) / 5) == (LONG, True)
    assert fields == {"Vary": "Accept-Encoding", "Content-Encoding": "gzip"}


def test_a_long_answer_is_sent_as_it_is_where_nothing_is_said() -> None:
    assert fitting(make_mocked_request("GET", "/"), LONG) == (LONG, {"Vary": "Accept-Encoding"})


def test_a_short_answer_whose_length_would_tell_of_a_secret_is_never_packed() -> None:
    assert fitting(make_mocked_request("GET", "/", BROWSER), SHORT) == (SHORT, {})


@pytest.mark.anyio
async def test_the_document_of_the_api_is_packed_once_since_anybody_may_ask_for_it() -> None:
    first, second = [await ROUTES[-1].handler(None) for _ in range(2)]

    assert isinstance(first.content, Packed)
    assert first.content is second.content


def test_what_is_sent_to_many_is_packed_once() -> None:
    file = Packed(SHORT)

    bodies = [fitting(make_mocked_request("GET", "/", BROWSER), file)[0] for _ in range(2)]

    assert bodies[0] is bodies[1]
    assert gzip.decompress(bodies[0]) == SHORT
