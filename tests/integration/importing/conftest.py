"""One running tree for each module of tests that asks for it."""

from __future__ import annotations

from tests.support.shared_house import anyio_backend, house, shared_database

__all__ = ["anyio_backend", "house", "shared_database"]
