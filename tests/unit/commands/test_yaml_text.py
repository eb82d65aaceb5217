"""What a person edits as YAML goes out as the JSON that it looks like."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from horarium.commands.yaml_text import Unreadable, read_yaml, write_yaml

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1, max_size=8), VALUES, max_size=4))
def test_what_is_written_is_read_as_it_was(fields: dict[str, Any]) -> None:
    assert read_yaml(write_yaml(fields)) == fields


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("12:30", "12:30"),
        ("2030-01-31T09:00:00Z", "2030-01-31T09:00:00Z"),
        ("2030-01-31", "2030-01-31"),
        ("007", 7),
        ("1e3", 1000.0),
        ("60.0", 60.0),
        ("true", True),
        ("null", None),
        ("", None),
        ("~", None),
        ("5 9 * * *", "5 9 * * *"),
        ("'*/5 * * * *'", "*/5 * * * *"),
    ],
)
def test_a_plain_word_is_what_it_looks_like(text: str, value: object) -> None:
    assert read_yaml(f"field: {text}") == {"field": value}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cron: */5 * * * *", "line 1: "),
        ("a: 1\nb: [2\nc: 3", "line 3: "),
        ("a: 1\na: 2", "line 1: 'a' stands there twice"),
        ("- a", "must be fields and their values"),
        ("1: a", "must be fields and their values"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("a: \x01", "special characters are not allowed"),
    ],
)
def test_what_is_no_fields_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read_yaml(text)

    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_empty_text_has_no_fields() -> None:
    assert read_yaml("\n# nothing\n") == {}
