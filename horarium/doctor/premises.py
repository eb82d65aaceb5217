"""What we keep on this machine: the data directory, the files with secrets, and the servers we bring along."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anyio import to_thread

from horarium.client import LoginFile
from horarium.doctor.diagnosis import failed, ok, warning
from horarium.embedded import EmbeddedPostgres, EmbeddedRedis
from horarium.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from horarium.doctor.diagnosis import Diagnosis
    from horarium.doctor.patient import Patient

__all__ = ["FileFacts", "ask_files", "ask_programs", "judge_files", "judge_programs"]

FREE_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class FileFacts:
    """The data directory, or the nearest one above it that exists; and the files that others can read."""

    path: str
    exists: bool = True
    writable: bool = True
    free: int = 2 * FREE_BYTES
    exposed: tuple[str, ...] = ()


async def ask_files(patient: Patient) -> FileFacts:
    """The facts."""
    data_dir = patient.settings.data_dir
    secrets = (data_dir / "secret.key", LoginFile(patient.settings.config_dir).path)
    return await to_thread.run_sync(_look_at, data_dir, secrets)


def _look_at(data_dir: Path, secrets: tuple[Path, ...]) -> FileFacts:
    nearest = next(each for each in (data_dir, *data_dir.parents) if each.exists())
    return FileFacts(
        path=str(data_dir),
        exists=nearest == data_dir,
        writable=nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK),
        free=shutil.disk_usage(nearest).free,
        exposed=tuple(str(each) for each in secrets if each.exists() and stat.S_IMODE(each.stat().st_mode) & 0o077),
    )


def judge_files(facts: FileFacts) -> Iterator[Diagnosis]:
    """What to make of them."""
    state = "can be written" if facts.exists else "can be made"
    if not facts.writable:
        summary = f"{facts.path} cannot be {'written' if facts.exists else 'made'}"
        yield failed("data directory", summary, "give it to this user, or set HORARIUM_DATA_DIR to another")
    elif facts.free < FREE_BYTES:
        summary = f"{facts.path} {state}, but {facts.free // 2**20} MiB are free"
        yield warning("data directory", summary, "make room: what is embedded stops when its disk is full")
    else:
        yield ok("data directory", f"{facts.path} {state}")
    if facts.exposed:
        yield failed(
            "secret files", f"others can read {', '.join(facts.exposed)}", "chmod 600 them, then make new ones"
        )
    else:
        yield ok("secret files", "none that others can read")


async def ask_programs(patient: Patient) -> list[tuple[str, bool, str | None]]:
    """Of each embedded server: its name, whether it runs, and why it could not."""
    data_dir = patient.settings.data_dir
    servers = (
        ("postgres", patient.postgres, EmbeddedPostgres(data_dir).programs),
        ("redis", patient.redis, EmbeddedRedis(data_dir).programs),
    )
    return [
        (name, address.awake, await to_thread.run_sync(_missing, programs))
        for name, address, programs in servers
        if address.given_by == "embedded"
    ]


def _missing(find: Callable[[], Path]) -> str | None:
    try:
        find()
    except ConfigurationError as error:
        return str(error)
    return None


def judge_programs(facts: list[tuple[str, bool, str | None]]) -> Iterator[Diagnosis]:
    """What to make of them."""
    for name, runs, missing in facts:
        if missing is not None:
            yield failed(f"embedded {name}", missing, "do one of these")
        elif runs:
            yield ok(f"embedded {name}", "runs")
        else:
            yield ok(
                f"embedded {name}",
                "is installed and does not run; `horarium up` starts it, and then there is more to see",
            )
