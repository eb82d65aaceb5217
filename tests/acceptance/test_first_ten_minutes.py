"""The README's first ten minutes, to the letter: each of its commands, typed into a shell in a terminal."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import PASSWORD, horarium
from tests.support.pseudo_terminal import program_in_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.pseudo_terminal import Terminal

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
PROMPT = "[exit code {}]$ "


def commands() -> list[str]:
    """Every line that the section has a new user type, without what is said beside it."""
    section = README.partition("<!-- ten minutes: begin -->")[2].partition("<!-- ten minutes: end -->")[0]
    lines = [line for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL) for line in block.splitlines()]
    return [line.partition("   #")[0].rstrip() for line in lines if line]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def shell(data_dir: Path, tmp_path: Path) -> Iterator[Terminal]:
    """A shell in an empty directory, with Horarium installed as `make run` leaves it, and running."""
    program = tmp_path / ".venv/bin/horarium"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m horarium "$@"\n')
    program.chmod(0o755)
    variables = {"PS1": PROMPT.format("$?"), "PYTHONPATH": str(ROOT)}
    with (
        horarium(data_dir) as house,
        program_in_terminal(
            # a terminal of its own, or Ctrl-C is a character like any other
            ["setsid", "--ctty", "--wait", "bash", "--norc", "--noprofile", "-i"],
            variables,
            cwd=tmp_path,
            api_url=house.url,
            data_dir=data_dir,
            config_dir=tmp_path / "config",
        ) as terminal,
    ):
        yield terminal


async def test_every_command_of_the_first_ten_minutes_does_what_the_readme_says(shell: Terminal) -> None:
    done = PROMPT.format(0)
    await shell.shows(done)
    typed = commands()
    for number, line in enumerate(typed, start=2):
        before = len(shell.text())
        shell.type(line)
        if line == "horarium login":
            await shell.shows("Username", since=before)
            shell.type("admin")
            await shell.shows("Password", since=before)
            shell.type(PASSWORD)
        if line == "horarium execution tail":
            await shell.shows("success", times=2, since=before)
            shell.interrupt()
        await shell.shows(done, times=number)

    seen = shell.text()
    assert len(typed) >= 18
    assert "exit code 1" not in seen
    assert "Logged in" in seen
    assert "paused" in seen
