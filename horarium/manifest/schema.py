"""The JSON Schema of horarium.yaml, for editors: what completes a field, explains it, and underlines a mistake.

It is drawn from the same model that the API reads a config by. What a schedule takes depends on its type, which the
model leaves to the schedule's own reader: here each type names its fields. A field may come from `defaults`, so that
of a config only the name is required.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

from horarium.model import TaskConfigCreate

__all__ = ["manifest_schema"]

INSTANT = {"type": "string", "description": "RFC 3339, such as 2030-01-31T09:00:00Z"}
ZONE = {"type": "string", "default": "UTC", "description": "IANA name, such as Europe/Berlin"}
CRON_PART = {"type": ["string", "integer"], "default": "*"}
AMOUNT = {"type": "number", "minimum": 0}
SCHEDULES: dict[str, dict[str, Any]] = {
    "cron": {
        "cron_expression": {"type": "string", "description": "5 fields, or 6 with seconds first; in quotes"},
        **dict.fromkeys(("minute", "hour", "day", "month", "day_of_week"), CRON_PART),
        "timezone": ZONE,
    },
    "interval": {
        **dict.fromkeys(("days", "hours", "minutes", "seconds"), AMOUNT),
        "anchor": {**INSTANT, "description": "A tick, from which all others are counted; with an offset"},
    },
    "date": {"run_date": INSTANT, "timezone": ZONE},
    "manual": {},
}


@cache
def manifest_schema() -> dict[str, Any]:
    """The schema; not to be changed."""
    config = TaskConfigCreate.model_json_schema()
    definitions = config.pop("$defs", {})
    config |= {"required": ["name"], "description": "A task config, whole: what is left out has its default."}
    config["properties"]["schedule_config"] |= {"description": "When it is due; what it takes depends on the type."}
    defaults = deepcopy(config) | {"title": "Defaults", "description": "What each config has that does not say it."}
    del defaults["required"]
    config["allOf"] = [_of_kind(kind, fields) for kind, fields in SCHEDULES.items()]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "horarium.yaml",
        "description": "Task configs as they are to be; `horarium apply -f` makes them so.",
        "type": "object",
        "properties": {
            "source": {"type": "string", "description": "Who declares these configs; --prune removes only theirs."},
            "defaults": {"$ref": "#/$defs/Defaults"},
            "configs": {"type": "array", "items": {"$ref": "#/$defs/Config"}},
        },
        "patternProperties": {"^x-": {"description": "For anchors to stand at; nobody reads it."}},
        "additionalProperties": False,
        "required": ["configs"],
        "$defs": {**definitions, "Config": config, "Defaults": defaults},
    }


def _of_kind(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    schedule = {"type": "object", "properties": fields, "additionalProperties": False}
    return {
        "if": {"properties": {"scheduler_type": {"const": kind}}, "required": ["scheduler_type"]},
        "then": {"properties": {"schedule_config": schedule}},
    }
