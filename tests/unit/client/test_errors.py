"""What the API refuses becomes one line that says what to do, and an exit code that scripts can tell it by."""

from __future__ import annotations

import json

import pytest

from horarium.client.errors import (
    OUTCOME_CODES,
    ApiAway,
    ApiError,
    Conflicting,
    Faulty,
    NoSuchThing,
    NotAllowed,
    NotLoggedIn,
    refusal,
    shaped,
)
from horarium.exit_codes import EXIT_CODES
from horarium.model import TokenPair

URL = "http://horarium.internal"


def problem(status: int, **fields: object) -> bytes:
    known = {"type": "urn:x", "title": "t", "status": status, "detail": "what is wrong", "code": "c"}
    return json.dumps(known | fields).encode()


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, ApiError, 1),
        (401, NotLoggedIn, 3),
        (403, NotAllowed, 4),
        (404, NoSuchThing, 5),
        (409, Conflicting, 1),
        (422, Faulty, 1),
        (429, ApiAway, 6),
        (503, ApiAway, 6),
    ],
)
def test_a_problem_is_told_in_its_own_words_and_by_its_own_code(status: int, kind: type[ApiError], code: int) -> None:
    error = refusal(URL, status, problem(status), None)

    assert (type(error), error.exit_code, str(error)) == (kind, code, "what is wrong")


def test_fields_at_fault_are_named() -> None:
    faults = [{"loc": ["parameters", "url"], "msg": "is missing"}, {"loc": ["tags", 0], "msg": "is empty"}]

    error = refusal(URL, 422, problem(422, errors=faults), None)

    assert str(error) == "what is wrong: parameters.url: is missing; tags.0: is empty"
    assert isinstance(error, Faulty)
    assert [fault.loc for fault in error.faults] == [["parameters", "url"], ["tags", 0]]


def test_the_help_names_every_exit_code_of_an_outcome() -> None:
    assert [name for name, code in OUTCOME_CODES.items() if code and f"{code} {name}" not in EXIT_CODES] == []


def test_a_failure_of_the_api_says_where_its_log_has_more() -> None:
    error = refusal(URL, 500, problem(500), "abc123")

    assert (type(error), str(error)) == (ApiError, f"{URL} failed at it; its log says why, under request abc123")


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [(404, ApiError, "404 Not Found"), (302, ApiError, "302 Found"), (599, ApiError, "599"), (502, ApiAway, "502 Bad")],
)
def test_an_answer_of_something_else_puts_the_address_in_doubt(status: int, kind: type[ApiError], words: str) -> None:
    error = refusal(URL, status, b"<html>nginx</html>", None)

    assert type(error) is kind
    assert f"{URL} answers {words}" in str(error)
    assert str(error).endswith("but not as Horarium does; is the address right?")


def test_an_answer_of_the_wrong_shape_is_not_repeated() -> None:
    with pytest.raises(ApiError) as refused:
        shaped(TokenPair, {"access_token": "secret"}, URL)

    assert "secret" not in f"{refused.value}{refused.value.__cause__}"
