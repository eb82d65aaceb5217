"""`horarium up` in processes of their own: one for the tests that only use it, new ones for those that end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.browser import chromium
from tests.support.processes import Client, Running, horarium
from tests.support.servers import temporary_data_dir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["admin", "chromium", "data_dir", "house"]


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with temporary_data_dir() as path:
        yield path


@pytest.fixture(scope="session")
def house() -> Iterator[Running]:
    """An embedded Horarium that every test shares which leaves it running; with tasks for a night and of every kind."""
    modules = "tests.support.night,tests.support.form_tasks"
    with temporary_data_dir() as path, horarium(path, task_modules=modules) as started:
        yield started


@pytest.fixture
def admin(house: Running) -> Iterator[Client]:
    """The admin of `house`, logged in anew, which ends the login before; what it has let tick stops with the test."""
    client = house.client()
    yield client
    if client.ticking:
        client.log_in()
    for config in client.ticking:
        assert client.call("POST", f"/task-configs/{config}/stop").status in (200, 404, 409)
