"""Makes configs of the schedules that tasks declare in their labels, once, when the process starts.

A transient child: it runs to its end and is not missed afterwards. Nothing waits for it, and a label that makes no
sense costs nothing but itself (`adopting/labels.py`). Each process does it: a declaration that changes nothing is free.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from horarium.actors.patience import patiently
from horarium.adopting.labels import Applied, Declared, declare_labels
from horarium.adopting.translating import Offer
from horarium.audit_log import Author
from horarium.errors import FieldError, InvalidInput
from horarium.model import ApplyRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from anyio.abc import TaskStatus

    from horarium.applying import Applying
    from horarium.supervisor import ChildContext
    from horarium.tasks.registry import Tasks, TaskTypes

__all__ = ["LabelSchedules"]

AUTHOR = Author("system", None, "taskiq labels", is_admin=True)
"""Whoever writes the code that runs here may have it run."""


class LabelSchedules:
    """The actor."""

    def __init__(
        self, tasks: Tasks, task_types: TaskTypes, applying: Applying, *, clock: Callable[[], datetime]
    ) -> None:
        self._tasks = tasks
        self._task_types = task_types
        self._applying = applying
        self._clock = clock

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Declare, and end."""
        task_status.started()
        await patiently(context, self.step, "label schedules")

    async def step(self) -> Declared:
        """Make the configs as the labels have them."""
        return await declare_labels(self._tasks, self._offer(), partial(_apply, self._applying), now=self._clock())

    def _offer(self) -> Offer:
        types = self._task_types.all()
        return Offer.of({"name": t.name, "parameters_schema": t.parameters_schema, "labels": t.labels} for t in types)


async def _apply(applying: Applying, body: dict[str, Any]) -> Applied:
    try:
        request = ApplyRequest.model_validate(body)
    except ValidationError as error:
        faults = (FieldError(tuple(fault["loc"]), fault["msg"]) for fault in error.errors())
        raise InvalidInput(*faults) from None
    plan = await applying.apply(request, by=AUTHOR)
    return Applied(
        [each.wanted["name"] for each in plan.creations],
        [each.wanted["name"] for each in plan.updates],
        [row["name"] for row in plan.deletions],
    )
