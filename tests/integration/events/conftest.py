"""One running tree for each module of tests."""

from __future__ import annotations

from tests.support.rig import emptied_ledger, migrated_database
from tests.support.shared_house import anyio_backend, house, shared_database

__all__ = ["anyio_backend", "emptied_ledger", "house", "migrated_database", "shared_database"]
