"""`horarium import` as a user has it: a dry run that predicts, an apply that does all of it or nothing, exit codes."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
import pytest
import yaml

from horarium.manifest import read
from tests.support.imports import imported
from tests.support.processes import environment
from tests.support.pseudo_terminal import in_terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.tree import House

    Source = Callable[..., str]

pytestmark = pytest.mark.anyio

NOBODY = "http://127.0.0.1:1"
HOURLY = {"task": "echo", "schedule": 3600, "kwargs": {"message": "hello"}}


@pytest.fixture
async def api(house: House) -> dict[str, str]:
    """Settings of an operator at the house."""
    return {"api_url": house.url, "token": (await house.api_key(role="operator"))["key"]}


@pytest.fixture
def source(tmp_path: Path) -> Callable[..., str]:
    """Makes a file of settings with these entries."""

    def write(**entries: dict[str, Any]) -> str:
        file = tmp_path / "celeryconfig.py"
        file.write_text(f"beat_schedule = {entries!r}\n")
        return str(file)

    return write


async def names(api: dict[str, str]) -> set[str]:
    """The configs that the API has."""
    headers = {"Authorization": f"Bearer {api['token']}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{api['api_url']}/api/v1/task-configs?limit=200", headers=headers) as response,
    ):
        return {config["name"] for config in (await response.json())["items"]}


async def test_a_dry_run_says_what_would_be_made_and_makes_nothing(api: dict[str, str], source: Source) -> None:
    run = await imported("celery", source(dry=HOURLY), **api)

    assert (run.code, run.said["applied"]) == (0, False)
    assert run.said["answer"]["created"] == ["dry"]
    assert "dry" not in await names(api)


async def test_what_is_applied_twice_is_made_once(api: dict[str, str], source: Source) -> None:
    first = await imported("celery", source(once=HOURLY), "--apply", **api)
    second = await imported("celery", source(once=HOURLY), "--apply", **api)

    assert (first.code, first.said["answer"]["created"]) == (0, ["once"])
    assert (second.code, second.said["answer"]["unchanged"]) == (0, ["once"])
    assert "once" in await names(api)


async def test_what_cannot_be_carried_over_does_not_keep_the_rest_back(api: dict[str, str], source: Source) -> None:
    unknown = {"task": "app.add", "schedule": 3600}

    run = await imported("celery", source(known=HOURLY, unknown=unknown), "--apply", **api)

    assert run.code == 7
    assert run.left["unknown"].startswith("there is no task type 'app.add'; declare it with @task")
    assert await names(api) >= {"known"}


async def test_a_batch_that_is_refused_makes_nothing_and_names_the_config(api: dict[str, str], source: Source) -> None:
    wrong = {"task": "sleep", "schedule": 3600, "kwargs": {"seconds": "many"}}

    run = await imported("celery", source(good=HOURLY, wrong=wrong), "--apply", **api)

    assert (run.code, run.said["applied"]) == (1, False)
    assert "'wrong'" in run.err
    assert "good" not in await names(api)


async def test_positional_arguments_are_named_by_the_signature(api: dict[str, str], source: Source) -> None:
    run = await imported("celery", source(positional={"task": "sleep", "schedule": 60, "args": [1.5]}), **api)

    assert run.configs["positional"]["parameters"] == {"seconds": 1.5}


async def test_where_shell_command_is_off_a_crontab_says_so(api: dict[str, str], tmp_path: Path) -> None:
    crontab = tmp_path / "crontab"
    crontab.write_text("0 3 * * * backup\n")

    run = await imported("crontab", str(crontab), **api)

    assert (run.code, run.configs) == (7, {})
    assert run.left == {"line 1: backup": "shell_command is off there; HORARIUM_ALLOW_SHELL=1 turns it on"}


async def test_a_reason_that_several_have_is_told_once(api: dict[str, str], tmp_path: Path) -> None:
    crontab = tmp_path / "crontab"
    crontab.write_text("0 3 * * * backup\n0 4 * * * restore\n")
    command = [sys.executable, "-m", "horarium", "import", "crontab", str(crontab)]

    done = await anyio.run_process(command, env=environment(**api), check=False)

    assert (
        "  shell_command is off there; HORARIUM_ALLOW_SHELL=1 turns it on:\n    line 1: backup\n    line 2: restore\n"
        in done.stdout.decode()
    )


async def test_a_dry_run_that_reaches_nobody_goes_by_what_is_known_here(source: Source, tmp_path: Path) -> None:
    run = await imported("celery", source(hourly=HOURLY), api_url=NOBODY, token="any", config_dir=tmp_path)

    assert (run.code, run.configs.keys()) == (0, {"hourly"})
    assert "Only the task types of this process are known: nobody answers" in run.err


async def test_an_apply_that_reaches_nobody_is_code_6(source: Source, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "horarium", "import", "celery", source(hourly=HOURLY), "--apply"]
    settings = environment(api_url=NOBODY, token="any", config_dir=tmp_path)

    done = await anyio.run_process(command, env=settings, check=False)

    assert (done.returncode, done.stdout) == (6, b"")


async def test_a_file_is_written_once_and_says_what_it_lacks(source: Source, tmp_path: Path) -> None:
    file = tmp_path / "horarium.yaml"
    arguments = ("celery", source(hourly=HOURLY, often={"task": "echo", "schedule": 0.5}), "--offline", "-o", str(file))

    run = await imported(*arguments)
    with pytest.raises(AssertionError, match="is there already"):
        await imported(*arguments)

    assert yaml.safe_load(file.read_text()) == {"configs": run.said["configs"]}
    assert "# Not carried over: often: runs every 0.5 s; intervals here are whole seconds\n" in file.read_text()


async def test_a_file_that_is_there_keeps_anything_from_being_made(
    api: dict[str, str], source: Source, tmp_path: Path
) -> None:
    file = tmp_path / "horarium.yaml"
    file.write_text("mine")
    command = [sys.executable, "-m", "horarium", "import", "celery", source(unmade=HOURLY), "--apply", "-o", str(file)]

    done = await anyio.run_process(command, env=environment(**api), check=False)

    assert (done.returncode, file.read_text()) == (2, "mine")
    assert "unmade" not in await names(api)


@pytest.mark.parametrize("value", ["1e3", "08", "0o17", "on", "12:30"])
async def test_a_text_that_looks_like_a_number_is_applied_as_a_text(tmp_path: Path, value: str) -> None:
    crontab, file = tmp_path / "crontab", tmp_path / "horarium.yaml"
    crontab.write_text(f"VALUE={value}\n@daily job\n")

    await imported("crontab", str(crontab), "--timezone", "UTC", "--offline", "-o", str(file))

    [entry] = read([str(file)]).entries
    assert entry.config["parameters"]["env"] == {"VALUE": value}


async def test_a_crontab_comes_through_a_pipe_too() -> None:
    command = [sys.executable, "-m", "horarium", "import", "crontab", "-", "--timezone", "UTC", "--offline", "--json"]

    done = await anyio.run_process(command, input=b"@daily job\n", env=environment(), check=False)

    assert [config["name"] for config in json.loads(done.stdout)["configs"]] == ["job"]


async def test_the_timeout_is_a_duration(source: Source) -> None:
    run = await imported("celery", source(long=HOURLY), "--offline", "--timeout", "2h")

    assert run.configs["long"]["timeout_seconds"] == 7200


async def test_on_a_terminal_it_says_what_it_is_at(source: Source) -> None:
    with in_terminal("import", "celery", source(slowly=HOURLY), "--offline") as terminal:
        assert "Importing celery" in await terminal.shows("can be carried over")


async def test_on_a_terminal_no_name_hides_what_would_change_and_no_reason_is_cut(
    api: dict[str, str], source: Source
) -> None:
    long, often = "a name that is long " * 6, {"task": "echo", "schedule": 0.5}

    with in_terminal("import", "celery", source(**{long: HOURLY, f"{long}too": often}), **api) as terminal:
        shown = await terminal.shows("can be carried over")

    row = next(line for line in shown.splitlines() if "every 3600 s" in line)
    assert row.split("…")[1].split()[:2] == ["created", "every"]
    assert "runs every 0.5 s; intervals here are whole seconds" in " ".join(shown.split())


async def test_people_get_a_table_and_the_lines_that_stay_behind(api: dict[str, str], source: Source) -> None:
    arguments = ["celery", source(table=HOURLY, often={"task": "echo", "schedule": 0.5})]

    done = await anyio.run_process(
        [sys.executable, "-m", "horarium", "import", *arguments], env=environment(**api), check=False
    )

    lines = done.stdout.decode().splitlines()
    assert lines[0].split("  ")[0] == "NAME"
    assert lines[1].split()[:5] == ["table", "created", "every", "3600", "s"]
    assert lines[1].split()[-2:] == ["echo", "active"]
    assert "  often: runs every 0.5 s; intervals here are whole seconds" in lines
    assert lines[-1] == "1 can be carried over, 1 not; nothing was changed, --apply does it."
