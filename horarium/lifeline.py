"""How a child process learns that its parent is gone: a pipe whose writing end only the parent holds, and never uses.

A parent that ends, by whatever cause, `kill -9` included, closes its end; the child reads that end of file in a
thread of its own, so that a blocked event loop does not keep it from hearing. It then stops as at a SIGTERM, with all
that it gives back, and if that takes longer than it may, it is killed: nobody is left to do that from outside.
"""

from __future__ import annotations

import os
import signal
import threading

import structlog

__all__ = ["end_with_parent"]

log = structlog.get_logger(__name__)


def end_with_parent(lifeline: int, *, stop_seconds: float) -> None:
    """From now on stop this process when the other end of the pipe `lifeline` closes; kill it `stop_seconds` later."""
    os.set_inheritable(lifeline, False)
    threading.Thread(target=_hold, args=(lifeline, stop_seconds), name="lifeline", daemon=True).start()


def _hold(lifeline: int, stop_seconds: float) -> None:
    while os.read(lifeline, 1):
        pass
    log.warning("parent.gone", stop_seconds=stop_seconds)
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(stop_seconds)
    os.kill(os.getpid(), signal.SIGKILL)
