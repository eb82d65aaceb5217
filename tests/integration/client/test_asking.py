"""What the commands ask of whoever sits at a terminal, in one: a yes, an edit, the patience to wait."""

from __future__ import annotations

import shlex
import signal
import stat
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.client.test_commands import login, run
from tests.support.pseudo_terminal import in_terminal

if TYPE_CHECKING:
    from tests.support.tree import House

__all__ = ["login"]

pytestmark = pytest.mark.anyio

NUMBERS = count(1)
EDITOR = """\
import pathlib, subprocess, sys
text = pathlib.Path(sys.argv[1])
here = pathlib.Path(__file__).parent
calls = sorted(here.glob("seen-*"))
(here / f"seen-{len(calls)}").write_text(text.read_text())
steps = STEPS
command, (old, new) = steps[len(calls)]
subprocess.run(command, check=True)
assert old in text.read_text(), text.read_text()
text.write_text(text.read_text().replace(old, new, 1))
"""
NOTHING = ["true"]
Step = tuple[list[str], tuple[str, str]]


@pytest.fixture
def name() -> str:
    """A name that no config has."""
    return f"watched {next(NUMBERS)}"


def an_editor(folder: Path, *steps: Step) -> str:
    """An $EDITOR that runs a command and replaces some words, one step each time it is opened; it keeps what it saw."""
    script = folder / "editor.py"
    script.write_text(EDITOR.replace("STEPS", repr(list(steps))))
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(script))}"


def seen(folder: Path, number: int) -> list[str]:
    """What stood in the editor when it was opened for this time."""
    return (folder / f"seen-{number}").read_text().splitlines()


def named(text: str, before: str) -> Path:
    """The file that a message names after these words."""
    return Path("".join(text.split(before)[1].split()))


# A yes


@pytest.mark.parametrize(("answer", "code", "status"), [("y", 0, 404), ("n", 1, 200), ("", 1, 200)])
async def test_a_config_is_deleted_by_a_yes_alone(
    answer: str, code: int, status: int, house: House, login: Path, name: str
) -> None:
    config_id = await house.config(name=name)

    with in_terminal("config", "delete", name, config_dir=login) as terminal:
        await terminal.shows(f"Delete {name} (config {config_id})? [y/N]: ")
        terminal.type(answer)
        ended = await terminal.ended()

    assert ended == code
    assert (await house.call("GET", f"/api/v1/task-configs/{config_id}")).status == status


async def test_ctrl_c_instead_of_an_answer_deletes_nothing(house: House, login: Path, name: str) -> None:
    config_id = await house.config(name=name)

    with in_terminal("config", "delete", name, config_dir=login) as terminal:
        await terminal.shows("? [y/N]: ")
        terminal.process.send_signal(signal.SIGINT)
        ended = await terminal.ended()

    assert ended == 130
    assert (await house.call("GET", f"/api/v1/task-configs/{config_id}")).status == 200


# A password


