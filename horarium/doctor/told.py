"""What the settings say: what is wrong in them, and what is right and may surprise."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from anyio import to_thread

from horarium.adopting.imported import task_types_of
from horarium.doctor.diagnosis import failed, ok, warning
from horarium.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from horarium.doctor.diagnosis import Diagnosis
    from horarium.doctor.patient import Patient

__all__ = ["TaskFacts", "ask_settings", "ask_tasks", "judge_settings", "judge_tasks"]


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What is to be imported, how many task types there are then, and why something could not be."""

    modules: tuple[str, ...] = ()
    known: int = 0
    fault: str | None = None


async def ask_settings(patient: Patient) -> Patient:
    """They have been read already."""
    return patient


def judge_settings(patient: Patient) -> Iterator[Diagnosis]:
    """What to make of them."""
    for fault in patient.faults:
        name, _, what = fault.partition(": ")
        yield failed("settings", fault, f"mend or remove {name}" if what else "mend it")
    if not patient.faults:
        yield ok("settings", "all can be read")
    yield _shell(patient)
    yield _key(patient)
    yield _cors(patient)
    yield from _plain_text(patient)


async def ask_tasks(patient: Patient) -> TaskFacts:
    """The facts: they are imported, as `horarium up` does."""
    settings = patient.settings
    modules = settings.task_modules if settings.broker is None else (settings.broker, *settings.task_modules)
    try:
        known = len((await to_thread.run_sync(task_types_of, settings)).all())
    except ConfigurationError as error:
        return TaskFacts(modules, fault=str(error))
    return TaskFacts(modules, known)


def judge_tasks(facts: TaskFacts) -> Iterator[Diagnosis]:
    """What to make of them."""
    if facts.fault is not None:
        yield failed("task types", facts.fault, "mend the module; relative names start in the working directory")
        return
    own = f", with {', '.join(facts.modules)}" if facts.modules else ", those that are built in"
    yield ok("task types", f"{facts.known}{own}")


def _shell(patient: Patient) -> Diagnosis:
    if patient.settings.allow_shell:
        summary = "HORARIUM_ALLOW_SHELL is on: an administrator's configs run programs on the workers"
        return warning("shell", summary, "unset it where nobody needs shell_command")
    return ok("shell", "off")


def _key(patient: Patient) -> Diagnosis:
    settings = patient.settings
    if settings.secret_key is None and settings.database_url is not None:
        summary = f"HORARIUM_SECRET_KEY is unset: this machine signs with a key of its own in {settings.data_dir}"
        return warning("signing key", summary, "set one key for all supervisors of a database: `openssl rand -hex 32`")
    return ok("signing key", "set" if settings.secret_key is not None else f"in {settings.data_dir}")


def _cors(patient: Patient) -> Diagnosis:
    origins = patient.settings.cors_origins
    open_ = [each for each in origins if urlsplit(each).scheme == "http" and not _is_near(urlsplit(each).hostname)]
    if open_:
        summary = f"pages without TLS may call the API: {', '.join(open_)}"
        return warning("cors", summary, "whoever sits between can change such a page; allow https:// origins")
    return ok("cors", f"pages of {', '.join(origins)} may call the API" if origins else "no page may call the API")


def _plain_text(patient: Patient) -> Iterator[Diagnosis]:
    """Servers elsewhere that are spoken to in the clear, their passwords included."""
    for address in {each.given_by: each for each in (patient.redis, patient.broker)}.values():
        parts = urlsplit(address.url)
        if parts.scheme in ("redis", "amqp") and parts.password and not _is_near(parts.hostname):
            summary = f"{address.given_by} sends its password in the clear to {parts.hostname}"
            yield warning("encryption", summary, f"use {parts.scheme}s://, unless only your own machines lie between")


def _is_near(host: str | None) -> bool:
    """Whether it is this machine, or a name or address that only a private network knows."""
    if host is None or ("." not in host and ":" not in host) or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_private
