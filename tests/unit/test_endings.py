"""What the log tells of an execution's end: our own words whole, and of a task's exception its type alone."""

from __future__ import annotations

import traceback

import pytest

from horarium.endings import error_kind


class TaskError(Exception):
    """What a task raises."""


def fail(arguments: tuple[object, ...], cause: Exception | None) -> None:
    raise TaskError(*arguments) from cause


def described(*arguments: object, cause: Exception | None = None) -> str:
    try:
        fail(arguments, cause)
    except TaskError as error:
        return "".join(traceback.format_exception(error)).strip()
    return ""


@pytest.mark.parametrize(
    "error",
    [
        described("c4n4ry"),
        described("one line\nc4n4ry: and another\n  c4n4ry"),
        described(),
        described("c4n4ry", cause=ValueError("c4n4ry")),
        f"{__name__}.TaskError: c4n4ry",
    ],
    ids=["a line", "lines", "nothing said", "a cause", "no traceback"],
)
def test_of_an_exception_the_log_has_the_type_alone(error: str) -> None:
    assert error_kind(error) == f"{__name__}.TaskError"


@pytest.mark.parametrize("error", ["ran longer than 5 s", "its worker is gone", None])
def test_our_own_words_are_told_whole(error: str | None) -> None:
    assert error_kind(error) == error
