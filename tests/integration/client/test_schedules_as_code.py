"""`horarium apply`, `export` and `schema` as a user has them: files, what is printed about them, how they end."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.client.test_commands import Run, login, run
from tests.support.pseudo_terminal import in_terminal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.tree import House

__all__ = ["login"]

pytestmark = pytest.mark.anyio

NUMBERS = count(1)
FILE = """\
source: {name}
defaults:
  task_type: echo
  parameters: {{message: hello}}
configs:
- name: {name} nightly
  scheduler_type: cron
  schedule_config:
    hour: 3
    minute: 30
- name: {name} by hand
  scheduler_type: manual
"""


@pytest.fixture
def name() -> str:
    """A name that nobody has, for a source and its configs."""
    return f"file {next(NUMBERS)}"


@pytest.fixture
def file(tmp_path: Path, name: str) -> Path:
    """A file of two configs."""
    path = tmp_path / "horarium.yaml"
    path.write_text(FILE.format(name=name))
    return path


def text(file: Path) -> str:
    return file.read_text()


def write(file: Path, text: str) -> None:
    file.write_text(text)


async def apply(login: Path, file: Path, *flags: str) -> Run:
    return await run("apply", "-f", str(file), *flags, config_dir=login)


async def test_a_file_is_applied_and_the_second_time_changes_nothing(login: Path, file: Path, name: str) -> None:
    first = await apply(login, file)
    second = await apply(login, file, "--exit-code")

    assert (first.code, first.err) == (0, "")
    assert first.out == f"+ {name} nightly\n+ {name} by hand\n2 created, 0 unchanged\n"
    assert (second.code, second.out, second.err) == (0, "2 unchanged\n", "")


async def test_a_change_is_shown_field_by_field_and_what_is_pruned_as_well(login: Path, file: Path, name: str) -> None:
    await apply(login, file)
    write(file, text(file).replace("hour: 3", "hour: 4").partition(f"- name: {name} by hand")[0] + "  priority: 7\n")

    dry = await apply(login, file, "--prune", "--dry-run", "--exit-code")
    done = await apply(login, file, "--prune")

    difference = f'~ {name} nightly\n    schedule_config.hour: "3" -> "4"\n    priority: 5 -> 7\n- {name} by hand\n'
    assert (dry.code, dry.out) == (10, difference + "1 to update, 1 to delete, 0 unchanged\n")
    assert (done.code, done.out) == (0, difference + "1 updated, 1 deleted, 0 unchanged\n")


async def test_what_the_api_refuses_is_told_with_file_line_config_and_field(
    house: House, login: Path, file: Path, name: str
) -> None:
    write(file, text(file).replace("minute: 30", "minute: 99").replace("hello", "[hello]"))

    refused = await apply(login, file)

    lines = refused.err.splitlines()
    assert (refused.code, refused.out) == (1, "")
    assert lines[0].startswith(f"horarium: {file}:4: {name} nightly: parameters.message: ")
    assert lines[1].startswith(f"horarium: {file}:10: {name} nightly: schedule_config.minute: ")
    assert lines[2].startswith(f"horarium: {file}:4: {name} by hand: parameters.message: ")
    assert (await house.get("/task-configs", q=name))["items"] == []


async def test_a_fault_of_the_text_is_told_with_its_line_and_asks_nobody(tmp_path: Path, file: Path) -> None:
    write(file, "configs:\n- name: a\n  name: b\n")

    refused = await run("apply", "-f", str(file), config_dir=tmp_path / "nobody")

    assert (refused.code, refused.out) == (2, "")
    assert refused.err == f"horarium: {file}:3: 'name' stands there twice\n"


async def test_a_file_comes_through_a_pipe_and_several_declare_together(login: Path, file: Path, name: str) -> None:
    other = file.with_name("other.yaml")
    write(other, "configs:\n" + text(file).partition("configs:\n")[2].replace(name, f"{name} too"))
    write(other, text(other).replace("scheduler_type", "task_type: fail\n  scheduler_type"))

    piped = await run("apply", "-f", "-", "-f", str(other), stdin=text(file), config_dir=login)

    assert (piped.code, piped.out.splitlines()[-1]) == (0, "4 created, 0 unchanged")


async def test_a_file_that_is_not_there_is_said_to_be_so(login: Path, tmp_path: Path) -> None:
    refused = await apply(login, tmp_path / "nowhere.yaml")

    assert (refused.code, refused.err) == (2, f"horarium: {tmp_path / 'nowhere.yaml'}: No such file or directory\n")


async def test_warnings_are_told_with_their_place_and_refuse_nothing(login: Path, file: Path, name: str) -> None:
    write(file, text(file) + "  queue: nobodys\n")

    applied = await apply(login, file)

    assert applied.code == 0
    assert f"warning: {file}:13: {name} by hand: queue: no living worker reads the queue 'nobodys'\n" in applied.err


async def test_the_answer_is_printed_for_programs(login: Path, file: Path, name: str) -> None:
    answer = json.loads((await apply(login, file, "--json")).out)

    assert (answer["created"], answer["dry_run"]) == ([f"{name} nightly", f"{name} by hand"], False)


async def test_what_is_exported_is_applied_without_a_change(house: House, login: Path, file: Path, name: str) -> None:
    await apply(login, file)
    fields = {"tags": ["08:00", "é"], "description": "a\nb", "end_at": "2099-01-31T09:00:00+02:00"}
    odd = await house.config(name=f"{name} on", **fields)
    await house.call("POST", f"/api/v1/task-configs/{odd}/pause")
    exported = file.with_name("exported.yaml")

    written = await run("export", "-o", str(exported), config_dir=login)
    applied = await apply(login, exported, "--prune", "--exit-code")
    ours = await run("export", "--source", name, config_dir=login)

    total = (await house.get("/task-configs"))["total"]
    assert (written.code, written.out, written.err) == (0, "", f"Wrote {total} configs to {exported}.\n")
    assert (applied.code, applied.out) == (0, f"{total} unchanged\n")
    assert ours.out.startswith(f"# yaml-language-server: $schema={house.url}/horarium.schema.json\n")
    assert f"\nsource: {name}\nconfigs:\n- name: {name} by hand\n" in ours.out
    assert "\n  schedule_config:\n    minute: '30'\n    hour: '3'\n    timezone: UTC\n" in ours.out
    assert f"{name} on" not in ours.out


async def test_the_schema_is_printed_and_served_to_everybody(house: House) -> None:
    printed = await run("schema")

    served = await house.call("GET", "/horarium.schema.json", token=None)
    assert (printed.code, served.status) == (0, 200)
    assert json.loads(printed.out) == served.body


async def test_a_viewer_may_export_and_not_apply(house: House, file: Path) -> None:
    key = (await house.api_key(role="viewer"))["key"]

    exported = await run("export", api_url=house.url, token=key)
    refused = await run("apply", "-f", str(file), api_url=house.url, token=key)

    assert (exported.code, refused.code) == (0, 4)
    assert "needs the role operator" in refused.err


async def test_in_a_terminal_the_difference_stands_alone_when_the_work_is_done(
    login: Path, file: Path, name: str
) -> None:
    arguments: Any = ("apply", "-f", str(file))
    with in_terminal(*arguments, config_dir=login) as terminal:
        shown = await terminal.shows("2 created, 0 unchanged")

    assert f"+ {name} by hand" in shown
