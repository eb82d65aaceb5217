"""Fixtures for every test: real servers, one of each for the session."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.support.servers import (
    database_url,
    empty_url,
    postgres_url,
    redis_db,
    redis_prefix,
    redis_url,
    server_portal,
    server_root,
    template_database,
)

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = [
    "database_url",
    "empty_url",
    "postgres_url",
    "redis_db",
    "redis_prefix",
    "redis_url",
    "server_portal",
    "server_root",
    "template_database",
]

# A machine that is busy makes nothing of ours wrong: how long hypothesis takes over an example is no finding.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")
# `--hypothesis-profile=long`: many steps, and others on every run. Here, as hypothesis looks before it imports tests.
settings.register_profile("long", max_examples=1_000, print_blob=True)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Thousands of tests are made and stay: Python need not look for garbage among them, now or between tests."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
