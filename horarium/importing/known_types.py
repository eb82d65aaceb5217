"""The task types that are there to carry tasks to, and how positional arguments become the keywords that they take.

They are those of a running Horarium, or, where none can be asked, those that this process knows. Only the first is a
complete list: a task that is missing from it cannot be carried over, one that is missing from the other may be there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from horarium.importing.carrying import CannotCarry
from horarium.tasks.registry import SHELL_COMMAND

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["KnownTypes"]


@dataclass(frozen=True, slots=True)
class KnownTypes:
    """Task types by name, each with the JSON Schema of its parameters; properties are in the signature's order."""

    schemas: Mapping[str, Mapping[str, Any]]
    complete: bool

    @classmethod
    def of(cls, listed: Iterable[Mapping[str, Any]]) -> KnownTypes:
        """The complete list that `GET /task-types` answers."""
        return cls({each["name"]: each["parameters_schema"] for each in listed}, complete=True)

    def keywords(self, task_type: str, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, object]:
        """The parameters of a call; raises CannotCarry where the task type is missing, or does not take them."""
        schema = self.schemas.get(task_type)
        if schema is None:
            self._allow_unknown(task_type, args)
            return dict(kwargs)
        names = list(schema.get("properties", {}))
        if len(args) > len(names):
            raise CannotCarry(f"has {len(args)} positional arguments; {task_type} takes {', '.join(names) or 'none'}")
        positional = dict(zip(names, args, strict=False))
        if twice := positional.keys() & kwargs.keys():
            raise CannotCarry(f"gives {', '.join(sorted(twice))} by position and by name")
        return _fitting(task_type, schema, {**positional, **kwargs})

    def _allow_unknown(self, task_type: str, args: Sequence[object]) -> None:
        if self.complete and task_type == SHELL_COMMAND:
            raise CannotCarry("shell_command is off there; HORARIUM_ALLOW_SHELL=1 turns it on")
        if self.complete:
            remedy = f'declare it with @task("{task_type}"), or name another with --task-type'
            raise CannotCarry(f"there is no task type {task_type!r}; {remedy}")
        if args:
            raise CannotCarry(
                f"has positional arguments, and the parameters of {task_type!r} are not known here; "
                "list its module in HORARIUM_TASK_MODULES, or log in where it is known"
            )


def _fitting(task_type: str, schema: Mapping[str, Any], given: dict[str, object]) -> dict[str, object]:
    """The parameters, where their names are those of the signature."""
    unknown = given.keys() - schema.get("properties", {}).keys()
    if unknown and schema.get("additionalProperties") is False:
        raise CannotCarry(f"{task_type} takes no {', '.join(sorted(unknown))}")
    if missing := set(schema.get("required", ())) - given.keys():
        raise CannotCarry(f"{task_type} needs {', '.join(sorted(missing))}")
    return given
