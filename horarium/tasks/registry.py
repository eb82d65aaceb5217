"""Task types: the taskiq tasks this process knows, and the schema that each one's signature implies.

`task` puts a function into taskiq's own shared registry, so a module of tasks needs no broker to be imported and an
existing taskiq task is a task type without a change. Parameters are checked against the signature when a config is
saved, strictly: a number that came as text is refused then, and not discovered by a worker at night.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

import orjson
import structlog
from pydantic import BaseModel, ConfigDict, PydanticUserError, ValidationError, create_model
from taskiq import AsyncBroker, Context, TaskiqDepends, async_shared_broker
from taskiq_dependencies.dependency import Dependency

from horarium.errors import MOST_FAULTS, ConfigurationError, FieldError, InvalidInput, NotFound, unknown_field

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from taskiq.decor import AsyncTaskiqDecoratedTask

__all__ = [
    "DEFAULT_QUEUE",
    "SHELL_COMMAND",
    "TaskType",
    "TaskTypes",
    "Tasks",
    "import_task_modules",
    "look_in_current_directory",
    "task",
]

log = structlog.get_logger(__name__)

Tasks = Mapping[str, "AsyncTaskiqDecoratedTask[Any, Any]"]
"""taskiq's tasks by name, as a broker has them."""

DEFAULT_QUEUE = "default"
OWN_LABELS = ("admin_only", "queue", "schedule", "types_of_exceptions")
"""Labels that mean something where the task is declared, and nothing on its messages."""

SHELL_COMMAND = "shell_command"


def task(
    name: str | None = None, *, queue: str = DEFAULT_QUEUE, admin_only: bool = False, **labels: Any
) -> Callable[..., Any]:
    """Declare a task type: `@task("reports.send_daily")` above a function, `async def` or plain.

    `name` defaults to `module:function`; `queue` is where its configs go unless they say otherwise; `admin_only`
    leaves it to administrators to say with which parameters it runs. A parameter whose type is `Context` is filled in.
    Raises ConfigurationError when another function already has the name.
    """

    def declare(function: Callable[..., Any]) -> AsyncTaskiqDecoratedTask[Any, Any]:
        known = AsyncBroker.global_task_registry.get(name or "")
        if known is not None and inspect.unwrap(known.original_func).__module__ != function.__module__:
            raise ConfigurationError(f"two functions are declared as task {name!r}; rename one")
        _inject_contexts(function)
        return async_shared_broker.task(task_name=name, queue=queue, admin_only=admin_only, **labels)(function)

    return declare


def _inject_contexts(function: Callable[..., Any]) -> None:
    """Write of each parameter that is a `Context` what taskiq fills it in by, as nothing else can be meant."""
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError:  # a name that the module has yet to define; whoever reads the signature later says so, if ever
        return
    for name, parameter in inspect.signature(function).parameters.items():
        hint = hints.get(name)
        if inspect.isclass(hint) and issubclass(hint, Context) and parameter.default is inspect.Parameter.empty:
            function.__annotations__[name] = Annotated[hint, TaskiqDepends()]


