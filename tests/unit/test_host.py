"""The process around a tree."""

from __future__ import annotations

import time
from resource import RLIM_INFINITY, RLIMIT_NOFILE
from typing import TYPE_CHECKING, Any

import pytest

from horarium import host as host_module
from horarium.host import FILES, Host, open_more_files
from horarium.supervisor import ChildSpec, LoopRecovered, LoopStalled, StallMonitor, SupervisorSpec
from tests.support.hook import Hook

if TYPE_CHECKING:
    from horarium.supervisor import ChildContext

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize(
    ("soft", "hard", "raised"),
    [(256, RLIM_INFINITY, FILES), (1024, 524_288, FILES), (256, 1024, 1024), (8192, 8192, 8192)],
    ids=["a shell of macOS", "a shell of Linux", "no more allowed", "more already"],
)
async def test_as_many_files_may_be_open_as_we_may_need_and_are_allowed(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: int
) -> None:
    limits = {RLIMIT_NOFILE: (soft, hard)}
    monkeypatch.setattr(host_module.resource, "getrlimit", limits.__getitem__)
    monkeypatch.setattr(host_module.resource, "setrlimit", limits.__setitem__)

    open_more_files()

    assert limits[RLIMIT_NOFILE] == (raised, hard)


async def serve(context: ChildContext, *, task_status: Any) -> None:
    """Until the end."""
    task_status.started()
    await context.stopping.wait()


async def test_a_blocked_loop_is_logged_while_it_is_blocked_and_kept_among_the_recent_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hook = Hook()
    monkeypatch.setattr(host_module, "log_event", lambda _log, event, **_: hook(event))
    stalls = StallMonitor(time.monotonic, threshold=0.1, interval=0.01)
    host = Host(SupervisorSpec("root", (ChildSpec("idle", serve),)), stalls)

    async def blocks() -> None:
        hook.wait_for(LoopStalled)
        host.supervisor.stop()

    assert await host.run(blocks) == 0

    kept = [recorded.event for recorded in host.supervisor.events.recent()]
    assert {(type(event), event.supervisor) for event in kept} >= {(LoopStalled, "root"), (LoopRecovered, "root")}
