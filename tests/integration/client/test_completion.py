"""The Tab key in bash: commands, flags and the names of configs, quickly and silently."""

from __future__ import annotations

import os
import shlex
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from horarium.client.transport import CALL_SECONDS
from horarium.commands import completion
from horarium.commands.completion import config_names
from tests.integration.client.test_commands import login
from tests.support.logins import expire, stored
from tests.support.processes import environment
from tests.support.waiting import WAIT_SECONDS

if TYPE_CHECKING:
    from tests.support.tree import House

__all__ = ["login"]

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = f"""#!{sys.executable}
import sys
sys.path.insert(0, {str(ROOT)!r})
from horarium.cli import main
from horarium.commands import completion
completion.DEADLINE_SECONDS = {WAIT_SECONDS}
main()
"""
"""As it is installed, but for the patience of whoever waits for the Tab key: the API has more than a second here."""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder that has `horarium`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "horarium").write_text(PROGRAM)
    (folder / "horarium").chmod(0o755)
    return folder


async def completed(program: Path, *words: str, **settings: object) -> tuple[list[str], str]:
    """What bash offers for the last of these words, and what is written to stderr meanwhile."""
    script = (
        'eval "$(horarium --show-completion bash)"\n'
        f"COMP_WORDS=(horarium {' '.join(map(shlex.quote, words))}) COMP_CWORD={len(words)}\n"
        '_horarium_completion horarium && printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = f"{program}{os.pathsep}{os.environ['PATH']}"
    done = await anyio.run_process(
        ["bash", "--norc", "-c", script], env=environment(**settings) | {"PATH": path}, check=False
    )
    return done.stdout.decode().splitlines(), done.stderr.decode()


async def test_commands_and_flags_are_completed(program: Path, tmp_path: Path) -> None:
    command, _ = await completed(program, "config", "pau", config_dir=tmp_path)
    flag, _ = await completed(program, "config", "edit", "x", "--catchup-", config_dir=tmp_path)

    assert (command, flag) == (["pause"], ["--catchup-window"])


async def test_names_are_completed_and_quoted_where_bash_needs_it(house: House, login: Path, program: Path) -> None:
    for name in ("tab", "tab: a 'quoted' one", "other tab"):
        await house.config(name=name)

    names, said = await completed(program, "config", "show", "ta", config_dir=login)
    in_quotes, _ = await completed(program, "execution", "list", "--config", "'tab: a", config_dir=login)

    assert [shlex.split(name) for name in names] == [["tab"], ["tab: a 'quoted' one"]]
    assert in_quotes == ["tab: a 'quoted' one"]
    assert said == ""


async def test_who_is_not_logged_in_is_offered_no_names_and_told_nothing(program: Path, tmp_path: Path) -> None:
    assert await completed(program, "config", "show", "", config_dir=tmp_path) == ([""], "")


async def test_a_login_that_has_run_out_is_left_alone(
    house: House, login: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renewal that is cut off after a second could cost it."""
    await house.config(name="expired")
    monkeypatch.setenv("HORARIUM_CONFIG_DIR", str(login))
    monkeypatch.setattr(completion, "DEADLINE_SECONDS", WAIT_SECONDS)
    good = await anyio.to_thread.run_sync(config_names, "exp")
    expire(login)
    before = stored(login)

    run_out = await anyio.to_thread.run_sync(config_names, "exp")

    assert (good, run_out) == (["expired"], [])
    assert stored(login) == before


async def test_a_server_that_does_not_answer_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HORARIUM_API_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("HORARIUM_TOKEN", "abc")
        began = time.monotonic()

        assert await anyio.to_thread.run_sync(config_names, "") == []

    assert time.monotonic() - began < CALL_SECONDS