async def test_a_new_password_is_typed_unseen_until_it_was_typed_twice_the_same(house: House, login: Path) -> None:
    typed = ["", "one long password", "another long one", "a password of Ada's", "a password of Ada's"]

    with in_terminal("user", "create", "ada", config_dir=login) as terminal:
        for number, (asked, line) in enumerate(zip([1, 2, 2, 3, 3], typed, strict=True)):
            await terminal.shows("Password of ada: ", times=asked)
            await terminal.shows("The same again: ", times=number // 2)
            terminal.type(line)
        assert await terminal.ended() == 0
        text = terminal.text()

    assert "The two were not the same." in text
    assert "Made the viewer ada" in text
    assert not any(line in text for line in typed if line)
    body = {"username": "ada", "password": "a password of Ada's"}
    assert (await house.call("POST", "/api/v1/auth/login", body)).status == 200


async def test_ctrl_c_instead_of_a_password_makes_nobody(house: House, login: Path) -> None:
    with in_terminal("user", "create", "bob", config_dir=login) as terminal:
        await terminal.shows("Password of bob: ")
        terminal.process.send_signal(signal.SIGINT)
        assert await terminal.ended() == 130

    assert "bob" not in [user["username"] for user in (await house.get("/users"))["items"]]


# An edit


async def test_what_differs_in_the_editor_is_saved_and_nothing_else(
    house: House, login: Path, name: str, tmp_path: Path
) -> None:
    config_id = await house.config(name=name, tags=["a"])
    editor = an_editor(tmp_path, (NOTHING, ("priority: 5", "priority: 8")))

    with in_terminal("config", "edit", name, editor=editor, config_dir=login) as terminal:
        text = await terminal.shows(f"Changed {name}, now at version 2.")
        assert await terminal.ended() == 0, text

    config = await house.get(f"/task-configs/{config_id}")
    assert (config["priority"], config["tags"], config["version"]) == (8, ["a"], 2)
    assert seen(tmp_path, 0)[0] == f"# {name}, config {config_id}, version 1."


async def test_a_text_that_was_left_alone_changes_nothing(house: House, login: Path, name: str) -> None:
    config_id = await house.config(name=name)

    with in_terminal("config", "edit", name, editor="true", config_dir=login) as terminal:
        await terminal.shows("Nothing was changed.")
        assert await terminal.ended() == 0

    assert (await house.get(f"/task-configs/{config_id}"))["version"] == 1


async def test_what_the_api_refuses_comes_back_above_the_same_text(
    house: House, login: Path, name: str, tmp_path: Path
) -> None:
    config_id = await house.config(name=name)
    wrong, right = ("priority: 5", "priority: 88"), ("priority: 88", "priority: 8")
    editor = an_editor(tmp_path, (NOTHING, wrong), (NOTHING, right))

    with in_terminal("config", "edit", name, editor=editor, config_dir=login) as terminal:
        await terminal.shows("now at version 2.")
        assert await terminal.ended() == 0

    again = seen(tmp_path, 1)
    assert again[0] == "# Not saved:"
    assert again[1].startswith("# priority: ")
    assert "priority: 88" in again
    assert (await house.get(f"/task-configs/{config_id}"))["priority"] == 8


async def test_who_gives_up_on_a_refused_text_finds_it_kept(
    house: House, login: Path, name: str, tmp_path: Path
) -> None:
    await house.config(name=name)
    same = ("priority: 88", "priority: 88")
    editor = an_editor(tmp_path, (NOTHING, ("priority: 5", "priority: 88")), (NOTHING, same))

    with in_terminal("config", "edit", name, editor=editor, config_dir=login) as terminal:
        assert await terminal.ended() == 1
        text = named(terminal.text(), "Your text is kept in ")

    try:
        assert "priority: 88" in text.read_text().splitlines()
        assert stat.S_IMODE(text.stat().st_mode) == 0o600
    finally:
        text.unlink()


async def test_an_edit_that_met_another_is_laid_over_it_and_loses_nothing(
    house: House, login: Path, name: str, tmp_path: Path
) -> None:
    config_id = await house.config(name=name)
    another = [sys.executable, "-m", "horarium", "config", "edit", name, "--queue", "theirs"]
    line_out = ("# Take this line out to send it.\n", "")
    editor = an_editor(tmp_path, (another, ("priority: 5", "priority: 8")), (NOTHING, line_out))

    with in_terminal("config", "edit", name, editor=editor, config_dir=login) as terminal:
        await terminal.shows("now at version 3.", times=1)
        assert await terminal.ended() == 0

    config = await house.get(f"/task-configs/{config_id}")
    assert (config["priority"], config["queue"]) == (8, "theirs")
    assert seen(tmp_path, 1)[0].startswith("# Not saved: somebody has changed it meanwhile.")


async def test_ctrl_c_in_an_editor_does_not_end_the_command_before_it_has_named_the_file(
    house: House, login: Path, name: str, tmp_path: Path
) -> None:
    await house.config(name=name)
    interrupted = tmp_path / "interrupted.sh"
    interrupted.write_text("#!/bin/sh\ntrap '' INT\nkill -INT 0\nexit 3\n")
    interrupted.chmod(0o755)

    with in_terminal("config", "edit", name, editor=str(interrupted), config_dir=login) as terminal:
        await terminal.shows("The text is in ")
        assert await terminal.ended() == 2


async def test_an_editor_that_fails_sends_nothing_and_says_where_the_text_is(
    house: House, login: Path, name: str
) -> None:
    config_id = await house.config(name=name)

    with in_terminal("config", "edit", name, editor="no-such-editor", config_dir=login) as terminal:
        assert await terminal.ended() == 2
        said = terminal.text()

    named(said, "The text is in ").unlink()
    assert "is VISUAL or EDITOR right?" in " ".join(said.split())
    assert (await house.get(f"/task-configs/{config_id}"))["version"] == 1


# The patience to wait


async def test_ctrl_c_while_waiting_leaves_the_run_alone_and_says_so(house: House, login: Path, name: str) -> None:
    config_id = await house.config(name=name, task_type="sleep", parameters={"seconds": 50})

    with in_terminal("config", "run", name, "--wait", config_dir=login) as terminal:
        await terminal.shows("running, attempt 1; Ctrl-C leaves it running")
        terminal.process.send_signal(signal.SIGINT)
        ended = await terminal.ended()
        said = terminal.text()

    execution = (await house.get(f"/task-configs/{config_id}/executions"))["items"][0]
    assert ended == 130
    assert f"It goes on without us: horarium execution show {execution['task_id']}" in " ".join(said.split())
    assert execution["status"] == "running"
    assert (await run("execution", "cancel", execution["task_id"], config_dir=login)).code == 0


async def test_a_tail_shows_a_run_from_its_start_to_its_end_until_ctrl_c(house: House, login: Path, name: str) -> None:
    config_id = await house.config(name=name, task_type="sleep", parameters={"seconds": 50})
    before = (await run("config", "run", name, "--param", "seconds=0", "--wait", config_dir=login)).out.strip()

    with in_terminal("execution", "tail", "--config", name, "-n", "1", "--json", config_dir=login) as terminal:
        begun = await terminal.shows('"status": "success"')
        task_id = (await house.call("POST", f"/api/v1/task-configs/{config_id}/run")).body["task_id"]
        await terminal.shows('"status": "running"')
        await house.call("POST", f"/api/v1/executions/{task_id}/cancel")
        text = await terminal.shows('"status": "cancelled"')
        terminal.process.send_signal(signal.SIGINT)
        assert await terminal.ended() == 0

    assert before in begun
    assert task_id in text.partition(before)[2]


async def test_a_list_of_executions_is_redrawn_until_ctrl_c(house: House, login: Path, name: str) -> None:
    config_id = await house.config(name=name)
    task_id = (await house.call("POST", f"/api/v1/task-configs/{config_id}/run")).body["task_id"]

    words = ("execution", "list", "--config", name, "--watch", "--interval", "0.1")
    with in_terminal(*words, config_dir=login) as terminal:
        await terminal.shows(task_id, times=3)
        terminal.process.send_signal(signal.SIGINT)
        assert await terminal.ended() == 0
