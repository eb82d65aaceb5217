"""This machine: Python and its packages, and the port we listen on."""

from __future__ import annotations

import socket
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING

import aiohttp
from packaging.requirements import Requirement

from horarium.doctor.diagnosis import failed, ok

if TYPE_CHECKING:
    from collections.abc import Iterator

    from horarium.doctor.diagnosis import Diagnosis
    from horarium.doctor.patient import Patient

__all__ = ["PackageFacts", "PortFacts", "ask_packages", "ask_port", "judge_packages", "judge_port"]

OLDEST_PYTHON = (3, 11)
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to knock at what listens there
ANSWER_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class PackageFacts:
    """Python's version, our own, and every package that is missing or not of a version we ask for.

    `asked_for` is Horarium as it is to be installed, with the extra that a setting needs.
    """

    python: tuple[int, int, int]
    own: str
    wrong: tuple[str, ...] = ()
    asked_for: str = "horarium"


async def ask_packages(patient: Patient) -> PackageFacts:
    """The facts."""
    extra = "opentelemetry" if patient.settings.tracing else ""
    wanted = [Requirement(text) for text in requires("horarium") or ()]
    here = [each for each in wanted if each.marker is None or each.marker.evaluate({"extra": extra})]
    wrong = tuple(said for each in here if (said := _wrong(each)))
    asked_for = f"horarium[{extra}]" if extra else "horarium"
    return PackageFacts(sys.version_info[:3], version("horarium"), wrong, asked_for)


def _wrong(wanted: Requirement) -> str | None:
    try:
        found = version(wanted.name)
    except PackageNotFoundError:
        return f"{wanted.name} is missing"
    return (
        None
        if wanted.specifier.contains(found, prereleases=True)
        else f"{wanted.name} {found} is not {wanted.specifier}"
    )


def judge_packages(facts: PackageFacts) -> Iterator[Diagnosis]:
    """What to make of them."""
    python = ".".join(map(str, facts.python))
    if facts.python < OLDEST_PYTHON:
        yield failed("python", python, "use Python 3.11 or newer")
    else:
        yield ok("python", python)
    if facts.wrong:
        yield failed("packages", "; ".join(facts.wrong), f"pip install --upgrade '{facts.asked_for}=={facts.own}'")
    else:
        yield ok("packages", f"horarium {facts.own}, with all that it asks for")


@dataclass(frozen=True, slots=True)
class PortFacts:
    """Where the API would listen; `taken` by us where Horarium answers there."""

    host: str
    port: int
    taken: bool = False
    ours: bool = False
    refused: str | None = None


async def ask_port(patient: Patient) -> PortFacts:
    """The facts."""
    host, port = patient.settings.host, patient.settings.port
    try:
        with socket.create_server((host, port), reuse_port=False):
            return PortFacts(host, port)
    except OSError as error:
        ours = await _is_ours(EVERYWHERE.get(host, host), port)
        return PortFacts(host, port, taken=True, ours=ours, refused=error.strerror)


async def _is_ours(host: str, port: int) -> bool:
    named = f"[{host}]" if ":" in host else host
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"http://{named}:{port}/livez") as got,
        ):
            return got.status in (200, 503) and "X-Request-Id" in got.headers
    except (aiohttp.ClientError, TimeoutError):
        return False


def judge_port(facts: PortFacts) -> Iterator[Diagnosis]:
    """What to make of them."""
    at = f"{facts.host}:{facts.port}"
    if facts.ours:
        yield ok("port", f"horarium listens on {at}; a second one here needs another port")
    elif facts.taken:
        remedy = "end what listens there, or choose another with HORARIUM_HOST and HORARIUM_PORT"
        yield failed("port", f"cannot listen on {at}: {facts.refused}", remedy)
    else:
        yield ok("port", f"{at} is free")
