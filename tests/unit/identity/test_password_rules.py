"""What may become a password, and what the refusal tells."""

from __future__ import annotations

import pytest

from horarium.errors import FieldError, InvalidInput
from horarium.identity.password_rules import COMMON, MAX_BYTES
from horarium.identity.passwords import check_new_password
from horarium.model import Login


def fault(password: str, username: str = "ada") -> str:
    with pytest.raises(InvalidInput) as refused:
        check_new_password(password, username=username)
    (error,) = refused.value.errors
    assert error.loc == ("password",)
    return error.msg


@pytest.mark.parametrize(
    "password", ["correct horse battery staple", "tr0ub4dor", "пароль от дома", "8" + "x" * 7, "        a", "\0" * 8]
)
def test_a_long_enough_password_that_nobody_else_has_is_taken(password: str) -> None:
    check_new_password(password, username="ada")


@pytest.mark.parametrize("password", ["", "short", "seven77", "äöüäöüä"])
def test_fewer_than_eight_characters_are_refused(password: str) -> None:
    assert fault(password) == "must have at least 8 characters"


@pytest.mark.parametrize("password", ["password", "PassWord1", "1234567890", "qwertyuiop", " iloveyou ", "#1stunna"])
def test_the_most_common_passwords_are_refused_however_they_are_spelt(password: str) -> None:
    assert fault(password) == "is one of the most common passwords"


@pytest.mark.parametrize(
    ("password", "username"), [("countess", "Countess"), ("Countess2024!", "countess"), ("Horarium-1", "ada")]
)
def test_the_name_of_the_user_or_the_program_is_no_password(password: str, username: str) -> None:
    assert "name" in fault(password, username)


def test_a_name_of_digits_alone_forbids_no_other_digits() -> None:
    check_new_password("8046152397", username="007")


def test_a_password_is_at_most_as_long_as_a_login_takes() -> None:
    check_new_password("ab" * (MAX_BYTES // 2), username="ada")

    assert fault("ä" * (MAX_BYTES // 2) + "x") == f"must have at most {MAX_BYTES} bytes"
    assert Login(username="ada", password="ab" * (MAX_BYTES // 2))


def test_a_refusal_does_not_repeat_the_password() -> None:
    with pytest.raises(InvalidInput) as refused:
        check_new_password("qwertyuiop", username="ada")

    assert "qwerty" not in str(refused.value)
    assert refused.value.errors == (FieldError(("password",), "is one of the most common passwords"),)


def test_the_list_is_whole_and_nothing_of_its_head_is_in_it() -> None:
    assert len(COMMON) > 8000
    assert min(map(len, COMMON)) == 8
    assert not any("Redistributions" in each for each in COMMON)
    assert {each for each in COMMON if each != each.casefold()} == set()
