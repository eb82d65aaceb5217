"""A program and all it has started end together, whatever ends it; what it writes is read and bounded."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]  # ships no types
import pytest

from horarium.tasks import group_guard
from horarium.tasks.program import EDGE_BYTES, Ended, run_program
from tests.support.families import alive, members
from tests.support.waiting import WAIT_SECONDS, eventually, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.anyio

ROOT = str(Path(__file__).resolve().parents[3])
ENV = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
RELATIVES = 6
"""The program, four it started, and one that one of those started."""


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "pids"


def family(mark: Path, then: str = "wait") -> list[str]:
    """A program that starts others, one of them deaf to SIGTERM, and writes down which."""
    code = "import sys; from tests.support.families import plain_family; plain_family.original_func(*sys.argv[1:])"
    return [sys.executable, "-c", code, str(mark), then]


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


async def run(*argv: str, cwd: str | None = None) -> Ended:
    return await run_program(argv, ENV, cwd)


def ignored_signals(status: str) -> set[int]:
    """Out of a /proc/PID/status, whose line SigIgn is a mask in which bit 0 stands for signal 1."""
    mask = int(next(line for line in status.splitlines() if line.startswith("SigIgn:")).split()[1], 16)
    return {number for number in range(1, signal.NSIG) if mask & 1 << (number - 1)}


async def begun(mark: Path) -> tuple[asyncio.Task[Ended], list[int]]:
    """A run that waits, once its family is there, and who that is."""
    running = asyncio.create_task(run(*family(mark), cwd=ROOT))

    async def written() -> list[int]:
        assert not running.done(), running
        return members(mark)

    found = await eventually(written)
    assert len(found) == RELATIVES
    assert set(found) < set(alive(found[0]))
    return running, found


def nobody_of(group: int) -> Callable[[], Awaitable[bool]]:
    async def nobody() -> bool:
        return alive(group) == []

    return nobody


# What goes in


async def test_arguments_reach_the_program_as_they_are(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.touch()
    argv = [
        "a b",
        f"; rm {victim}",
        "$HOME",
        "`id`",
        "$(id)",
        "*",
        "",
        "\n",
        "é",
        "| cat",
        "&",
        "> out",
        "-n",
        "'",
        '"',
    ]

    ended = await run(*python("import sys; print(ascii(sys.argv[1:]))"), *argv, cwd=str(tmp_path))

    assert ended.stdout == f"{argv!a}\n"
    assert victim.exists()


async def test_nothing_but_the_environment_that_was_given_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HORARIUM_SECRET_KEY", "canary")

    ended = await run("env")

    assert sorted(ended.stdout.splitlines()) == sorted(f"{name}={value}" for name, value in ENV.items())


async def test_a_program_works_where_it_was_told_to(tmp_path: Path) -> None:
    assert (await run("pwd", cwd=str(tmp_path))).stdout == f"{tmp_path}\n"
    assert (await run("pwd")).stdout == f"{Path.cwd()}\n"


async def test_a_program_has_no_input_and_no_terminal_and_leads_a_session() -> None:
    assert (await run("cat")).exit_code == 0
    assert (await run(*python("import os; print(os.getsid(0) == os.getpid() == os.getpgrp())"))).stdout == "True\n"


async def test_a_program_inherits_no_file_and_ignores_no_signal_that_python_does() -> None:
    """For uvloop hands down the descriptors it has duplicated, and Python ignores SIGPIPE; nohup's SIGHUP stays."""
    files = "import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:-1])"
    of_python = {number for number in (signal.SIGPIPE, signal.SIGXFSZ) if signal.getsignal(number) == signal.SIG_IGN}

    assert of_python
    assert (await run(*python(files))).stdout == "[0, 1, 2]\n"
    assert not ignored_signals((await run("cat", "/proc/self/status")).stdout) & of_python


# What comes out


async def test_exit_code_and_both_streams_are_told() -> None:
    ended = await run("sh", "-c", "echo out; echo err >&2; exit 3")

    assert ended == Ended(3, "out\n", "err\n")


async def test_the_signal_that_ended_a_program_is_told() -> None:
    assert (await run("sh", "-c", "kill -TERM $$")).exit_code == -signal.SIGTERM


