"""A real Horarium under schemathesis, which makes requests of all kinds from the document that the API serves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.processes import PASSWORD, horarium

if TYPE_CHECKING:
    from tests.support.processes import Running

__all__ = ["Fuzzed", "fuzz"]

ROOT = Path(__file__).resolve().parents[2]
LATER_SECONDS = 120
"""What schemathesis takes beside its budget: it finishes what it has begun, and makes failures smaller."""


@dataclass(frozen=True)
class Fuzzed:
    """What came of a run: how it ended, what it said, how many requests it made, which errors the process logged."""

    code: int
    said: str
    requests: int
    errors: list[dict[str, Any]]


def fuzz(data_dir: Path, *, seconds: int) -> Fuzzed:
    """Start a Horarium, and fuzz it for about so many seconds."""
    # the token outlives the run; a login's address is believed, see fuzz_hooks.py
    with horarium(data_dir, access_token_seconds=86_400, trusted_proxies="127.0.0.0/8") as house:
        ran = _schemathesis(house, seconds)
        errors = [event for event in house.events if event["level"] in ("error", "critical")]
    made = re.search(r"(\d+) generated", ran.stdout)
    return Fuzzed(ran.returncode, ran.stdout, int(made[1]) if made else 0, errors)


def _schemathesis(house: Running, seconds: int) -> subprocess.CompletedProcess[str]:
    config = ROOT / "tests" / "fuzz" / "schemathesis.toml"
    options = ["--checks=all", "--continue-on-failure", f"--max-time={seconds}", "--no-color"]
    return subprocess.run(  # noqa: S603 - arguments from this file
        [
            sys.executable,
            "-m",
            "schemathesis.cli",
            f"--config-file={config}",
            "run",
            f"{house.url}/openapi.json",
            *options,
        ],
        cwd=house.folder,  # it leaves files where it runs
        env=os.environ
        | {
            "FUZZED_URL": house.url,
            "FUZZED_PASSWORD": PASSWORD,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.support.fuzz_hooks",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=seconds + LATER_SECONDS,
    )
