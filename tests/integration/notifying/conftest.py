from __future__ import annotations

from tests.support.rig import anyio_backend, emptied_ledger, migrated_database, rig

__all__ = ["anyio_backend", "emptied_ledger", "migrated_database", "rig"]
