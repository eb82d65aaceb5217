"""The process around a tree."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from horarium import host as host_module
from horarium.host import Host
from horarium.supervisor import ChildSpec, LoopRecovered, LoopStalled, StallMonitor, SupervisorSpec
from tests.support.hook import Hook

if TYPE_CHECKING:
    from horarium.supervisor import ChildContext

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def serve(context: ChildContext, *, task_status: Any) -> None:
    """Until the end."""
    task_status.started()
    await context.stopping.wait()


async def test_a_blocked_loop_is_logged_while_it_is_blocked_and_kept_among_the_recent_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hook = Hook()
    monkeypatch.setattr(host_module, "log_event", lambda _log, event: hook(event))
    stalls = StallMonitor(time.monotonic, threshold=0.1, interval=0.01)
    host = Host(SupervisorSpec("root", (ChildSpec("idle", serve),)), stalls)

    async def blocks() -> None:
        hook.wait_for(LoopStalled)
        host.supervisor.stop()

    assert await host.run(blocks) == 0

    kept = [recorded.event for recorded in host.supervisor.events.recent()]
    assert {(type(event), event.supervisor) for event in kept} >= {(LoopStalled, "root"), (LoopRecovered, "root")}
