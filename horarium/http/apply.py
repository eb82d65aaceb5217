"""Task configs declared all at once: what is not as it is declared is changed, and the answer says what that was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from horarium.advice import Saved
from horarium.http.routing import Reply, Route
from horarium.manifest import SCHEMA_PATH, manifest_schema
from horarium.model import AppliedWarning, ApplyRequest, ConfigChange, ConfigsApplied, FieldChange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from horarium.advice import Advisor
    from horarium.declared import Creation, Plan, Update
    from horarium.http.routing import Call

__all__ = ["ROUTES"]

BODY_LIMIT_BYTES = 16 * 1024 * 1024
"""Some twenty thousand configs of the usual size."""

BODY_SECONDS = 30.0


async def apply_configs(call: Call) -> Reply:
    """Make the configs as they are declared, all or nothing."""
    body: ApplyRequest = call.body
    plan = await call.services.applying.apply(body, by=call.author)
    warnings = await _warnings(plan, call.services.advisor)
    return Reply(
        ConfigsApplied(
            dry_run=body.dry_run,
            created=[each.wanted["name"] for each in plan.creations],
            updated=[each.wanted["name"] for each in plan.updates],
            deleted=[row["name"] for row in plan.deletions],
            unchanged=plan.unchanged,
            changes=list(_changes(plan)),
            warnings=warnings,
        )
    )


def _changes(plan: Plan) -> Iterator[ConfigChange]:
    for creation in plan.creations:
        yield ConfigChange(name=creation.wanted["name"], action="create")
    for update in plan.updates:
        yield ConfigChange(name=update.wanted["name"], action="update", fields=_fields(update))
    for row in plan.deletions:
        yield ConfigChange(name=row["name"], action="delete")


def _fields(update: Update) -> dict[str, FieldChange]:
    return {name: FieldChange(before=update.old[name], after=update.wanted[name]) for name in update.fields}


async def manifest_schema_document(_call: Call) -> Reply:
    """The JSON Schema of horarium.yaml, for editors."""
    return Reply(manifest_schema())


async def _warnings(plan: Plan, advisor: Advisor) -> list[AppliedWarning]:
    """What may surprise about the configs that are made or changed; a last one says if not all were looked at."""
    changed: list[Creation | Update] = [*plan.creations, *plan.updates]
    changed.sort(key=lambda each: each.index)
    found = await advisor.of(*(Saved(each.wanted, None if each.old is None else each.old["id"]) for each in changed))
    warnings = [
        AppliedWarning(
            loc=["configs", each.index, *warning.loc], msg=warning.msg, code=warning.code, name=each.wanted["name"]
        )
        for each, of_one in zip(changed, found, strict=False)
        for warning in of_one
    ]
    if len(found) < len(changed):
        message = f"{len(changed) - len(found)} of {len(changed)} configs were not looked at for warnings: too many"
        warnings.append(AppliedWarning(loc=["configs"], msg=message, code="not_looked_at"))
    return warnings


ROUTES = (
    Route(
        "POST", "/api/v1/task-configs/apply", apply_configs, "Make configs as they are declared", "operator",
        ConfigsApplied, dry_role="viewer", body=ApplyRequest, body_limit=BODY_LIMIT_BYTES, body_seconds=BODY_SECONDS,
    ),
    Route("GET", SCHEMA_PATH, manifest_schema_document, "The JSON Schema of horarium.yaml", None, dict[str, Any]),
)  # fmt: skip
