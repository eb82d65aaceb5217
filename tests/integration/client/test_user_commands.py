"""`horarium user` and `horarium api-key` as an admin has them: processes, what they print, how they end."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.integration.client.test_commands import login, run
from tests.support.tree import PASSWORD, credentials

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.tree import House

__all__ = ["login"]

pytestmark = pytest.mark.anyio

NUMBERS = count(1)
ANOTHER = f"another: {PASSWORD}"


@pytest.fixture
def name() -> str:
    """A name that nobody has."""
    return f"Mary {next(NUMBERS)}"


async def may_log_in(house: House, username: str, password: str = PASSWORD) -> bool:
    answer = await house.call("POST", "/api/v1/auth/login", credentials(username, password), token=None)
    return answer.status == 200


async def test_a_user_is_made_and_can_log_in(house: House, login: Path, name: str) -> None:
    made = await run("user", "create", name, "--role", "operator", stdin=f"{PASSWORD}\n", config_dir=login)

    assert (made.code, made.err) == (0, "")
    assert made.out.startswith(f"Made the operator {name}, user ")
    assert await may_log_in(house, name)


async def test_a_key_that_would_outlive_the_calendar_is_refused(login: Path, name: str) -> None:
    refused = await run("api-key", "create", name, "--days", "999999999", config_dir=login)

    assert (refused.code, "--days" in refused.err) == (2, True)


async def test_without_a_password_no_user_is_made(login: Path, name: str) -> None:
    refused = await run("user", "create", name, config_dir=login)

    assert refused.code == 2
    assert "give the password as a line of stdin" in " ".join(refused.err.replace("│", " ").split())


async def test_what_the_api_refuses_is_said_with_its_field(login: Path, name: str) -> None:
    weak = await run("user", "create", name, stdin="short\n", config_dir=login)
    unknown = await run("user", "create", name, "--role", "king", stdin=f"{PASSWORD}\n", config_dir=login)

    assert (weak.code, unknown.code) == (1, 1)
    assert "password: must have at least 8 characters" in weak.err
    assert "role: " in unknown.err
    assert "short" not in weak.err + weak.out


async def test_a_disabled_user_is_kept_out_until_it_is_enabled(house: House, login: Path, name: str) -> None:
    await house.user(username=name)

    disabled = await run("user", "disable", name.upper(), config_dir=login)
    kept_out = not await may_log_in(house, name)
    enabled = await run("user", "enable", name, config_dir=login)

    assert (disabled.code, enabled.code, kept_out) == (0, 0, True)
    assert await may_log_in(house, name)


async def test_an_admin_changes_somebodys_password(house: House, login: Path, name: str) -> None:
    await house.user(username=name)

    changed = await run("user", "passwd", name, stdin=f"{ANOTHER}\n", config_dir=login)

    assert (changed.code, changed.err) == (0, "")
    assert (await may_log_in(house, name), await may_log_in(house, name, ANOTHER)) == (False, True)


async def test_anybody_changes_their_own_password_and_logs_in_again(house: House, tmp_path: Path, name: str) -> None:
    await house.user(username=name)
    mine = tmp_path / "mine"
    await run("login", "--url", house.url, "--username", name, stdin=f"{PASSWORD}\n", config_dir=mine)

    changed = await run("user", "passwd", stdin=f"{PASSWORD}\n{ANOTHER}\n", config_dir=mine)

    assert (changed.code, changed.out) == (0, "Changed. Log in again: horarium login\n")
    assert await may_log_in(house, name, ANOTHER)


async def test_nobody_is_no_user(login: Path) -> None:
    refused = await run("user", "disable", "nobody at all", config_dir=login)

    assert refused.code == 5
    assert "knows no user 'nobody at all'" in refused.err


async def test_users_are_listed_in_columns_and_as_json(house: House, login: Path, name: str) -> None:
    user = await house.user(username=name, email="m@example.org")

    table = await run("user", "list", config_dir=login)
    lines = await run("user", "list", "--json", config_dir=login)

    assert table.out.splitlines()[0].split() == ["ID", "USERNAME", "ROLE", "STATE", "EMAIL"]
    row = [str(user), *name.split(), "viewer", "active", "m@example.org"]
    assert row in [line.split() for line in table.out.splitlines()]
    assert user in [json.loads(line)["id"] for line in lines.out.splitlines()]


async def test_a_key_is_printed_alone_and_works_until_it_is_deleted(house: House, login: Path, name: str) -> None:
    made = await run("api-key", "create", name, "--role", "operator", "--days", "30", config_dir=login)
    key = made.out.removesuffix("\n")

    shown = await run("tree", "--json", api_url=house.url, token=key)
    listed = await run("api-key", "list", config_dir=login)
    deleted = await run("api-key", "delete", name, config_dir=login)

    assert (made.code, made.err) == (0, f"Made the operator key {name}. It is not shown again.\n")
    assert (shown.code, deleted.code) == (0, 0)
    assert f"{key[:8]}..." in listed.out
    assert key not in listed.out
    assert (await run("tree", "--json", api_url=house.url, token=key)).code == 3


async def test_who_is_no_admin_makes_nobody(house: House, name: str) -> None:
    key = (await house.api_key(role="operator"))["key"]

    refused = await run("user", "create", name, stdin=f"{PASSWORD}\n", api_url=house.url, token=key)

    assert refused.code not in (0, 1)
    assert "needs the role admin" in refused.err
