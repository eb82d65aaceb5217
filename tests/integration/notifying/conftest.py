from __future__ import annotations

from tests.support.notified import desk
from tests.support.rig import anyio_backend, emptied_ledger, migrated_database, rig

__all__ = ["anyio_backend", "desk", "emptied_ledger", "migrated_database", "rig"]
