"""One running tree for each module of tests, and a client for its API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from horarium.settings import load_settings
from tests.support.shared_house import anyio_backend, house, shared_database

if TYPE_CHECKING:
    from pathlib import Path

    from horarium.settings import Settings
    from tests.support.tree import House

__all__ = ["anyio_backend", "house", "shared_database"]


@pytest.fixture
def settings(house: House, tmp_path: Path) -> Settings:
    """Those of a user of `house` who has not logged in yet."""
    return load_settings({"HORARIUM_API_URL": house.url, "HORARIUM_CONFIG_DIR": str(tmp_path / "config")})
