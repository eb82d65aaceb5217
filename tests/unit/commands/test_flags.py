"""The flags of the commands and the fields of the API are the same: none is forgotten when a field is added."""

from __future__ import annotations

from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from horarium.cli import app
from horarium.commands.fields import AS_THEY_ARE
from horarium.commands.flags import CONFIG_FILTERS, CONFIG_FLAGS, EXECUTION_FILTERS
from horarium.exit_codes import EXIT_CODES
from horarium.http.executions import ExecutionsQuery
from horarium.http.task_configs import ConfigsQuery
from horarium.model import TaskConfigCreate, TaskConfigPatch

PAGING = {"limit", "cursor"}
SCHEDULE = {"scheduler_type", "schedule_config"}


def command_of(*words: str) -> Any:
    command: Any = typer.main.get_command(app)
    for word in words:
        command = command.commands[word]
    return command


def commands_below(command: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not hasattr(command, "commands"):
        return [path]
    return [each for name, child in command.commands.items() for each in commands_below(child, (*path, name))]


COMMANDS = commands_below(command_of())


def test_every_field_of_a_config_has_a_flag() -> None:
    told = {"tags": "tag", "parameters": "param"}
    fields = {told.get(name, name) for name in TaskConfigPatch.model_fields} - SCHEDULE - {"name"}

    assert fields - CONFIG_FLAGS.keys() == set()
    assert TaskConfigCreate.model_fields.keys() - TaskConfigPatch.model_fields.keys() == {"status"}
    assert set(AS_THEY_ARE) - TaskConfigCreate.model_fields.keys() == set()


def test_every_filter_of_the_api_has_a_flag() -> None:
    assert CONFIG_FILTERS.keys() == ConfigsQuery.model_fields.keys() - PAGING
    assert EXECUTION_FILTERS.keys() == (ExecutionsQuery.model_fields.keys() - PAGING - {"config_id"}) | {"config"}


def test_every_command_of_the_design_is_there() -> None:
    config = "list show create edit delete start stop pause resume reload run history next backfill"
    execution = "list show cancel retry tail"

    assert {("config", name) for name in config.split()} - set(COMMANDS) == set()
    assert {("execution", name) for name in execution.split()} - set(COMMANDS) == set()
    assert ("status",) in COMMANDS


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_no_default_is_lost_from_a_help_text(path: tuple[str, ...]) -> None:
    """Typer takes square brackets for markup and leaves out what stands in them."""
    texts = [param.help or "" for param in command_of(*path).params]

    assert [text for text in texts if "[" in text] == []


def test_the_help_of_the_program_has_the_exit_codes() -> None:
    shown = CliRunner().invoke(app, ["--help"])

    assert " ".join(EXIT_CODES.split()) in " ".join(shown.output.split())
