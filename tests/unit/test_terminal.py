"""The supervision tree as people read it: aligned, cut and not wrapped, clear without colour."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from horarium.commands.console import fitted
from horarium.terminal import TreeNode, human_duration, printable, tree_lines

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def node(name: str, *children: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A node as the API answers it; one that has run for a minute and a half, unless told otherwise."""
    made = {"kind": "supervisor" if children else "worker", "state": "running", "incarnation": 1, "restarts": 0}
    rest = {"uptime": 90.0, "restart_in": None, "last_exit": None, "mailbox": None, "handling": None}
    return {"id": name, "children": list(children), **made, **rest, **fields}


def mailbox(**fields: Any) -> dict[str, Any]:
    return {"depth": 0, "capacity": 100, "overflow": "drop_oldest", "dropped": 0, **fields}


def killed(reason: str = "error: ValueError('boom')", seconds_ago: float = 4) -> dict[str, Any]:
    """The fields of a node that was restarted."""
    decision = f"restart in 0.5 s, attempt 1: permanent child, exit {reason}"
    at = (NOW - timedelta(seconds=seconds_ago)).isoformat()
    return {"incarnation": 2, "restarts": 1, "last_exit": {"reason": reason, "decision": decision, "at": at}}


def drawn(root: dict[str, Any], width: int = 80, **terminal: Any) -> str:
    """What a terminal of this width shows."""
    console = Console(file=io.StringIO(), width=width, highlight=False, _environ={}, **terminal)
    console.print(fitted(tree_lines(TreeNode.model_validate(root), NOW)))
    return console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO of two lines above


TREE = node(
    "horarium",
    node("bootstrap", state="stopped", uptime=None, last_exit={"reason": "normal", "decision": "x", "at": NOW}),
    node(
        "core",
        node("history_writer", mailbox=mailbox(depth=7, capacity=10_000), handling="12 events"),
        node("publisher", **killed()),
        uptime=3 * 3600 + 120,
    ),
    node("api", state="backoff", uptime=None, restart_in=3.21),
)


def test_each_actor_is_a_line_of_aligned_columns_under_its_supervisor() -> None:
    assert drawn(TREE).splitlines() == [
        "ACTOR                 STATE    RUN  RESTARTS  UPTIME  MAILBOX  NOW",
        "horarium              running    1         0  1m 30s        -",
        "├─ bootstrap          stopped    1         0       -        -",
        "├─ core               running    1         0   3h 2m        -",
        "│  ├─ history_writer  running    1         0  1m 30s  7/10000  12 events",
        "│  └─ publisher       running    2         1  1m 30s        -",
        "│         4s ago  error: ValueError('boom')",
        "│                 restart in 0.5 s, attempt 1: permanent child",
        "└─ api                backoff    1         0       -        -  restarts in 3.2s",
    ]


def test_a_supervisor_s_own_last_exit_stands_between_it_and_its_children() -> None:
    assert drawn(node("core", node("api"), **killed())).splitlines()[2:] == [
        "│   4s ago  error: ValueError('boom')",
        "│           restart in 0.5 s, attempt 1: permanent child",
        "└─ api  running    1         0  1m 30s        -",
    ]


def test_messages_that_got_lost_are_told_of_below_their_actor() -> None:
    lossy = mailbox(dropped=3, lost=2)

    shown = drawn(node("writer", mailbox=lossy)).splitlines()

    assert shown[2:] == ["    3 messages dropped (drop_oldest)", "    2 messages lost in a crash"]


def test_a_bell_that_is_rung_while_it_rings_has_lost_nothing() -> None:
    bell = mailbox(capacity=1, overflow="drop_newest", dropped=6)

    assert len(drawn(node("dispatcher", mailbox=bell)).splitlines()) == 2


@pytest.mark.parametrize("width", [20, 40, 60])
def test_a_narrow_terminal_cuts_lines_and_wraps_none(width: int) -> None:
    whole, shown = drawn(TREE, 200).splitlines(), drawn(TREE, width).splitlines()

    assert len(shown) == len(whole)
    assert max(map(len, shown)) == width
    assert [line for line, full in zip(shown, whole, strict=True) if line[:-1] != full[: len(line) - 1]] == []


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("running", "32"),
        ("waiting", "33"),
        ("starting", "33"),
        ("draining", "33"),
        ("stopping", "33"),
        ("backoff", "33"),
        ("unstopped", "1;31"),
        ("stopped", "2"),
    ],
)
def test_a_state_is_a_word_in_its_colour(state: str, code: str) -> None:
    shown = drawn(node("api", state=state), force_terminal=True, color_system="standard")

    assert f"\x1b[{code}m{state}" in shown


def test_a_full_mailbox_is_red() -> None:
    shown = drawn(node("api", mailbox=mailbox(depth=100)), force_terminal=True, color_system="standard")

    assert "\x1b[31m100/100" in shown


def test_without_colour_there_is_nothing_but_text() -> None:
    assert "\x1b" not in drawn(TREE)
    assert [line for line in drawn(TREE).splitlines() if line != line.rstrip()] == []


def test_an_error_of_a_hundred_lines_takes_one() -> None:
    shown = drawn(node("redis", **killed("error: " + "last words\n" * 100)), 1000).splitlines()

    assert len(shown) == 4
    assert max(map(len, shown)) < 200


def test_what_a_terminal_would_obey_is_taken_out() -> None:
    evil = "\x1b[2J\x1b]0;title\x07boom\r\n\u202eevil\x9b1m"

    shown = drawn(node("a\x1bpi", handling=evil, state="run\nning", **killed(evil)))

    assert not {"\x1b", "\x07", "\r", "\u202e", "\x9b"} & set(shown)
    assert len(shown.splitlines()) == 4
    assert printable(evil) == "[2J ]0;title boom evil 1m"


def test_text_that_looks_like_markup_is_text() -> None:
    assert "[red]:warning:[/nope]" in drawn(node("api", handling="[red]:warning:[/nope]"))


def test_what_a_newer_server_says_besides_is_passed_over() -> None:
    assert TreeNode.model_validate(node("api", heartbeat=1, mailbox=mailbox(name="api"))).id == "api"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0s"),
        (0.9, "0s"),
        (59.9, "59s"),
        (60, "1m 0s"),
        (3599, "59m 59s"),
        (3600, "1h 0m"),
        (86_399, "23h 59m"),
        (1_000_000, "11d 13h"),
    ],
)
def test_a_duration_is_said_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert human_duration(seconds) == words
