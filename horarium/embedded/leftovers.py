"""Servers that outlived their owner.

After a kill -9 of Horarium its servers live on, and hold the data that the next start needs. They are found in the
process table, by the names of their programs and by their working directory, which for both servers is the data
directory itself. That is stronger than a pid file (which may be stale, its number given to somebody else) and also
finds the backends of a Postgres whose postmaster was killed. The pid file only says which of them to signal first. Once
none is left it is taken away: the number in it may be somebody else's by now, after a power cut or in a container that
was started anew, and Postgres would take that process for the Postgres before it, and refuse to start.

Only the holder of the data directory's lock may call this.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    import signal
    from collections.abc import Collection, Sequence
    from pathlib import Path

    import psutil  # type: ignore[import-untyped]  # ships no types

__all__ = ["stop_leftovers"]

ORPHAN_SECONDS = 2.0
"""How long processes without their main process may take to notice that and end, before they are killed."""

log = structlog.get_logger(__name__)


def stop_leftovers(
    home: Path, pidfile: Path, programs: Collection[str], stops: Sequence[tuple[signal.Signals, float]]
) -> int:
    """End every process of `programs` that works in `home`, and take away `pidfile`; returns how many there were.

    The one named by `pidfile` gets each signal of `stops` in turn, each with its seconds to end everything in order;
    what is still alive after the last is killed.
    """
    import psutil  # noqa: PLC0415  # comes with the embedded extra

    found = _living_in(home, programs)
    alive = found
    if found and (main := _main_process(found, pidfile)) is not None:
        for signum, seconds in stops:
            with suppress(psutil.NoSuchProcess):
                main.send_signal(signum)
            alive = psutil.wait_procs(alive, timeout=seconds)[1]
            if main not in alive:
                break
    alive = psutil.wait_procs(alive, timeout=ORPHAN_SECONDS)[1]
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    if not psutil.wait_procs(alive, timeout=ORPHAN_SECONDS)[1]:
        pidfile.unlink(missing_ok=True)
    if found:
        log.warning("embedded.leftover_stopped", home=str(home), processes=len(found), killed=len(alive))
    return len(found)


def _living_in(home: Path, programs: Collection[str]) -> list[psutil.Process]:
    import psutil  # noqa: PLC0415  # comes with the embedded extra

    wanted = str(home.resolve())
    return [
        process
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["cwd"] == wanted and process.info["name"] in programs
    ]


def _main_process(found: list[psutil.Process], pidfile: Path) -> psutil.Process | None:
    named = pidfile.read_text().split("\n", 1)[0].strip() if pidfile.exists() else ""
    return next((process for process in found if str(process.pid) == named), None)
