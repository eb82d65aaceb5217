"""What is written is read back as it was, by YAML's rules of today and of yesterday."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from horarium.manifest import as_declared, parse, written

TRAPS = [
    "on", "off", "yes", "n", "08:00", "1:30:00", "2030-01-31", "2030-01-31T09:00:00Z", "1_000", "0o17", "017", "0x1F",
    "1e3", ".5", "1.", "-", "~", "null", "", " ", "a: b", "# a", "*/5 * * * *", "<<", "=", "!x", "&a", "%", "@", "`",
    "two\nlines\n", "\n", "trailing \n", " leading\nline", "tab\there", "\u2028", "\x85", "\ufeff", "é", "日本", "🕐",
    "'", '"', ".inf", ".NaN", "y" * 300, "a " * 200, "- a\n- b", "---", "...", "? x", "{", "[", "x\r\ny",
]  # fmt: skip
CONFIG: dict[str, Any] = {
    "name": "nightly", "description": "", "task_type": "echo", "parameters": {}, "scheduler_type": "manual",
    "schedule_config": {}, "status": "active", "queue": "default", "priority": 5, "timeout_seconds": 300.0,
    "max_retries": 0, "retry_backoff_seconds": 10.0, "overlap": "skip", "catchup": "latest",
    "catchup_window_seconds": 3600, "max_catchup_runs": 100, "jitter_seconds": 0, "start_at": None, "end_at": None,
    "tags": [],
}  # fmt: skip
QUEUES = {"echo": "default"}

texts = st.one_of(st.text(st.characters(codec="utf-8", exclude_characters="\0")), st.sampled_from(TRAPS))
numbers = st.one_of(st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)


def file_of(*configs: dict[str, Any], source: str | None = None) -> str:
    return written(configs, url="http://here", source=source, queues=QUEUES)


def read_back(text: str) -> list[dict[str, Any]]:
    return [entry.config for entry in parse(text, "f").entries]


def test_what_has_its_default_is_left_out() -> None:
    assert read_back(file_of(CONFIG)) == [{"name": "nightly", "task_type": "echo", "scheduler_type": "manual"}]


@pytest.mark.parametrize(
    ("fields", "declared"),
    [
        ({"status": "paused"}, {}),
        ({"status": "error"}, {}),
        ({"status": "inactive"}, {"status": "inactive"}),
        ({"queue": "reports"}, {"queue": "reports"}),
        ({"task_type": "unknown"}, {"queue": "default", "task_type": "unknown"}),
        ({"end_at": "2030-01-31T09:00:00Z"}, {"end_at": "2030-01-31T09:00:00Z"}),
    ],
)
def test_what_has_not_is_said_as_it_is_to_be_declared(fields: dict[str, Any], declared: dict[str, Any]) -> None:
    plain = {"name": "nightly", "task_type": "echo", "scheduler_type": "manual"}

    assert as_declared(CONFIG | fields, QUEUES) == plain | declared


def test_the_head_names_the_schema_for_editors_and_the_source() -> None:
    text = file_of(CONFIG | {"status": "paused"}, source="team-a")

    assert text.startswith("# yaml-language-server: $schema=http://here/horarium.schema.json\n")
    assert "\n# Paused here; that is not a file's to say.\n- name: nightly\n" in text
    assert parse(text, "f").source == "team-a"


@pytest.mark.parametrize(
    ("stored", "declared"),
    [
        (
            {"day": "*", "hour": "3", "month": "*", "minute": "30", "timezone": "UTC", "day_of_week": "MON-FRI"},
            ["minute", "hour", "day_of_week", "timezone"],
        ),
        (dict.fromkeys(("day", "hour", "month", "minute", "day_of_week"), "*"), ["minute"]),
        ({"anchor": "2030-01-01T00:00:00+00:00", "seconds": 5, "hours": 1}, ["hours", "seconds", "anchor"]),
        ({"timezone": "UTC", "nonsense": 1}, ["timezone", "nonsense"]),
    ],
)
def test_a_schedule_is_written_in_the_order_of_its_fields_without_those_that_say_nothing(
    stored: dict[str, Any], declared: list[str]
) -> None:
    assert list(as_declared(CONFIG | {"schedule_config": stored}, QUEUES)["schedule_config"]) == declared


def test_nothing_at_all_is_a_file_that_declares_nothing() -> None:
    assert read_back(file_of()) == []


def test_a_text_of_several_lines_is_written_as_lines() -> None:
    assert "  description: |-\n    one\n    two\n" in file_of(CONFIG | {"description": "one\ntwo"})


@pytest.mark.parametrize("text", TRAPS, ids=ascii)
def test_a_text_that_looks_like_something_else_stays_a_text(text: str) -> None:
    config = CONFIG | {"name": text, "description": text, "tags": [text], "parameters": {text: [text, {"a": text}]}}

    exported = file_of(config)

    assert read_back(exported) == [as_declared(config, QUEUES)]


@pytest.mark.parametrize("word", ["on", "08:00", "2030-01-31", "1_000", "yes", "0o17", "1e3"])
def test_a_reader_of_yaml_1_1_reads_the_same(word: str) -> None:
    exported = file_of(CONFIG | {"parameters": {"message": word}})

    assert yaml.safe_load(exported)["configs"][0]["parameters"] == {"message": word}


@settings(max_examples=300, deadline=None)
@given(texts, st.dictionaries(texts, values, max_size=5), st.lists(texts, max_size=3))
def test_any_config_is_read_back_as_it_was(name: str, parameters: dict[str, Any], tags: list[str]) -> None:
    config = CONFIG | {"name": name, "description": name, "parameters": parameters, "tags": tags}

    assert read_back(file_of(config, CONFIG)) == [as_declared(config, QUEUES), as_declared(CONFIG, QUEUES)]
