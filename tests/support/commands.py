"""`horarium` as a script has it: one process, its exit code, and what it wrote."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import anyio

from tests.support.processes import environment

__all__ = ["Run", "run"]


@dataclass(frozen=True)
class Run:
    """How a command ended."""

    code: int
    out: str
    err: str


async def run(*arguments: str, stdin: str = "", **settings: object) -> Run:
    """`horarium` with these arguments and settings, to its end."""
    done = await anyio.run_process(
        [sys.executable, "-m", "horarium", *arguments],
        input=stdin.encode(),
        env=environment(**settings),
        check=False,
    )
    return Run(done.returncode, done.stdout.decode(), done.stderr.decode())
