"""Configs that are declared over a rig, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from horarium.audit_log import Author
from horarium.model import ApplyRequest

if TYPE_CHECKING:
    from horarium.declared import Plan
    from tests.support.rig import Rig

__all__ = ["EVERY_SECOND", "HOURLY", "OPERATOR", "PAST", "apply", "declared", "done", "id_of", "posting"]

OPERATOR = Author("user", None, "an operator")
EVERY_SECOND = {"scheduler_type": "cron", "schedule_config": {"cron_expression": "* * * * * *"}}
HOURLY = {"scheduler_type": "interval", "schedule_config": {"hours": 1}}
PAST = {"scheduler_type": "date", "schedule_config": {"run_date": "2020-01-01T00:00:00Z"}}


def declared(name: str, **fields: object) -> dict[str, Any]:
    return {"name": name, "task_type": "echo", "parameters": {"message": "hello"}, **EVERY_SECOND, **fields}


def posting(name: str, body: object) -> dict[str, Any]:
    parameters = {"method": "POST", "url": "https://example.org", "body": body}
    return declared(name, task_type="http_request", parameters=parameters)


async def apply(rig: Rig, *configs: dict[str, Any], by: Author = OPERATOR, **how: object) -> Plan:
    return await rig.applying.apply(ApplyRequest.model_validate({"configs": configs, **how}), by=by)


def done(plan: Plan) -> tuple[list[str], list[str], list[str], list[str]]:
    """The names created, updated, deleted and left alone."""
    created = [each.wanted["name"] for each in plan.creations]
    updated = [each.old["name"] for each in plan.updates]
    return created, updated, [row["name"] for row in plan.deletions], plan.unchanged


async def id_of(rig: Rig, name: str) -> int:
    return int(await rig.sql("SELECT id FROM task_configs WHERE name = $1 AND deleted_at IS NULL", name))
