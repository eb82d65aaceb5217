"""Files and what they declare together; every fault with its file and line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from horarium.errors import ConfigurationError
from horarium.manifest import ManifestError, parse, read

if TYPE_CHECKING:
    from pathlib import Path

FILE = """\
source: team-a
x-shared: &shared {max_retries: 3}
defaults:
  task_type: echo
  schedule_config:
    timezone: Europe/Berlin
configs:
- name: nightly
  <<: *shared
  scheduler_type: cron
  schedule_config:
    hour: 3
- name: other
  task_type: sleep
"""


def test_defaults_are_what_a_config_does_not_say_itself() -> None:
    nightly, other = (entry.config for entry in parse(FILE, "f").entries)

    assert nightly == {
        "name": "nightly",
        "task_type": "echo",
        "max_retries": 3,
        "scheduler_type": "cron",
        "schedule_config": {"timezone": "Europe/Berlin", "hour": 3},
    }
    assert (other["task_type"], other["schedule_config"]) == ("sleep", {"timezone": "Europe/Berlin"})
    assert parse(FILE, "f").source == "team-a"


@pytest.mark.parametrize(
    ("index", "path", "place"),
    [
        (0, ["schedule_config", "hour"], "f:12"),
        (0, ["schedule_config", "timezone"], "f:6"),
        (0, ["max_retries"], "f:2"),
        (0, ["task_type"], "f:4"),
        (1, ["task_type"], "f:14"),
        (1, ["scheduler_type"], "f:13"),
    ],
)
def test_a_field_is_found_where_it_was_written(index: int, path: list[str | int], place: str) -> None:
    assert parse(FILE, "f").entries[index].place(path) == place


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "f:1: must be a mapping with configs, defaults, source"),
        ("- a", "f:1: must be a mapping"),
        ("defaults: {}", "f:1: configs must be a list of configs; [] for none at all"),
        ("\nconfigs:", "f:2: configs must be a list"),
        ("configs: []\nconfig: []", "f:2: 'config' is unknown here"),
        ("configs:\n- a", "f:2: must be a mapping: the fields of one config"),
        ("configs: []\ndefaults: []", "f:2: defaults must be a mapping"),
        ("configs: []\nsource: 3", "f:2: source must be a text"),
        ("configs: []\nconfigs: []", "f:2: 'configs' stands there twice"),
    ],
)
def test_what_is_no_such_file_is_refused_with_its_line(text: str, fault: str) -> None:
    with pytest.raises(ManifestError) as refused:
        parse(text, "f")

    assert str(refused.value).startswith(fault)


def test_several_files_declare_together(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("configs: [{name: a}]\nsource: mine")
    second.write_text("\ufeffconfigs: [{name: é}]", encoding="utf-8")

    both = read([str(first), str(second)])

    assert ([entry.name for entry in both.entries], both.source) == (["a", "é"], "mine")


def test_files_of_two_sources_are_not_declared_together(tmp_path: Path) -> None:
    files = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    files[0].write_text("configs: []\nsource: mine")
    files[1].write_text("configs: []\nsource: theirs")

    with pytest.raises(ManifestError, match="these files name mine, theirs"):
        read(map(str, files))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml: No such file"):
        read([str(tmp_path / "nowhere.yaml")])
    with pytest.raises(ConfigurationError, match="is no UTF-8 text"):
        read([str(binary)])
