from __future__ import annotations

from tests.support.rig import anyio_backend, emptied_ledger, migrated_database, own_rig, rig
from tests.support.streams import quick_orphans, redis

__all__ = ["anyio_backend", "emptied_ledger", "migrated_database", "own_rig", "quick_orphans", "redis", "rig"]
