"""Calls as bytes: what is told of an exception of the other process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from horarium.tasks.packed import call_packed, packed, unpacked
from horarium.tracing import within
from horarium.tracing.within import Within

if TYPE_CHECKING:
    from collections.abc import Callable


def breaks() -> None:
    """Break."""
    raise ValueError("no")


@pytest.mark.parametrize("function", [breaks, Within(breaks, None)], ids=["untraced", "traced"])
def test_a_traceback_begins_with_the_function(function: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(within, "_start_here", lambda: None)

    with pytest.raises(ValueError, match="no") as raised:
        unpacked(call_packed(packed(function, (), {})))

    assert str(raised.value.__cause__).splitlines()[1].endswith(", in breaks")
