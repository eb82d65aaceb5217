"""A worker that runs one program, in a process of its own: `python -m tests.support.program_process ARGV...`."""

from __future__ import annotations

import asyncio
import os
import sys

from horarium.tasks.program import run_program

__all__: list[str] = []


if __name__ == "__main__":
    asyncio.run(run_program(sys.argv[1:], {"PATH": os.defpath}, None))
