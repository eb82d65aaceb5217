"""`horarium import` and the programs of `tests/support/peers` as processes, one held against the other."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import anyio

from tests.support.import_target import ticks
from tests.support.processes import environment

__all__ = ["START", "TICKS", "Imported", "due", "imported", "peer"]

START = datetime(datetime.now(UTC).year + 1, 5, 3, 12, tzinfo=UTC)
"""From when on ticks are compared. To come, as what is past is not carried over; months from the changes of clocks."""

TICKS = 20


@dataclass(frozen=True)
class Imported:
    """What an import with `--json` said."""

    code: int
    said: dict[str, Any]
    err: str

    @property
    def configs(self) -> dict[str, dict[str, Any]]:
        return {config["name"]: config for config in self.said["configs"]}

    @property
    def left(self) -> dict[str, str]:
        """The reason of each entry that stayed behind."""
        return {each["name"]: each["reason"] for each in self.said["not_carried"]}

    def notes(self, name: str) -> list[str]:
        """What is different about a config."""
        return [each["note"] for each in self.said["different"] if each["name"] == name]


async def imported(*arguments: str, **settings: object) -> Imported:
    """`horarium import ARGUMENTS --json`."""
    done = await anyio.run_process(
        [sys.executable, "-m", "horarium", "import", *arguments, "--json"], env=environment(**settings), check=False
    )
    assert done.stdout, done.stderr.decode()
    return Imported(done.returncode, json.loads(done.stdout), done.stderr.decode())


async def peer(program: str, *arguments: str, zone: str = "UTC") -> dict[str, list[str]]:
    """When each entry is due that a program of another package has made, by that package's own arithmetic."""
    command = [sys.executable, "-m", f"tests.support.peers.{program}", *arguments, START.isoformat(), str(TICKS)]
    done = await anyio.run_process(command, env=environment() | {"PEER_ZONE": zone}, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def due(run: Imported, oracle: dict[str, list[str]]) -> dict[str, list[str]]:
    """When the configs are due that the oracle knows, as often as it does."""
    return {
        name: [tick.isoformat() for tick in ticks(run.configs[name], len(instants), after=START)]
        for name, instants in oracle.items()
    }
