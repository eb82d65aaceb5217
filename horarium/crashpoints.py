"""Named places at which a test kills the process, to see what a death just there leaves behind.

`crashpoint("dispatcher.ticks_committed")` stands where a kill -9 would hurt most: after a commit and before anybody
was told, after a message and before its row. The name is `room.moment`: the module that says it, and what has just
been done. It is a literal, and stands in one place, so that the suite finds every name by reading the source, and
fails when one of them was never reached.

In production nothing is armed, and a call costs the turn of an empty loop. No setting, variable or request arms
anything: only code that imports this module before the program starts can, and in the package there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["arm", "crashpoint"]

_armed: list[Callable[[str], None]] = []


def crashpoint(name: str) -> None:
    """Pass a place called `name`."""
    for passed in _armed:
        passed(name)


def arm(passed: Callable[[str], None]) -> None:
    """Call `passed` with the name of every place that is passed from now on; for a test's own launcher alone."""
    _armed.append(passed)
