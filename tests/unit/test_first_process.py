"""The first process of a container: here one that takes itself for it, and inherits orphans as it would."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]  # ships no types
import pytest

from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

END_SECONDS = 45
PROGRAM = """
import ctypes, os, signal, sys
PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
real, os.getpid = os.getpid, lambda: {pid}
from horarium.first_process import step_down
step_down()
{then}
"""
ORPHANS = """
between = os.fork()
if between == 0:
    print(*(os.fork() or os._exit(0) for _ in range(3)), flush=True)
    os._exit(0)
os.waitpid(between, 0)
signal.pause()
"""
SAYS_WHO_IT_IS = """
print(real(), os.getppid(), os.getpgrp(), flush=True)
"""
TELLS_SIGNALS = """
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP})
print("ready", flush=True)
print(signal.sigwait({signal.SIGTERM, signal.SIGHUP}).name, flush=True)
sys.exit(7)
"""


@contextmanager
def first(then: str, pid: int = 1) -> Iterator[subprocess.Popen[str]]:
    """A process that takes itself for number `pid`, and does `then` once it has stepped down."""
    program = PROGRAM.replace("{pid}", str(pid)).replace("{then}", then)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as made:  # noqa: S603 - ours
        try:
            yield made
        finally:
            made.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_what_has_lost_its_parent_leaves_nothing_in_the_table_of_processes() -> None:
    with first(ORPHANS) as process:
        orphans = [int(pid) for pid in line(process).split()]

        until(lambda: not any(psutil.pid_exists(pid) for pid in orphans))
        process.send_signal(signal.SIGTERM)

        assert len(orphans) == 3
        assert process.wait(END_SECONDS) == 128 + signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_and_an_exit_code_go_through_it(number: signal.Signals) -> None:
    with first(TELLS_SIGNALS) as process:
        assert line(process) == "ready"
        process.send_signal(number)

        assert line(process) == number.name
        assert process.wait(END_SECONDS) == 7


def test_the_work_goes_on_in_a_child_that_leads_a_group_so_that_ctrl_c_comes_to_it_once() -> None:
    with first(SAYS_WHO_IT_IS) as process:
        pid, parent, group = map(int, line(process).split())

        assert (parent, group) == (process.pid, pid)


def test_beside_an_init_nothing_happens() -> None:
    with first(SAYS_WHO_IT_IS, pid=2) as process:
        pid, _, _ = map(int, line(process).split())

        assert pid == process.pid
