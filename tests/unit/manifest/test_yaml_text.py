"""YAML as 1.2 has it: what looks like text is text, what is lost or unknown is a fault with its line."""

from __future__ import annotations

from typing import Any

import pytest

from horarium.manifest.yaml_text import YamlFault, compose, line_of, value_of


def value(text: str) -> Any:
    root = compose(text)
    assert root is not None
    return value_of(root)


def fault(text: str) -> YamlFault:
    with pytest.raises(YamlFault) as found:
        value(text)
    return found.value


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("on", "on"), ("off", "off"), ("yes", "yes"), ("No", "No"), ("y", "y"), ("08:00", "08:00"), ("1:30", "1:30"),
        ("2030-01-31", "2030-01-31"), ("2030-01-31T09:00:00Z", "2030-01-31T09:00:00Z"), ("1_000", "1_000"),
        ("0b11", "0b11"), ("=", "="), ("017", 17), ("0o17", 15), ("0x1F", 31), ("-3", -3), ("1e3", 1000.0),
        ("1.5", 1.5), ("true", True), ("False", False), ("null", None), ("~", None), ("''", ""), ("'12'", "12"),
        ('"on"', "on"), ("!!str 12", "12"), ("!!float 1", 1.0),
        ("MON-FRI", "MON-FRI"), ("'*/5 * * * *'", "*/5 * * * *"),
        ("[1, a]", [1, "a"]), ("{a: {b: []}}", {"a": {"b": []}}),
    ],
)  # fmt: skip
def test_a_word_is_what_yaml_1_2_takes_it_for(word: str, meant: object) -> None:
    found = value(f"key: {word}")["key"]

    assert (found, type(found)) == (meant, type(meant))


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3", 3, "'a' stands there twice"),
        ("a: 1\n1: b", 2, "a key must be text"),
        ("a: 1\n? [x]\n: b", 2, "a key must be text"),
        ("a:\n  cron_expression: */5 * * * *", 2, "needs quotes: '*/5 * * * *'"),
        ("a: *nowhere", 1, "undefined alias"),
        ("a: 1\nb: ]", 2, ""),
        ("a: !!python/object:os.system x", 1, "is not known here"),
        ("a: !mine x", 1, "the tag !mine is not known here"),
        ("a: !!timestamp 2030-01-31", 1, "put quotes around a text"),
        ("a: !!int x", 1, "'x' is no whole number"),
        ("a: .inf", 1, "no number that JSON has"),
        ("a: 1e999", 1, "no number that JSON has"),
        ("a: &a\n  b: *a", 1, "an alias stands within what it stands for"),
        ("a: 1\n<<: 3", 2, "<< takes a mapping"),
        ("a: 1\n---\nb: 2", 2, "another document"),
        ("a: " + "[" * 120 + "]" * 120, 1, "nested deeper than 100 levels"),
        ("a: \x01", 1, ""),
    ],
    ids=str,
)
def test_what_json_does_not_have_is_a_fault_in_its_line(text: str, line: int, message: str) -> None:
    found = fault(text)

    assert (found.line, message in found.message) == (line, True), found.message


def test_aliases_that_unfold_to_too_much_are_a_fault() -> None:
    steps = zip("abcdefg", "bcdefgh", strict=True)
    laughs = "".join(f"{each}: &{each} [{','.join(['*' + before] * 10)}]\n" for before, each in steps)

    assert "unfold to too much" in fault("a: &a [x,x,x,x,x,x,x,x,x,x]\n" + laughs).message


def test_merge_keys_are_taken_in_and_what_stands_there_itself_wins() -> None:
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  <<: [*x, *y]\n  a: 3\n"

    assert value(text)["z"] == {"a": 3, "b": 1, "c": 2}


@pytest.mark.parametrize(
    ("path", "line", "steps"),
    [
        ([], 1, 0), (["a"], 1, 1), (["a", "b"], 2, 2), (["a", "list", 1], 5, 3), (["a", "no", "b"], 1, 1),
        (["merged", "b"], 2, 2), (["a", "list", 7], 3, 2),
    ],
)  # fmt: skip
def test_the_line_of_a_value_is_that_of_its_key_or_of_what_is_around_it(
    path: list[str | int], line: int, steps: int
) -> None:
    root = compose("a: &a\n  b: 1\n  list:\n  - x\n  - y\nmerged:\n  <<: *a\n")
    assert root is not None

    assert line_of(root, path) == (line, steps)
