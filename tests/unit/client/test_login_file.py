"""The stored login: closed to others, replaced whole, changed by one at a time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from horarium.client import ApiAway, LoginFile, NotLoggedIn
from horarium.client import login_file as module
from horarium.errors import ConfigurationError
from tests.support.logins import a_login

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.fixture
def file(tmp_path: Path) -> LoginFile:
    return LoginFile(tmp_path / "new" / "config")


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> str:
    return f"{path.stat().st_mode & 0o777:o}"


async def test_nobody_is_logged_in_at_first_and_after_it_was_removed(file: LoginFile) -> None:
    assert file.read() is None

    async with file.locked():
        file.write(a_login())
        file.remove()
        file.remove()

    assert file.read() is None


@pytest.mark.usefixtures("no_umask")
async def test_a_login_is_read_as_it_was_written_and_only_by_its_owner(file: LoginFile) -> None:
    login = a_login()

    async with file.locked():
        file.write(login)

    assert file.read() == login
    assert mode(file.path) == "600"
    assert mode(file.path.with_name("login.lock")) == "600"
    assert mode(file.path.parent) == "700"


async def test_a_write_that_fails_halfway_leaves_the_login_before_it(
    file: LoginFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_is_full(_: int) -> None:
        raise OSError(28, "No space left on device")

    async with file.locked():
        file.write(a_login("before"))
        monkeypatch.setattr("os.fsync", disk_is_full)
        with pytest.raises(ConfigurationError, match="No space left on device; set HORARIUM_CONFIG_DIR"):
            file.write(a_login("after"))

    found = file.read()
    assert found is not None
    assert found.tokens.access_token == "access-before"


@pytest.mark.usefixtures("no_umask")
async def test_what_a_killed_writer_left_is_neither_in_the_way_nor_taken_over(file: LoginFile) -> None:
    async with file.locked():
        left = file.path.with_name("login.json.new")
        left.write_text("half a lo")
        file.write(a_login())

    assert mode(file.path) == "600"
    assert file.read() is not None
    assert not left.exists()


async def test_a_login_that_others_can_read_is_refused(file: LoginFile) -> None:
    async with file.locked():
        file.write(a_login())
    file.path.chmod(0o640)

    with pytest.raises(ConfigurationError, match=r"can be read by others \(mode 640\); `chmod 600` it"):
        file.read()


async def test_a_file_that_is_no_login_is_refused_and_not_repeated(file: LoginFile) -> None:
    async with file.locked():
        file.path.write_text('{"url": "http://x", "tokens": {"access_token": "secret"}}')
        file.path.chmod(0o600)

    with pytest.raises(NotLoggedIn, match="is no stored login; delete it and run `horarium login`") as refused:
        file.read()

    assert "secret" not in f"{refused.value}{refused.value.__cause__}"


async def test_a_directory_that_cannot_be_made_is_named_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match=r"cannot keep a login in .*file/config: .*set HORARIUM_CONFIG_DIR"):
        async with LoginFile(tmp_path / "file" / "config").locked():
            pass


async def test_of_two_only_one_holds_the_login_and_then_the_other(
    file: LoginFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.1)
    other = LoginFile(file.path.parent)

    async with file.locked():
        with pytest.raises(ApiAway, match="another command holds"):
            async with other.locked():
                pass

    async with other.locked():
        other.write(a_login())


def test_no_token_is_shown_by_printing_a_login() -> None:
    assert "access-one" not in f"{a_login()!r} {a_login()}"
    assert "refresh-one" not in f"{a_login()!r} {a_login()}"
