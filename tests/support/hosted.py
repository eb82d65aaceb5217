"""A tree of one child in a process of its own, to see how that ends: `python hosted.py KIND`.

`willing` ends when it is asked to stop; `drains` works on then, and ends when it is cancelled; `stubborn` ignores its
cancellation too; `doomed` crashes whenever it is ready.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import Any

import anyio

from horarium.host import Host
from horarium.logs import configure_logging
from horarium.supervisor import ChildContext, ChildSpec, StallMonitor, SupervisorSpec


async def child(context: ChildContext, *, kind: str, task_status: Any) -> None:
    """Work until the end that this kind comes to."""
    context.working_on("the last invoice")
    task_status.started()
    if kind == "doomed":
        raise ValueError("an invoice that nobody can read")
    if kind == "willing":
        await context.stopping.wait()
        return
    with anyio.CancelScope(shield=kind == "stubborn"):
        await anyio.sleep_forever()


async def main(kind: str) -> int:
    """Host it."""

    async def when_ready() -> None:
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    spec = ChildSpec("clerk", partial(child, kind=kind), drain=60.0, shutdown=0.5)
    host = Host(SupervisorSpec("root", (spec,), intensity=2), StallMonitor(time.monotonic))
    return await host.run(when_ready)


if __name__ == "__main__":
    configure_logging("json", "info")
    sys.exit(anyio.run(main, sys.argv[1]))
