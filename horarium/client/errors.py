"""What can go wrong between a command and the API, each with the exit code that scripts can tell it by.

    ApiError           1   refused, or failed: the message says which rule or where to look
    ├─ Conflicting     1   another change, state or name stands against it
    ├─ Faulty          1   fields break rules; `faults` has them
    ├─ NotLoggedIn     3   no credentials, or none that are accepted
    ├─ NotAllowed      4   the role of the caller does not allow it
    ├─ NoSuchThing     5   what was asked for does not exist
    └─ ApiAway         6   nobody answers, or what answers cannot work just now; worth trying again

These are all the exit codes there are; `exit_codes.EXIT_CODES` tells them to whoever reads `--help`:

* 0: done. A watch or a tail that Ctrl-C ends is done, too.
* 2: the command line or a setting is wrong (`ConfigurationError`, or typer's own refusal), or something had to be asked
  and there is no terminal to ask on.
* 7: an import left something out (`horarium import`).
* 10: something would change (`horarium apply --exit-code`).
* 10 to 14: with `--wait`, the execution ended so (`OUTCOME_CODES`).
* 1: the output cannot be written (`commands/stdout.py`), a full disk say.
* 130, 141 and 143: Ctrl-C, an output whose reader has gone, and SIGTERM, as a shell has them.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar, TypeVar

from pydantic import BaseModel, ValidationError

from horarium.errors import HorariumError
from horarium.model.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from horarium.model.problems import FieldProblem

__all__ = [
    "OUTCOME_CODES",
    "ApiAway",
    "ApiError",
    "Conflicting",
    "Faulty",
    "NoSuchThing",
    "NotAllowed",
    "NotLoggedIn",
    "refusal",
    "shaped",
    "stranger",
]

Model = TypeVar("Model", bound=BaseModel)

OUTCOME_CODES = {"success": 0, "failed": 10, "timeout": 11, "cancelled": 12, "lost": 13, "skipped": 14}
"""What a command that waited for an execution ends with, by what became of it."""


class ApiError(HorariumError):
    """The API refused the call, or failed; `problem` is what it said, where it said something."""

    exit_code: ClassVar[int] = 1
    problem: Problem | None = None


class Conflicting(ApiError):
    """Another change, the state or the name of something stands against the call."""

    @property
    def code(self) -> str:
        """Which of them, as the problem has it."""
        return "" if self.problem is None else self.problem.code


class Faulty(ApiError):
    """Fields break rules."""

    @property
    def faults(self) -> Sequence[FieldProblem]:
        """The fields and their rules."""
        return () if self.problem is None else self.problem.errors or ()


class NotLoggedIn(ApiError):
    """There are no credentials, or the API does not accept them."""

    exit_code = 3


class NotAllowed(ApiError):
    """The caller's role does not allow the call."""

    exit_code = 4


class NoSuchThing(ApiError):
    """What was asked for does not exist."""

    exit_code = 5


class ApiAway(ApiError):
    """Nobody answers, or a server behind the API is away: the same call may work in a moment."""

    exit_code = 6


KINDS: dict[int, type[ApiError]] = {
    401: NotLoggedIn,
    403: NotAllowed,
    404: NoSuchThing,
    409: Conflicting,
    422: Faulty,
    429: ApiAway,
    502: ApiAway,
    503: ApiAway,
    504: ApiAway,
}


def refusal(url: str, status: int, body: bytes, request_id: str | None) -> ApiError:
    """The error for an answer that is no success. What is no problem document comes from something before the API."""
    try:
        problem = Problem.model_validate_json(body)
    except ValidationError:
        return stranger(url, f" {_named(status)}", KINDS[status] if status in (502, 503, 504) else ApiError)
    if status == 500:
        return ApiError(f"{url} failed at it; its log says why, under request {request_id}")
    error = KINDS.get(status, ApiError)(_line(problem))
    error.problem = problem
    return error


def stranger(url: str, said: str = "", kind: type[ApiError] = ApiError) -> ApiError:
    """The error for an answer that Horarium does not give."""
    return kind(f"{url} answers{said}, but not as Horarium does; is the address right?")


def shaped(model: type[Model], answer: object, url: str) -> Model:
    """An answer as its model has it. Raises ApiError."""
    try:
        return model.model_validate(answer)
    except ValidationError:
        # from None: pydantic's error repeats the answer, which may hold tokens
        raise stranger(url) from None


def _line(problem: Problem) -> str:
    fields = "; ".join(f"{'.'.join(map(str, field.loc))}: {field.msg}" for field in problem.errors or ())
    return f"{problem.detail}: {fields}" if fields else problem.detail


def _named(status: int) -> str:
    known = {each.value: each.phrase for each in HTTPStatus}
    return f"{status} {known[status]}" if status in known else str(status)
