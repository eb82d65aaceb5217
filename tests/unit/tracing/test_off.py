"""Tracing that is off, and OpenTelemetry not installed: nothing asks for it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import horarium
from horarium.errors import ConfigurationError
from horarium.tracing.starting import start_tracing

PACKAGE = Path(horarium.__file__).parent
NEED_IT = {"tracing/places.py", "tracing/provider.py", "tracing/spans.py"}
AT_IMPORT = re.compile(
    r"^(?:from|import) (?:opentelemetry|horarium\.tracing\.(?:places|provider|spans))\b", re.MULTILINE
)


def test_nothing_imports_opentelemetry_but_what_is_asked_for_by_a_process_that_traces() -> None:
    """What stands in a function or under TYPE_CHECKING is indented."""
    importing = {
        path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if AT_IMPORT.search(path.read_text())
    }

    assert importing == NEED_IT


def test_a_switch_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "horarium.tracing.provider", None)  # as an import that fails

    with pytest.raises(ConfigurationError, match=r"pip install 'horarium\[opentelemetry\]'"):
        start_tracing("horarium")
