"""Fixtures for every test: real servers, one of each for the session."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

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

    from xdist.remote import Producer

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

LOADS = (
    "test_contract_in_short.py",
    "test_crash_points_in_short.py",
    "test_faults_in_short.py",
    "test_rolling_restart_in_short.py",
    "test_slow_clients.py",
)
"""Files whose tests put a load on the machine and judge what is done under it: never two at once."""


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


class _ByFile(LoadFileScheduling):
    """A file at a time for each process, as `--dist=loadfile` has it, and the loads as if they were one file."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "the loads" if file.endswith(LOADS) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """Hand out the tests to the processes."""
    return _ByFile(config, log) if config.getvalue("dist") == "loadfile" else None