def look_in_current_directory() -> None:
    """Let modules of the current directory be imported; last, so that none can stand before the standard library."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)


def import_task_modules(modules: Sequence[str]) -> None:
    """Import the built-in task types and the user's own, which may lie in the current directory.

    Raises ConfigurationError that names the module at fault.
    """
    importlib.import_module("horarium.tasks.builtin")
    importlib.import_module("horarium.tasks.shell")
    if modules:
        look_in_current_directory()
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:
            kind = type(error).__name__
            raise ConfigurationError(f"HORARIUM_TASK_MODULES: cannot import {module}: {kind}: {error}") from error


@dataclass(frozen=True, slots=True)
class TaskType:
    """A registered task, as the API shows it; the schema is JSON Schema, drawn from the signature.

    `labels` are those that the task declares itself, as text, less what is Horarium's own to read.
    """

    name: str
    description: str
    queue: str
    admin_only: bool
    parameters: type[BaseModel]
    parameters_schema: dict[str, Any]
    labels: dict[str, str] = field(default_factory=dict)

    def check(self, parameters: Mapping[str, object]) -> None:
        """Raise InvalidInput that names the parameters which do not fit the signature, the first fifty of them."""
        self._refuse_a_flood(parameters)
        try:
            text = orjson.dumps(parameters)
        except orjson.JSONEncodeError as error:  # it reads a thousand levels, and writes a quarter of that
            fault = f"is too deeply nested, or holds a number past 64 bits ({error})"
            raise InvalidInput(FieldError(("parameters",), fault)) from None
        try:
            self.parameters.model_validate_json(text, strict=True)
        except ValidationError as error:
            raise InvalidInput(*map(self._field_error, error.errors()[:MOST_FAULTS])) from None

    def _refuse_a_flood(self, parameters: Mapping[str, object]) -> None:
        """Refuse what has more unknown names than are told: pydantic makes an error of each, and that for seconds."""
        known = self.parameters.model_fields
        unknown = [name for name in parameters if name not in known]
        if len(unknown) > MOST_FAULTS and self.parameters.model_config.get("extra") == "forbid":
            told = unknown[:MOST_FAULTS]
            raise InvalidInput(*(FieldError(("parameters", name), unknown_field(name, known)) for name in told))

    def _field_error(self, fault: Any) -> FieldError:
        loc, message = fault["loc"], fault["msg"]
        if fault["type"] == "extra_forbidden" and len(loc) == 1:
            message = unknown_field(str(loc[0]), self.parameters.model_fields)
        return FieldError(("parameters", *loc), message)


class TaskTypes:
    """Every task type of this process, by name; `shell_command` only where it is allowed.

    `queue_of` says of an adopted app which queue a task's labels lead to. A task whose parameters cannot come from JSON
    is a ConfigurationError; of an adopted app, which may well kick such a task itself, it is left out and logged.
    """

    def __init__(
        self,
        tasks: Tasks | None = None,
        *,
        allow_shell: bool = False,
        queue_of: Callable[[Mapping[str, Any]], str] | None = None,
    ) -> None:
        known = AsyncBroker.global_task_registry if tasks is None else tasks
        self._types: dict[str, TaskType] = {}
        for name in sorted(name for name in known if allow_shell or name != SHELL_COMMAND):
            try:
                self._types[name] = _task_type(name, known[name], queue_of or _queue_of)
            except ConfigurationError as error:
                if queue_of is None:
                    raise
                log.warning("task_type.left_out", task_type=name, error=str(error))

    def all(self) -> tuple[TaskType, ...]:
        """Every task type, by name."""
        return tuple(self._types.values())

    def get(self, name: str) -> TaskType:
        """The task type; raises NotFound."""
        try:
            return self._types[name]
        except KeyError:
            raise NotFound("task type", name) from None


def _queue_of(labels: Mapping[str, Any]) -> str:
    return str(labels.get("queue", DEFAULT_QUEUE))


def _task_type(
    name: str, declared: AsyncTaskiqDecoratedTask[Any, Any], queue_of: Callable[[Mapping[str, Any]], str]
) -> TaskType:
    """The task type of a task; raises ConfigurationError that names a parameter which cannot come from JSON."""
    parameters = _parameters_model(name, declared.original_func)
    return TaskType(
        name=name,
        description=inspect.getdoc(declared.original_func) or "",
        queue=queue_of(declared.labels),
        admin_only=bool(declared.labels.get("admin_only", False)),
        parameters=parameters,
        parameters_schema=parameters.model_json_schema(),
        labels={label: str(value) for label, value in declared.labels.items() if label not in OWN_LABELS},
    )


def _parameters_model(name: str, function: Callable[..., Any]) -> type[BaseModel]:
    """A pydantic model with a field for each parameter that a config can give."""
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    extra: Any = "forbid"
    for parameter in inspect.signature(function).parameters.values():
        hint = hints.get(parameter.name, Any)
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            extra = "allow"
        elif parameter.kind is not inspect.Parameter.VAR_POSITIONAL and not _is_injected(parameter, hint):
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            fields[parameter.name] = (hint, default)
            _require_json(name, parameter.name, fields)
    return create_model(name, __config__=ConfigDict(extra=extra), **fields)


def _require_json(name: str, parameter: str, fields: Mapping[str, Any]) -> None:
    """Each parameter alone: a model of all of them fails without a word of which."""
    try:
        create_model(name, **{parameter: fields[parameter]}).model_json_schema()
    except PydanticUserError as error:
        why = error.message.partition("\n")[0]
        raise ConfigurationError(f"task {name}: parameter {parameter} cannot come from JSON: {why}") from error


def _is_injected(parameter: inspect.Parameter, hint: object) -> bool:
    """Whether taskiq fills the parameter in itself (`TaskiqDepends`)."""
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return any(isinstance(note, Dependency) for note in (parameter.default, *notes))
