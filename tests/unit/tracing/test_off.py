"""Horarium where OpenTelemetry is not installed."""

from __future__ import annotations

import subprocess
import sys

SOURCE = """
import sys
sys.modules["opentelemetry"] = None  # as if it were not there: no import of it, or of what is in it, succeeds
import horarium.commands.up, horarium.commands.one_worker, horarium.hosted
from horarium.errors import ConfigurationError
from horarium.tracing.starting import start_tracing
print([name for name in sys.modules if name.startswith("opentelemetry.")])
try:
    start_tracing("horarium")
except ConfigurationError as error:
    print(error)
"""


def test_without_the_extra_all_works_but_tracing_which_says_what_to_install() -> None:
    ran = subprocess.run([sys.executable, "-c", SOURCE], capture_output=True, text=True, check=True, timeout=15)  # noqa: S603 - ours

    loaded, refusal = ran.stdout.splitlines()
    assert loaded == "[]"
    assert refusal.startswith("HORARIUM_TRACING: OpenTelemetry is not there")
    assert refusal.endswith("pip install 'horarium[opentelemetry]'")
