"""From configs as the API shows them to a file that `apply` takes and calls unchanged.

A field that has its default is left out, as a person would. What is not a file's to say is told in a comment: that a
config is paused, or in error. The text is the same for the same configs, so that a repository shows what has changed.

It is read back by YAML 1.2's words and by other programs with 1.1's, so a text that would be anything else to either of
them gets quotes: `on`, `08:00`, `2030-01-31`, and `1e3` or `0o17`, which 1.1 takes for text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from pydantic_core import PydanticUndefined, to_jsonable_python

from horarium.manifest.yaml_text import CORE_WORDS, TAG
from horarium.model import TaskConfigCreate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["SCHEMA_PATH", "as_declared", "dumped", "written"]

SCHEMA_PATH = "/horarium.schema.json"
WIDTH = 120
FIRST = ("name", "description", "task_type", "parameters", "scheduler_type", "schedule_config", "status", "queue")
FIELDS = (*FIRST, *(name for name in TaskConfigCreate.model_fields if name not in FIRST))
"""In the order in which people read them."""

CRON_PARTS = ("minute", "hour", "day", "month", "day_of_week")
SCHEDULE_FIELDS = (
    "cron_expression", *CRON_PARTS, "days", "hours", "minutes", "seconds", "anchor", "run_date", "timezone",
)  # fmt: skip


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # libyaml's where it was built in
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        """Whether equal values are written out; always: an anchor that nobody has named helps nobody."""
        return True


def _text(dumper: Any, text: str) -> Any:
    """A text of several lines as a block, where a block keeps every character of it."""
    lines = text.split("\n")
    plain = all(line.isprintable() and line == line.rstrip() for line in lines) and lines[0].strip() == lines[0] != ""
    return dumper.represent_scalar(f"{TAG}str", text, style="|" if plain and len(lines) > 1 else None)


_Dumper.add_representer(str, _text)
for _kind, _form, _first in CORE_WORDS:
    _Dumper.add_implicit_resolver(TAG + _kind, _form, _first)


def written(configs: Iterable[Mapping[str, Any]], *, url: str, source: str | None, queues: Mapping[str, str]) -> str:
    """The file; `queues` are those of the task types, where a config goes that names none."""
    head = [
        f"# yaml-language-server: $schema={url}{SCHEMA_PATH}",
        f"# Exported from {url}. `horarium apply -f` takes it.",
        *([] if source is None else [dumped({"source": source}).rstrip()]),
    ]
    body = [part for config in configs for part in _parts(config, queues)]
    return "\n".join([*head, "configs:" if body else "configs: []", *body]) + "\n"


def _parts(config: Mapping[str, Any], queues: Mapping[str, str]) -> Iterator[str]:
    if config["status"] == "paused":
        yield "# Paused here; that is not a file's to say."
    if config["status"] == "error":
        yield "# In error here: it may have to be mended before it is applied."
    yield dumped([as_declared(config, queues)]).rstrip("\n")


def as_declared(config: Mapping[str, Any], queues: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a config that have to be declared for it to be as it is."""
    status = "inactive" if config["status"] == "inactive" else "active"
    shown = {**config, "status": status}
    if queues.get(config["task_type"]) == config["queue"]:
        shown["queue"] = None
    shown["schedule_config"] = _ordered(config["schedule_config"])
    return {name: shown[name] for name in FIELDS if shown[name] != _default(name)}


def _ordered(schedule: Mapping[str, Any]) -> dict[str, Any]:
    """A schedule in the order of its fields, which the database does not keep, without those that say nothing."""
    parts = [name for name in CRON_PARTS if schedule.get(name, "*") != "*"] or [CRON_PARTS[0]]
    silent = set(CRON_PARTS) - set(parts)
    known = [name for name in SCHEDULE_FIELDS if name in schedule and name not in silent]
    return {name: schedule[name] for name in [*known, *(set(schedule) - set(SCHEDULE_FIELDS))]}


def _default(name: str) -> Any:
    field = TaskConfigCreate.model_fields[name]
    default = field.get_default(call_default_factory=True, validated_data={})
    return default if default is PydanticUndefined else to_jsonable_python(default)


def dumped(value: object) -> str:
    """A JSON value as YAML that both versions read alike."""
    return str(
        yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, default_flow_style=False, width=WIDTH)
    )
