"""The one shape in which everything that is refused is answered, `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["FieldProblem", "Problem"]


class FieldProblem(BaseModel):
    """A field at fault."""

    model_config = ConfigDict(frozen=True)

    loc: list[str | int]
    msg: str


EXAMPLE: dict[str, Any] = {
    "type": "urn:horarium:problem:invalid_input",
    "title": "Unprocessable Entity",
    "status": 422,
    "detail": "a field breaks a rule",
    "code": "invalid_input",
    "errors": [{"loc": ["schedule_config", "cron_expression"], "msg": "minute 61 is not in 0-59"}],
}


class Problem(BaseModel):
    """What every error answer holds. `code` is for programs; `errors` are there where fields are at fault."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [EXAMPLE]})

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldProblem] = Field(default_factory=list)
