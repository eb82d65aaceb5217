"""An output that takes nothing more ends a command in one way, whichever command it is and whoever prints."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

FULL = Path("/dev/full")
PRINTS_BYTES = """
import typer
from horarium import cli
cli.app = lambda: typer.echo(b"bytes")
cli.main()
"""
PRINTS_IN_PASSING = """
from horarium.commands.console import output
from horarium.commands.serving import in_passing
from horarium.commands.stdout import guard_stdout
from horarium.logs import configure_logging
configure_logging("json", "info")
guard_stdout()
with in_passing():
    output.print("up")
raise SystemExit(7)
"""
OURSELVES = ("-m", "horarium")
COMMANDS = [
    (*OURSELVES, "--help"),
    (*OURSELVES, "config", "--help"),
    (*OURSELVES, "next", "* * * * *"),
    (*OURSELVES, "next", "* * * * *", "--json"),
    (*OURSELVES, "schema"),
]


@pytest.fixture
def unread() -> Iterator[IO[bytes]]:
    """A pipe whose reader has gone."""
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "wb") as pipe:
        yield pipe


def ended(*words: str, output: IO[bytes]) -> tuple[int, str]:
    """The exit code of a program that prints there, and what it has said on stderr."""
    run = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, *words],
        stdout=output,
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
        timeout=45,
        check=False,
    )
    return run.returncode, run.stderr


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_full_disk_is_said_and_no_success(words: tuple[str, ...]) -> None:
    with FULL.open("wb") as full:
        code, said = ended(*words, output=full)

    assert (code, said.splitlines()[-1]) == (1, "horarium: cannot write the output: No space left on device")
    assert "Traceback" not in said


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_reader_that_has_gone_ends_a_command_in_silence(words: tuple[str, ...], unread: IO[bytes]) -> None:
    code, said = ended(*words, output=unread)

    assert code == 128 + signal.SIGPIPE
    assert "horarium:" not in said
    assert "Traceback" not in said


def test_what_is_printed_as_bytes_is_no_exception() -> None:
    with FULL.open("wb") as full:
        code, said = ended("-c", PRINTS_BYTES, output=full)

    assert (code, said) == (1, "horarium: cannot write the output: No space left on device\n")


def test_a_server_whose_output_nobody_reads_goes_on(unread: IO[bytes]) -> None:
    code, said = ended("-c", PRINTS_IN_PASSING, output=unread)

    assert code == 7
    assert "stdout.given_up" in said
