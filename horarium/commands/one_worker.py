"""A worker in a process of its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from horarium.commands.console import output
from horarium.commands.serving import in_passing
from horarium.host import Host
from horarium.resources import open_resources
from horarium.supervisor import StallMonitor
from horarium.tree import worker_tree

if TYPE_CHECKING:
    from horarium.settings import Settings

__all__ = ["run_worker"]


async def run_worker(settings: Settings) -> int:
    """Run it until it is stopped or drained; returns the exit code."""
    async with open_resources(settings, role="worker") as resources:

        async def when_ready() -> None:
            with in_passing():
                output.print(f"horarium worker {resources.worker_id} reads {', '.join(resources.queues)}", markup=False)

        host = Host(worker_tree(resources, supervisor=lambda: host.supervisor), StallMonitor(time.monotonic))
        return await host.run(when_ready)
