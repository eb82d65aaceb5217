"""How the process around a tree ends: by signals to a child that does not want to, and when the tree gives up.

The first signal drains, the second cancels, the third ends the process. A terminal that is closed is the first.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import hosted

if TYPE_CHECKING:
    from collections.abc import Iterator

END_SECONDS = 45


@contextmanager
def process(kind: str, *starter: str) -> Iterator[subprocess.Popen[str]]:
    """The process, ready; `starter` is a program that becomes it."""
    command = [*starter, sys.executable, hosted.__file__, kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as made:  # noqa: S603 - our own words only
        try:
            assert made.stdout is not None
            assert made.stdout.readline() == "ready\n"
            yield made
        finally:
            made.kill()


def send(house: subprocess.Popen[str], number: signal.Signals, *, until: str) -> dict[str, Any]:
    """Send a signal, and return the first line of the log that names this event."""
    house.send_signal(number)
    return line(house, until)


def line(house: subprocess.Popen[str], event: str) -> dict[str, Any]:
    assert house.stderr is not None
    lines = (json.loads(raw) for raw in house.stderr)
    return next(found for found in lines if found["event"] == event)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_second_signal_cancels_what_the_first_let_go_on(number: signal.Signals) -> None:
    with process("drains") as house:
        send(house, number, until="signal.received")
        stopped = send(house, number, until="child.stopped")

        assert stopped["child"] == "clerk"
        assert house.wait(END_SECONDS) == 0


def test_a_child_that_ignores_the_second_is_named_with_its_stack_and_the_process_ends() -> None:
    with process("stubborn") as house:
        send(house, signal.SIGTERM, until="signal.received")
        unstopped = send(house, signal.SIGTERM, until="child.unstopped")
        left_behind = line(house, "horarium.left_behind")

        assert (unstopped["child"], unstopped["handling"]) == ("clerk", "the last invoice")
        assert "await anyio.sleep_forever()" in unstopped["stack"]
        assert left_behind["children"] == ["clerk"]
        assert house.wait(END_SECONDS) == 1


def test_the_third_ends_the_process_at_once() -> None:
    with process("stubborn") as house:
        send(house, signal.SIGTERM, until="signal.received")
        send(house, signal.SIGTERM, until="signal.received")
        house.send_signal(signal.SIGTERM)

        assert house.wait(END_SECONDS) == 128 + signal.SIGTERM


def test_a_terminal_that_is_closed_stops_the_process_in_order() -> None:
    with process("willing") as house:
        stopped = send(house, signal.SIGHUP, until="child.stopped")

        assert stopped["child"] == "clerk"
        assert house.wait(END_SECONDS) == 0


def test_a_terminal_that_is_closed_is_told_of_twice_and_cuts_nothing_short() -> None:
    """By the kernel, and by a shell that ends."""
    with process("drains") as house:
        told = [send(house, signal.SIGHUP, until="signal.received")["times"] for _ in range(2)]
        stopped = send(house, signal.SIGTERM, until="child.stopped")

        assert told == [1, 1]
        assert stopped["child"] == "clerk"
        assert house.wait(END_SECONDS) == 0


def test_what_was_started_to_outlive_its_terminal_does() -> None:
    with process("willing", "nohup") as house:
        house.send_signal(signal.SIGHUP)
        received = send(house, signal.SIGTERM, until="signal.received")

        assert received["signal"] == "SIGTERM"
        assert house.wait(END_SECONDS) == 0


def test_a_tree_that_gives_up_ends_its_process_with_an_error_so_that_it_is_started_afresh() -> None:
    with process("doomed") as house:
        escalated = line(house, "supervisor.escalated")
        gave_up = line(house, "horarium.gave_up")

        assert (escalated["level"], escalated["child"]) == ("critical", "clerk")
        assert escalated["limit"] == "more than 2 restarts in 60 s"
        assert gave_up["error"] == "root: more than 2 restarts in 60 s, the last of clerk"
        assert house.wait(END_SECONDS) == 1
