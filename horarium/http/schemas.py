"""The models as JSON Schema: what the API takes and gives, told as exactly as it is checked.

Where pydantic's own schema says less or more than the API does, it is mended here: a parameter of a query can be left
out but has no null; a set of words that many models share is one named schema, and so one type of a generated client;
titles that only repeat a field's name go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from horarium.model import ConfigStatus, ExecutionStatus, Role, SchedulerType, Trigger
from horarium.model.fields import without_null
from horarium.model.notifications import NotificationErrors, NotificationEvent, NotificationRepeat, NotificationStatus
from horarium.model.task_configs import Catchup, Overlap
from horarium.model.workers import WorkerStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from horarium.http.routing import Route

__all__ = ["Schemas", "as_parameter"]

REF = "#/components/schemas/{model}"
VOCABULARY: dict[str, Any] = {
    "Catchup": Catchup,
    "ConfigStatus": ConfigStatus,
    "ExecutionStatus": ExecutionStatus,
    "NotificationErrors": NotificationErrors,
    "NotificationEvent": NotificationEvent,
    "NotificationRepeat": NotificationRepeat,
    "NotificationStatus": NotificationStatus,
    "Overlap": Overlap,
    "Role": Role,
    "SchedulerType": SchedulerType,
    "Trigger": Trigger,
    "WorkerStatus": WorkerStatus,
}
"""Words that more than one model has, by the name of their schema."""
NAMES = {get_args(words): name for name, words in VOCABULARY.items()}


class _Plain(GenerateJsonSchema):
    """Pydantic's schemas without a title for every field."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        """Never: it is the field's name once more."""
        return False


class Schemas:
    """The schemas of every model that these routes name, and of `also`."""

    def __init__(self, routes: Iterable[Route], also: Iterable[type[BaseModel]] = ()) -> None:
        inputs = {route.body for route in routes if route.body is not None}
        outputs = {model for route in routes for model in _models(route.answer)} | {*also}
        models = sorted(inputs | outputs, key=lambda model: model.__name__)
        named, definitions = models_json_schema(
            [(model, "validation" if model in inputs else "serialization") for model in models],
            ref_template=REF,
            schema_generator=_Plain,
        )
        self._of = {model: schema for (model, _), schema in named.items()}
        defined = {name: _mended(schema) for name, schema in definitions.get("$defs", {}).items()}
        words = {name: {"type": "string", "enum": [*get_args(each)]} for name, each in VOCABULARY.items()}
        self.components = dict(sorted((defined | words).items()))

    def of(self, answer: Any) -> dict[str, Any]:
        """The schema of a model, of a list of one, or of any object."""
        if getattr(answer, "__origin__", None) is list:
            return {"type": "array", "items": self.of(answer.__args__[0])}
        schema: dict[str, Any] = self._of.get(answer, {"type": "object"})
        return schema

    def query(self, model: type[BaseModel]) -> dict[str, Any]:
        """The schema of a query, whose parts can be left out, but are never null."""
        schema: dict[str, Any] = _mended(model.model_json_schema(ref_template=REF, schema_generator=_Plain))
        schema["properties"] = {name: without_null(each) for name, each in schema.get("properties", {}).items()}
        return schema


def as_parameter(schema: dict[str, Any]) -> dict[str, Any]:
    """A field as a parameter, which says itself what it is about."""
    schema = dict(schema)
    description = schema.pop("description", None)
    return {"schema": schema} | ({"description": description} if description else {})


def _models(answer: Any) -> Iterator[type[BaseModel]]:
    if getattr(answer, "__origin__", None) is list:
        yield from _models(answer.__args__[0])
    elif isinstance(answer, type) and issubclass(answer, BaseModel):
        yield answer


def _mended(schema: Any) -> Any:
    """The schema with words of the vocabulary by their name."""
    if isinstance(schema, list):
        return [_mended(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    words = schema.get("enum")
    if isinstance(words, list) and (name := NAMES.get(tuple(words))):
        rest = {key: value for key, value in schema.items() if key not in ("enum", "type")}
        return {"$ref": REF.format(model=name), **rest}
    return {key: _mended(value) for key, value in schema.items()}
