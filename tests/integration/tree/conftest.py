from __future__ import annotations

from typing import Any

import pytest

from tests.support.rig import emptied_ledger, migrated_database

__all__ = ["anyio_backend", "emptied_ledger", "migrated_database"]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}
