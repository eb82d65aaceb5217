"""`horarium`, killed at a crash point: `python -m tests.support.crashing NAME NTH MARK -- up --port 0`.

When the place NAME is passed for the NTH time, not counting passes at which a death would prove nothing
(`crash_leavings.py`), a line goes to the file MARK (name, pass, pid, Unix seconds), is on the
disk, and then the process kills itself as `kill -9` does: no handler runs, nothing is flushed, every socket closes.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from horarium.cli import main
from horarium.crashpoints import arm
from tests.support.crash_leavings import leaves
from tests.support.crash_names import in_the_package

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["kill_at"]


def kill_at(name: str, nth: int, mark: str, counts: Callable[[], bool] = lambda: True) -> None:
    """Arm the place; a pass counts if `counts` says so."""
    passes = 0

    def passed(place: str) -> None:
        nonlocal passes
        if place != name or not counts():
            return
        passes += 1
        if passes == nth:
            _leave(mark, f"{name} {nth} {os.getpid()} {time.time():.6f}\n")
            os.kill(os.getpid(), signal.SIGKILL)

    arm(passed)


def _leave(mark: str, line: str) -> None:
    file = os.open(mark, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, line.encode())
    os.fsync(file)
    os.close(file)


if __name__ == "__main__":
    name, nth, mark, _, *arguments = sys.argv[1:]
    if name not in {place.name for place in in_the_package()}:
        sys.stderr.write(f"no crash point is called {name}\n")
        sys.exit(2)
    kill_at(name, int(nth), mark, leaves(name, os.environ.get("HORARIUM_DATABASE_URL", "")))
    sys.argv = ["horarium", *arguments]
    main()
