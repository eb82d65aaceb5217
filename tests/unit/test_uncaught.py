"""What nobody has caught is a line of the log, with its secrets masked, and not a bare traceback."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import sys, threading
from horarium.commands import up
from horarium.cli import main

class Broken:
    def __del__(self):
        raise ValueError("redis://:hunter2@cache")

def crash(*_):
    raise RuntimeError("postgresql://app:hunter2@db/x")

async def program(_settings, **_):
    thread = threading.Thread(target=crash, name="clerk")
    thread.start()
    thread.join()
    Broken()
    crash()

up._up = program
sys.argv = ["horarium", "up"]
main()
"""


def test_an_error_in_a_thread_in_a_finaliser_and_at_the_top_are_three_lines_and_nothing_else() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=45, check=False)  # noqa: S603 - our own words only

    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert ended.returncode == 1
    assert [(line["event"], line["level"], line["error"]) for line in lines] == [
        ("thread.crashed", "error", "RuntimeError"),
        ("exception.ignored", "error", "ValueError"),
        ("process.crashed", "critical", "RuntimeError"),
    ]
    assert (lines[0]["thread"], lines[1]["where"]) == ("clerk", "Broken.__del__")
    assert "hunter2" not in ended.stderr
    assert lines[2]["exception"][0]["frames"][-1]["name"] == "crash"
