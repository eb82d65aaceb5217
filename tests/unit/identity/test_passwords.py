from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import anyio
import bcrypt
import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type

from horarium.identity import passwords as module
from horarium.identity.passwords import NOBODYS_HASH, Passwords, Verdict, can_be_verified

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

WEAKER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("text", ["staple", "", "pass wörd ☃", "a\0b", "\ud800", "x" * 1000])
async def test_a_password_is_right_for_its_own_hash(text: str) -> None:
    passwords = Passwords()

    assert await passwords.verify(await passwords.hash(text), text) is Verdict.RIGHT


async def test_another_password_is_wrong() -> None:
    passwords = Passwords()

    assert await passwords.verify(await passwords.hash("staple"), "stapl") is Verdict.WRONG


async def test_a_hash_is_argon2id_of_at_least_what_is_asked_today() -> None:
    parameters = extract_parameters(await Passwords().hash("staple"))

    assert parameters.type is Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) >= (19_456, 2, 1)
    assert (parameters.salt_len, parameters.hash_len) == (16, 32)


async def test_a_weaker_hash_is_right_but_outdated() -> None:
    assert await Passwords().verify(WEAKER.hash("staple"), "staple") is Verdict.RIGHT_BUT_OUTDATED


async def test_a_wrong_password_says_nothing_about_the_age_of_the_hash() -> None:
    assert await Passwords().verify(WEAKER.hash("staple"), "other") is Verdict.WRONG


@pytest.mark.parametrize("kind", [b"2a", b"2b"])
async def test_a_password_hashed_by_bcrypt_is_right_but_outdated(kind: bytes) -> None:
    hashed = bcrypt.hashpw(b"staple", bcrypt.gensalt(4, prefix=kind)).decode()

    assert await Passwords().verify(hashed, "staple") is Verdict.RIGHT_BUT_OUTDATED
    assert await Passwords().verify(hashed, "stapl") is Verdict.WRONG


async def test_a_long_password_is_cut_off_as_bcrypt_once_did() -> None:
    hashed = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()

    assert await Passwords().verify(hashed, "x" * 100) is Verdict.RIGHT_BUT_OUTDATED
    assert await Passwords().verify(hashed, "x" * 71) is Verdict.WRONG


@pytest.mark.parametrize("text", ["staple\0", "\0", "\ud800"])
async def test_what_bcrypt_was_never_given_is_wrong(text: str) -> None:
    hashed = bcrypt.hashpw(b"staple", bcrypt.gensalt(4)).decode()

    assert await Passwords().verify(hashed, text) is Verdict.WRONG


async def test_a_hash_that_would_take_hours_locks_its_account() -> None:
    hashed = f"$2b$31${'.' * 53}"

    assert not can_be_verified(hashed)
    assert await Passwords().verify(hashed, "staple") is Verdict.WRONG


@pytest.mark.parametrize("text", ["", "\0" * 32, "admin"])
async def test_nobodys_password_is_never_right(text: str) -> None:
    assert await Passwords().verify(None, text) is Verdict.WRONG


def test_nobodys_hash_costs_what_a_hash_of_today_costs() -> None:
    """Were it any other, an unknown user could be told from a known one by the clock."""
    assert not Passwords()._hasher.check_needs_rehash(NOBODYS_HASH)


@pytest.mark.parametrize("hashed", ["", "!", "*", "$2b$12$abc", f"$2b$04${'a' * 53}", "$argon2id$v=19$m=1"])
async def test_what_is_no_hash_locks_the_account(hashed: str) -> None:
    assert await Passwords().verify(hashed, "staple") is Verdict.WRONG


async def test_no_more_than_two_hashes_are_computed_at_once_and_none_in_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passwords = Passwords()
    gauge = Gauge(passwords._hasher.verify)
    monkeypatch.setattr(passwords, "_hasher", gauge)

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(passwords.verify, None, "staple")

    assert gauge.calls == 8
    assert gauge.most == module.THREADS
    assert threading.get_ident() not in gauge.threads


class Gauge:
    """Stands before a hasher and counts who is inside."""

    def __init__(self, verify: Callable[[str, bytes], bool]) -> None:
        self._verify = verify
        self._lock = threading.Lock()
        self._inside = 0
        self.calls = 0
        self.most = 0
        self.threads: set[int] = set()

    def verify(self, hashed: str, text: bytes) -> bool:
        with self._lock:
            self._inside += 1
            self.calls += 1
            self.most = max(self.most, self._inside)
            self.threads.add(threading.get_ident())
        try:
            return self._verify(hashed, text)
        finally:
            with self._lock:
                self._inside -= 1