@pytest.mark.parametrize(
    ("argv", "cwd", "code", "words"),
    [
        (["no-such-program"], None, 127, "cannot run no-such-program: No such file or directory\n"),
        (["true"], "/no/such/place", 127, "cannot work in /no/such/place: No such file or directory\n"),
    ],
)
async def test_a_program_that_cannot_be_run_says_why(argv: list[str], cwd: str | None, code: int, words: str) -> None:
    assert await run(*argv, cwd=cwd) == Ended(code, "", words)


@pytest.mark.parametrize(("mode", "why"), [(0o644, "Permission denied"), (0o755, "Exec format error")])
async def test_no_shell_is_asked_to_run_what_is_no_program(tmp_path: Path, mode: int, why: str) -> None:
    script = tmp_path / "script"
    script.write_text("echo run by a shell")
    script.chmod(mode)

    assert await run(str(script)) == Ended(126, "", f"cannot run {script}: {why}\n")


@pytest.mark.parametrize(("stream", "number"), [("stdout", 1), ("stderr", 2)])
async def test_of_ten_megabytes_the_beginning_and_the_end_are_kept(stream: str, number: int) -> None:
    size = 10 * 2**20
    code = f"import os; os.fdopen({number}, 'w').write('begin' + 'x' * ({size} - 8) + 'end')"

    ended = await run(*python(code))

    told = getattr(ended, stream)
    edge = "x" * (EDGE_BYTES - 5)
    assert ended.exit_code == 0
    assert told == f"begin{edge}\n[... {size - 2 * EDGE_BYTES} bytes left out ...]\nxx{edge}end"


async def test_what_is_no_text_becomes_text() -> None:
    assert (await run("printf", r"a\377b")).stdout == "a\ufffdb"


async def test_fifty_programs_run_beside_each_other() -> None:
    ended = await asyncio.gather(*(run("sh", "-c", f"sleep 0.2; echo {number}") for number in range(50)))

    assert [each.stdout for each in ended] == [f"{number}\n" for number in range(50)]


# What ends it


async def test_a_cancelled_run_is_over_when_its_program_is_dead_and_leaves_nobody(mark: Path) -> None:
    running, found = await begun(mark)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert not psutil.pid_exists(found[0])
    await eventually(nobody_of(found[0]))


async def test_a_run_cancelled_before_its_program_is_up_leaves_nobody(mark: Path) -> None:
    before = {child.pid for child in psutil.Process().children()}
    running = asyncio.create_task(run(*family(mark), cwd=ROOT))
    await asyncio.sleep(0)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    async def nobody() -> bool:
        return {child.pid for child in psutil.Process().children()} <= before

    await eventually(nobody)


@pytest.mark.parametrize("code", [0, 7])
async def test_what_a_program_has_left_running_ends_with_it(mark: Path, code: int) -> None:
    ended = await run(*family(mark, f"exit {code}"), cwd=ROOT)

    assert ended.exit_code == code
    assert len(members(mark)) == RELATIVES
    await eventually(nobody_of(members(mark)[0]))


async def test_who_makes_a_session_of_its_own_is_not_waited_for(mark: Path) -> None:
    began = time.monotonic()

    ended = await run("sh", "-c", f"setsid sh -c 'echo $$ > {mark}; sleep 600' & sleep 0.3; echo done")

    assert ended.stdout == "done\n"
    assert time.monotonic() - began < WAIT_SECONDS
    os.killpg(members(mark)[0], signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_worker_that_is_killed_leaves_no_program(mark: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "tests.support.program_process", *family(mark)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, cwd=ROOT) as worker:  # noqa: S603, ASYNC220 - ourselves
        try:
            found = until(lambda: members(mark))
            worker.send_signal(number)
            until(lambda: worker.poll() is not None)
            await eventually(nobody_of(found[0]))
        finally:
            worker.kill()


async def test_without_the_guard_they_outlive_it(mark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = inspect.getsource(group_guard)
    without = tmp_path / "launcher.py"
    without.write_text(whole.replace("    start_guard(os.getpid(), STDIN)\n", ""))
    assert without.read_text() != whole
    monkeypatch.setattr(group_guard, "__file__", str(without))

    await run(*family(mark, "exit 7"), cwd=ROOT)

    try:
        assert set(alive(members(mark)[0])) == set(members(mark)[1:])
    finally:
        os.killpg(members(mark)[0], signal.SIGKILL)
