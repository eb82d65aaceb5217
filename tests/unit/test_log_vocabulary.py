"""The vocabulary of the log: made from the source, and true of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from horarium.log_events import EVENTS
from horarium.log_vocabulary import PACKAGE, Said, VocabularyError, _check, said_in, vocabulary
from horarium.supervisor import events

PAGE = Path(__file__).parents[2] / "docs" / "log-events.md"


def test_the_page_is_what_the_source_and_the_table_of_meanings_say() -> None:
    """`make docs` writes it. An event or a field without a meaning, or a meaning without an event, fails here, too."""
    assert PAGE.read_text(encoding="utf-8") == vocabulary()


def test_every_logger_has_the_name_by_which_its_calls_are_found() -> None:
    made = [
        line
        for path in PACKAGE.rglob("*.py")
        for line in re.findall(r"^.*structlog\.get_logger\(.*$", path.read_text(), re.MULTILINE)
    ]

    assert len(made) > 40
    assert set(made) == {"log = structlog.get_logger(__name__)"}


def test_an_event_is_a_noun_a_dot_and_what_became_of_it_and_none_of_the_supervision_tree_s() -> None:
    theirs = {kind.name for kind in vars(events).values() if isinstance(kind, type) and hasattr(kind, "name")}

    assert [event for event in EVENTS if not re.fullmatch(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*", event)] == []
    assert EVENTS.keys() & theirs == set()


def test_a_call_is_read_with_its_level_and_its_fields() -> None:
    source = """
log.info("a.b", x=1, **_known(y=2, z=3))
log.log(logging.WARNING if bad(x.y) else logging.DEBUG, "c.d", exc_info=error)
log.exception("e.f")
"""

    assert list(said_in(source, "m")) == [
        Said("a.b", ("info",), ("x", "y", "z"), "m"),
        Said("c.d", ("debug", "warning"), ("exception",), "m"),
        Said("e.f", ("error",), ("exception",), "m"),
    ]


@pytest.mark.parametrize(
    "source",
    [
        "log.info(name)",
        'log.info(f"a.{b}")',
        'log.info("a.b", 1)',
        'log.info("a.b", **asdict(x))',
        'log.info("a.b", **more)',
        'log.log(level, "a.b")',
        'log.shout("a.b")',
        "tell = log.info",
        'log.bind(x=1).info("a.b")',
    ],
)
def test_a_call_that_cannot_be_read_is_a_fault(source: str) -> None:
    with pytest.raises(VocabularyError, match=r"^m:1: "):
        list(said_in(source, "m"))


def test_an_event_told_twice_or_without_a_meaning_and_a_meaning_without_its_event_are_faults() -> None:
    said = [Said("api.full", ("info",), ("not_a_field",), "m")] * 2 + [Said("no.meaning", ("info",), (), "m")]

    with pytest.raises(VocabularyError) as fault:
        _check(said)

    faults = str(fault.value).splitlines()
    assert {
        "api.full: told in 2 places",
        "no.meaning: has no meaning in log_events.py",
        "api.listening: is told nowhere",
        "field not_a_field: has no meaning in log_events.py",
        "field worker: is told nowhere",
    } <= set(faults)
