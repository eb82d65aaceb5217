"""A config as a text: what differs is sent, and what is said stands above the text and never in it."""

from __future__ import annotations

import pytest

from horarium.commands.editing import Draft, changed, commented, editable, fields_in, uncommented
from horarium.manifest import YamlFault, dumped
from horarium.model import TaskConfigPatch

CONFIG = {
    "id": 7,
    "version": 3,
    "name": "nightly",
    "queue": "default",
    "tags": ["a"],
    "end_at": None,
    "status": "active",
}


def test_every_field_that_an_edit_takes_and_no_other_is_in_the_text() -> None:
    whole = dict.fromkeys(TaskConfigPatch.model_fields, 1) | CONFIG

    assert list(editable(whole)) == list(TaskConfigPatch.model_fields)


def test_a_text_that_was_left_alone_differs_in_nothing() -> None:
    assert changed(CONFIG, fields_in(dumped(editable(CONFIG)))) == {}


def test_what_differs_is_sent_and_what_was_taken_out_stays() -> None:
    text = "name: nightly\nqueue: slow\ntags: [a, b]\nqueeu: typo\n"

    assert changed(CONFIG, fields_in(text)) == {"queue": "slow", "tags": ["a", "b"], "queeu": "typo"}


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "null"])
def test_a_text_without_fields_sends_none(text: str) -> None:
    assert fields_in(text) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cron: */5 * * * *", "line 1: "),
        ("a: 1\nb: [2\nc: 3", "line 3: "),
        ("a: 1\na: 2", "line 2: 'a' stands there twice"),
        ("- a", "line 1: must be fields and their values"),
        ("1: a", "line 1: a key must be text"),
        ("a: !!python/object:os.system x", "line 1: the tag "),
        ("a: \x01", "line 1: "),
    ],
)
def test_what_is_no_fields_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(YamlFault) as refused:
        fields_in(text)

    assert str(refused.value).startswith(said)


def test_what_is_said_stands_above_the_text_and_comes_off_it_again() -> None:
    draft = Draft(CONFIG, "name: nightly\n# mine\nqueue: default\n", ["Not saved:", "queue: is\nunknown"])

    text = commented(draft)

    assert text.startswith("# Not saved:\n# queue: is unknown\n# nightly, config 7, version 3.\n# ")
    assert uncommented(text) == draft.text
