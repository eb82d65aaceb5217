"""HEAD: the head of what GET would answer, for whoever only asks whether it is there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from horarium.http.app import ROUTES

if TYPE_CHECKING:
    from tests.support.tree import House

pytestmark = pytest.mark.anyio

STREAM = "/api/v1/events"
READS = [re.sub(r"\{[^}]*\}+", "1", route.path) for route in ROUTES if route.method == "GET" and route.path != STREAM]


@pytest.mark.parametrize("path", [*READS, "/docs", "/docs/page.css"])
async def test_what_is_read_by_get_is_answered_to_head_without_its_content(house: House, path: str) -> None:
    read = await house.call("GET", path)

    asked = await house.call("HEAD", path)

    assert (asked.status, asked.body) == (read.status, None)
    assert asked.headers["Content-Type"] == read.headers["Content-Type"]
    assert int(asked.headers["Content-Length"]) > 0


async def test_head_takes_no_token_fewer_than_get(house: House) -> None:
    asked = await house.call("HEAD", "/api/v1/users", token=None)

    assert asked.status == 401


async def test_a_stream_which_never_ends_is_not_answered_to_head(house: House) -> None:
    asked = await house.call("HEAD", STREAM)

    assert (asked.status, asked.headers["Allow"]) == (405, "GET")
