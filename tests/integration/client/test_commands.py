"""`horarium login`, `logout` and `tree` as a user has them: processes, what they print, how they end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import anyio
import pytest

from tests.support.commands import Run, run
from tests.support.logins import expire, stored
from tests.support.processes import environment
from tests.support.pseudo_terminal import in_terminal
from tests.support.together import at_once
from tests.support.tree import PASSWORD, House

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

NOBODY = "http://127.0.0.1:1"


@pytest.fixture
async def login(house: House, tmp_path: Path) -> Path:
    """The config directory of an admin who has logged in with the command."""
    config_dir = tmp_path / "config"
    done = await run(
        "login", "--url", house.url, "--username", "admin", stdin=f"{PASSWORD}\nrest", config_dir=config_dir
    )
    assert (done.code, done.out, done.err) == (0, f"Logged in at {house.url} as admin.\n", "")
    return config_dir


async def test_a_tree_in_a_pipe_is_plain_text(login: Path) -> None:
    shown = await run("tree", config_dir=login)

    lines = shown.out.splitlines()
    assert (shown.code, shown.err) == (0, "")
    assert lines[0].split() == ["ACTOR", "STATE", "RUN", "RESTARTS", "UPTIME", "MAILBOX", "NOW"]
    assert lines[1].startswith("horarium  ")
    assert [line for line in lines if "─ dispatcher  " in line and "running" in line] != []
    assert [line for line in lines if "\x1b" in line or line != line.rstrip()] == []


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
async def test_an_encoding_without_the_signs_of_the_tree_still_gets_a_tree(
    login: Path, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", encoding)

    shown = await run("tree", config_dir=login)

    assert (shown.code, shown.err) == (0, "")
    assert [line for line in shown.out.splitlines() if "?? dispatcher  " in line] != []


@pytest.mark.parametrize("interval", ["nan", "inf", "0", "-1", "2d"])
async def test_an_interval_that_is_none_is_refused(tmp_path: Path, interval: str) -> None:
    refused = await run("tree", "--watch", "--interval", interval, "--url", NOBODY, token="abc", config_dir=tmp_path)

    assert (refused.code, "--interval" in refused.err) == (2, True)


@pytest.mark.parametrize("command", [["login", "--username", "admin"], ["apply", "-f", "-"], ["config", "edit", "x"]])
async def test_where_stdin_is_closed_a_command_says_that_it_cannot_ask(
    house: House, tmp_path: Path, command: list[str]
) -> None:
    line = ["/bin/sh", "-c", 'exec "$@" <&-', "sh", sys.executable, "-m", "horarium", *command]

    done = await anyio.run_process(
        line, stdin=subprocess.DEVNULL, env=environment(api_url=house.url, config_dir=tmp_path), check=False
    )

    assert (done.returncode, b"Traceback" in done.stderr) == (2, False)


async def test_nobody_is_asked_for_a_password_that_nobody_could_take(tmp_path: Path) -> None:
    with in_terminal("login", "--url", NOBODY, config_dir=tmp_path) as terminal:
        assert "Password" not in await terminal.shows("nobody answers at")
        assert await terminal.ended() == 6


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
async def test_a_password_that_is_no_text_is_refused(house: House, tmp_path: Path, errors: str) -> None:
    line = [sys.executable, "-m", "horarium", "login", "--username", "admin", "--url", house.url]

    done = await anyio.run_process(
        line,
        input=b"p\xe4ss\n",
        env=environment(config_dir=tmp_path) | {"PYTHONIOENCODING": f"utf-8:{errors}"},
        check=False,
    )

    assert (done.returncode, b"is no UTF-8 text" in done.stderr) == (2, True)


async def test_json_is_the_api_s_own_answer(house: House, login: Path) -> None:
    shown = await run("tree", "--json", config_dir=login)

    tree = json.loads(shown.out)
    answer = await house.get("/system/tree")
    assert tree.keys() == answer.keys()
    assert [child["id"] for child in tree["children"]] == [child["id"] for child in answer["children"]]


async def test_two_commands_at_once_do_not_end_the_login(login: Path) -> None:
    expire(login)
    ended: list[Run] = []

    async def look() -> None:
        ended.append(await run("tree", "--json", config_dir=login))

    await at_once(look, look)
    expire(login)
    await look()

    assert [(each.code, each.err) for each in ended] == [(0, "")] * 3


async def test_a_logout_is_done_once_and_then_there_is_nothing_to_do(house: House, login: Path) -> None:
    first, second, tree = [await run(name, config_dir=login) for name in ("logout", "logout", "tree")]

    assert (first.code, first.out) == (0, f"Logged out at {house.url}.\n")
    assert (second.code, second.out) == (0, "Nobody is logged in.\n")
    assert (tree.code, tree.err) == (3, "horarium: not logged in at http://127.0.0.1:8080; run `horarium login`\n")
    assert not (login / "login.json").exists()


async def test_a_wrong_password_is_code_3_and_is_not_repeated(house: House, tmp_path: Path) -> None:
    wrong = f"wrong {PASSWORD}"

    refused = await run("login", "--username", "admin", stdin=wrong, api_url=house.url, config_dir=tmp_path / "config")

    assert (refused.code, refused.err) == (3, "horarium: wrong username or password\n")
    assert not (tmp_path / "config" / "login.json").exists()


async def test_a_server_that_is_away_is_code_6_with_what_to_do(tmp_path: Path) -> None:
    refused = await run("tree", api_url=NOBODY, token="a.secret.token", config_dir=tmp_path)

    assert refused.code == 6
    assert refused.err.startswith(f"horarium: nobody answers at {NOBODY} (connection refused); start it with")
    assert refused.err.count("\n") == 1
    assert "secret" not in refused.out + refused.err


async def test_a_wrong_setting_is_code_2_and_its_value_not_repeated(tmp_path: Path) -> None:
    refused = await run("tree", "--url", "http://admin:hunter2@host", token="two secrets", config_dir=tmp_path)

    assert refused.code == 2
    assert [name for name in ("--url", "HORARIUM_TOKEN") if f"horarium: {name}: " not in refused.err] == []
    assert [secret for secret in ("hunter2", "two secrets") if secret in refused.err] == []


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [(["login"], "--username"), (["login", "--username", "admin"], "the password as a line of stdin")],
)
async def test_without_a_terminal_what_is_missing_is_code_2(arguments: list[str], missing: str, tmp_path: Path) -> None:
    refused = await run(*arguments, api_url=NOBODY, config_dir=tmp_path)

    assert refused.code == 2
    assert missing in " ".join(refused.err.replace("│", " ").split())


async def test_a_password_typed_into_a_terminal_is_not_shown(house: House, tmp_path: Path) -> None:
    with in_terminal("login", api_url=house.url, config_dir=tmp_path / "config") as terminal:
        await terminal.shows("Username [admin]: ")
        terminal.type("")
        await terminal.shows(f"Password of admin at {house.url}: ")
        terminal.type(PASSWORD)
        text = await terminal.shows("Logged in")

        assert await terminal.ended() == 0

    assert PASSWORD not in text
    assert stored(tmp_path / "config").url == house.url


async def test_a_watched_tree_is_redrawn_in_place_until_ctrl_c(login: Path) -> None:
    with in_terminal("tree", "--watch", "--interval", "0.1", config_dir=login) as terminal:
        text = await terminal.shows("└─ api", times=3)
        terminal.process.send_signal(signal.SIGINT)

        assert await terminal.ended() == 0

    assert "every 0.1s, Ctrl-C ends" in text
    assert b"\x1b[32mrunning" in terminal.raw
    assert b"\x1b[1A\x1b[2K" in terminal.raw, "up a line and over it"
    assert b"\x1b[?25h" in terminal.raw, "the cursor is back"


async def test_a_watched_tree_waits_for_an_api_that_is_away(tmp_path: Path) -> None:
    with in_terminal(
        "tree", "--watch", "--interval", "0.1", "--url", NOBODY, token="abc", config_dir=tmp_path
    ) as terminal:
        text = await terminal.shows("away for 1s, asking again")
        terminal.process.send_signal(signal.SIGINT)

        assert await terminal.ended() == 0

    assert f"nobody answers at {NOBODY} (connection refused)" in text


async def test_a_watched_tree_ends_where_nobody_is_logged_in(tmp_path: Path) -> None:
    with in_terminal("tree", "--watch", config_dir=tmp_path) as terminal:
        assert await terminal.ended() == 3

        assert "run `horarium login`" in " ".join(terminal.text().split())
