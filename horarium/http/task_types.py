"""Task types: what can be run, and which parameters each takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from horarium.http.routing import Reply, Route

if TYPE_CHECKING:
    from horarium.http.routing import Call

__all__ = ["ROUTES"]


class TaskTypeAnswer(BaseModel):
    """A registered task; `parameters_schema` is JSON Schema, `labels` are those that the task declares, as text."""

    name: str
    description: str
    queue: str
    parameters_schema: dict[str, Any]
    labels: dict[str, str]


async def list_task_types(call: Call) -> Reply:
    """Every task type of this server, by name."""
    return Reply(
        [
            TaskTypeAnswer(
                name=t.name,
                description=t.description,
                queue=t.queue,
                parameters_schema=t.parameters_schema,
                labels=t.labels,
            )
            for t in call.services.task_types.all()
        ]
    )


ROUTES = (Route("GET", "/api/v1/task-types", list_task_types, "Every task type", "viewer", list[TaskTypeAnswer]),)
