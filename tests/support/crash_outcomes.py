"""What became of each crash point that a test file asks for: houses run side by side, and tests wait for theirs."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.support.crash_run import Outcome, Servers, killed_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyio.from_thread import BlockingPortal

    from tests.support.crash_names import Place

__all__ = ["Outcomes", "outcomes"]

LANES = 4
"""Houses at a time: most of what one does is wait."""

Outcomes = dict["Place", Future[Outcome]]


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest,
    server_portal: BlockingPortal,
    postgres_url: str,
    template_database: str,
    redis_url: str,
) -> Iterator[Outcomes]:
    """The outcome to come for each `place` that a selected test of the file has as its parameter."""
    servers = Servers(server_portal, postgres_url, template_database, redis_url)
    cases = [getattr(item, "callspec", None) for item in request.session.items if item.path == request.path]
    places = [case.params["place"] for case in cases if case is not None and "place" in case.params]
    with ThreadPoolExecutor(LANES, thread_name_prefix="house") as lanes:
        yield {place: lanes.submit(killed_at, place, servers) for place in places}
        lanes.shutdown(cancel_futures=True)
