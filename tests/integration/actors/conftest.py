from __future__ import annotations

from tests.support.rig import anyio_backend, emptied_ledger, migrated_database, own_rig, relayed_rig, rig
from tests.support.scenes import in_silence

__all__ = ["anyio_backend", "emptied_ledger", "in_silence", "migrated_database", "own_rig", "relayed_rig", "rig"]
