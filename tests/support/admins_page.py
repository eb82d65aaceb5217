"""The dashboard as an admin has it open, one login for all tests of a module.

admin  module    the API, for what somebody does elsewhere
known  module    the page of an admin who has logged in
visit  function  the same, loaded anew at what happens now; a test must leave nothing on its console
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.dashboard import a_user, visiting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.support.browser import Visit
    from tests.support.processes import Client, Running

__all__ = ["admin", "known", "visit"]


@pytest.fixture(scope="module")
def admin(house: Running) -> Client:
    return house.client()


@pytest.fixture(scope="module")
def known(chromium: Browser, house: Running, admin: Client) -> Iterator[Visit]:
    with visiting(chromium, house, a_user(admin, "admin")) as made:
        yield made


@pytest.fixture
def visit(known: Visit) -> Iterator[Visit]:
    known.to("/")
    known.is_drawn()
    yield known
    known.page.unroute_all()
    known.was_quiet()
