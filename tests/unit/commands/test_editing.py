"""A config as a text: what differs is sent, and what is said stands above the text and never in it."""

from __future__ import annotations

from horarium.commands.editing import Draft, changed, commented, editable, uncommented
from horarium.commands.yaml_text import read_yaml, write_yaml
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
    assert changed(CONFIG, read_yaml(write_yaml(editable(CONFIG)))) == {}


def test_what_differs_is_sent_and_what_was_taken_out_stays() -> None:
    text = "name: nightly\nqueue: slow\ntags: [a, b]\nqueeu: typo\n"

    assert changed(CONFIG, read_yaml(text)) == {"queue": "slow", "tags": ["a", "b"], "queeu": "typo"}


def test_what_is_said_stands_above_the_text_and_comes_off_it_again() -> None:
    draft = Draft(CONFIG, "name: nightly\n# mine\nqueue: default\n", ["Not saved:", "queue: is\nunknown"])

    text = commented(draft)

    assert text.startswith("# Not saved:\n# queue: is unknown\n# nightly, config 7, version 3.\n# ")
    assert uncommented(text) == draft.text
