"""`shell_command` as a worker runs it: off unless allowed, in a bare environment, and a failure that can be read."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from horarium.settings import load_settings
from horarium.tasks.message import TaskMessage
from horarium.tasks.shell import Shell
from tests.support.families import alive, members
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.workbench import Workbench

pytestmark = pytest.mark.anyio

ROOT = str(Path(__file__).resolve().parents[3])


@pytest.fixture
def allowed(bench: Workbench) -> Workbench:
    bench.broker.add_dependency_context({Shell: Shell(allowed=True)})
    return bench


def family(mark: Path) -> list[str]:
    code = "import sys; from tests.support.families import plain_family; plain_family.original_func(sys.argv[1])"
    return [sys.executable, "-c", code, str(mark)]


async def test_a_worker_runs_no_program_unless_it_may(bench: Workbench, tmp_path: Path) -> None:
    touched = tmp_path / "touched"

    row = await bench.run("shell_command", {"argv": ["touch", str(touched)]})

    assert row["status"] == "failed"
    assert row["error"].endswith("shell_command is off on this worker; HORARIUM_ALLOW_SHELL=1 turns it on")
    assert not touched.exists()


@pytest.mark.parametrize(("task_type", "result"), [("echo", "as ordered"), ("shell_command", "as ordered\n")])
async def test_a_message_has_no_say_in_what_is_run(
    allowed: Workbench, tmp_path: Path, task_type: str, result: str
) -> None:
    """Whoever may write to the broker, and has read the id of a row there, is no administrator."""
    ordered = {"message": "as ordered"} if task_type == "echo" else {"argv": ["echo", "as ordered"]}
    forged = {"argv": ["touch", str(tmp_path / "touched")]}
    row = await allowed.read(await allowed.row(task_type, ordered))

    await allowed.broker.publish(
        [TaskMessage(row["id"], 1, row["config_id"], "shell_command", "manual", None, forged, "default", 5)]
    )
    ended = await allowed.ended(row["id"])

    assert result in ended["result"].values()
    assert not (tmp_path / "touched").exists()


async def test_what_a_program_says_is_the_result(allowed: Workbench) -> None:
    row = await allowed.run("shell_command", {"argv": ["sh", "-c", "echo out; echo err >&2"]})

    assert (row["status"], row["result"]) == ("success", {"exit_code": 0, "stdout": "out\n", "stderr": "err\n"})


async def test_arguments_are_not_split_by_a_shell(allowed: Workbench) -> None:
    row = await allowed.run("shell_command", {"argv": ["echo", "; rm -rf /", "$(id)"]})

    assert row["result"]["stdout"] == "; rm -rf / $(id)\n"


async def test_another_exit_code_is_a_failure_that_shows_the_last_words(allowed: Workbench) -> None:
    script = "seq 100000 >&2; echo the disk is full >&2; exit 3"

    row = await allowed.run("shell_command", {"argv": ["sh", "-c", script, "hunter2"]})

    assert row["status"] == "failed"
    assert "sh ended with exit code 3; its last words on stderr:\n" in row["error"]
    assert row["error"].endswith("\n100000\nthe disk is full")
    assert "hunter2" not in row["error"]


async def test_the_signal_that_ended_a_program_is_named(allowed: Workbench) -> None:
    row = await allowed.run("shell_command", {"argv": ["sh", "-c", "kill -KILL $$"]})

    assert row["error"].endswith("sh ended with SIGKILL")


async def test_a_program_knows_its_execution_and_nothing_of_the_worker(
    allowed: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it knows does not keep it from being one of our own commands either."""
    monkeypatch.setenv("HORARIUM_DATABASE_URL", "postgresql://canary@db/x")
    monkeypatch.setenv("HORARIUM_SECRET_KEY", "canary" * 10)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")

    row = await allowed.run("shell_command", {"argv": ["env"], "env": {"REGION": "eu"}})

    told = dict(line.split("=", 1) for line in row["result"]["stdout"].splitlines())
    assert "canary" not in row["result"]["stdout"]
    assert told == {
        "PATH": os.environ["PATH"],
        "HOME": str(Path.home()),
        "LANG": "C.UTF-8",
        "REGION": "eu",
        "HORARIUM_TASK_ID": str(row["id"]),
        "HORARIUM_CONFIG_ID": str(row["config_id"]),
        "HORARIUM_TICK_AT": "",
        "HORARIUM_ATTEMPT": "1",
    }
    assert load_settings(told) == load_settings({})


async def test_ten_megabytes_of_output_are_a_bounded_result(allowed: Workbench) -> None:
    row = await allowed.run("shell_command", {"argv": ["head", "-c", "10485760", "/dev/zero"]})

    assert row["status"] == "success"
    assert len(str(row["result"])) < 300_000


@pytest.mark.parametrize("ending", ["timeout", "cancelled"])
async def test_a_program_that_is_to_end_takes_its_children_along(
    allowed: Workbench, tmp_path: Path, ending: str
) -> None:
    mark = tmp_path / "pids"
    parameters = {"argv": family(mark), "cwd": ROOT}
    execution_id = await allowed.row("shell_command", parameters, timeout_seconds=6 if ending == "timeout" else 60)
    await allowed.send(execution_id)

    async def written() -> list[int]:
        return members(mark)

    group = (await eventually(written))[0]
    if ending == "cancelled":
        await allowed.cancel(execution_id)
    row = await allowed.ended(execution_id)

    async def nobody() -> bool:
        return alive(group) == []

    assert row["status"] == ending
    await eventually(nobody)
