"""The page that documents the API, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from horarium.http.app import ROUTES
from tests.support.browser import NEEDS_BROWSER, Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.support.processes import Running

pytestmark = [NEEDS_BROWSER, pytest.mark.timeout(300)]


def test_a_browser_draws_every_operation_and_asks_no_other_host(chromium: Browser, house: Running) -> None:
    with Visit.of(chromium, house.url, provokes="favicon") as visit:
        visit.to("/docs")

        expect(visit.page.locator(".operation")).to_have_count(len(ROUTES))
        drawn = visit.page.locator(".operation").evaluate_all("all => all.map(each => each.id)")

    assert sorted(drawn) == sorted(route.handler.__name__ for route in ROUTES)
