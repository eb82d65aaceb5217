"""Where a task stands: the stack of whoever hangs or will not stop, for the log.

Python's own `Task.get_stack` ends at the first `await`. A coroutine, though, knows what it awaits, and so on down to
what it is stuck in; and a child that hangs often hangs in a task of a group of its own. So the whole family is shown,
on any backend of anyio. Source lines only: local variables may hold secrets.
"""

from __future__ import annotations

from traceback import StackSummary
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from anyio import TaskInfo

__all__ = ["stack_of"]

MAX_TASKS = 20
MAX_FRAMES = 50


def stack_of(task: TaskInfo) -> str:
    """Return the stack of a task and of the tasks below it, each under its name, outermost call first."""
    family = _family(task, anyio.get_running_tasks())
    shown = [f'Task "{member.name}":\n{_formatted(member.coro)}' for member in family[:MAX_TASKS]]
    if len(family) > MAX_TASKS:
        shown.append(f"and {len(family) - MAX_TASKS} more tasks\n")
    return "".join(shown).rstrip()


def _family(task: TaskInfo, everybody: Sequence[TaskInfo]) -> list[TaskInfo]:
    family = [task]
    for member in family:
        family += [other for other in everybody if other.parent_id == member.id]
    return family


def _formatted(coroutine: Any) -> str:
    return "".join(StackSummary.extract(_frames(coroutine), limit=-MAX_FRAMES).format())


def _frames(awaited: Any) -> Iterator[tuple[FrameType, int]]:
    while awaited is not None:
        kind = next((kind for kind in ("cr", "gi", "ag") if hasattr(awaited, f"{kind}_frame")), None)
        frame: FrameType | None = None if kind is None else getattr(awaited, f"{kind}_frame")
        if frame is None:
            return
        yield frame, frame.f_lineno
        awaited = getattr(awaited, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
