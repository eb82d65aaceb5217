"""Tracing that is off: nothing of OpenTelemetry is there, and the plain parts are at work."""

from __future__ import annotations

import subprocess
import sys

SOURCE = """
import sys
import horarium.commands.up, horarium.commands.one_worker, horarium.hosted, horarium.tasks.traced, horarium.http.traced
print([name for name in sys.modules if name.partition(".")[0] == "opentelemetry"])
"""


def test_what_runs_a_supervisor_or_a_worker_imports_nothing_of_opentelemetry() -> None:
    """So nothing can be made or sent; it is there for the tests, and a process whose settings ask for it."""
    ran = subprocess.run([sys.executable, "-c", SOURCE], capture_output=True, text=True, check=True, timeout=15)  # noqa: S603 - ours

    assert ran.stdout == "[]\n"
