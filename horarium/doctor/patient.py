"""Who is examined: the settings, as far as they can be read, and where they lead.

A setting that is wrong is left out and reported, so that one mistake does not hide the state of everything else. In
embedded mode the servers are those of a running `up`, at the sockets that follow from the data directory; where none
runs there is nobody to ask, and that is said.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from horarium.embedded import EmbeddedPostgres, EmbeddedRedis
from horarium.errors import ConfigurationError
from horarium.settings import Settings, given_by, load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic import SecretStr

__all__ = ["Address", "Patient", "admit"]

KNOCK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Address:
    """A server's URL and what gave it; `awake` is False for an embedded one that does not run."""

    url: str
    given_by: str
    awake: bool = True


@dataclass(frozen=True, slots=True)
class Patient:
    """Settings without what is wrong in them, which is in `faults`, and the servers they lead to."""

    settings: Settings
    faults: tuple[str, ...]
    postgres: Address
    redis: Address
    broker: Address


def admit(environ: Mapping[str, str] = os.environ, /, **overrides: object) -> Patient:
    """The patient that the environment describes. Blocks for a moment where servers are embedded."""
    settings, faults = _as_far_as_readable(environ, overrides)
    postgres, redis = EmbeddedPostgres(settings.data_dir), EmbeddedRedis(settings.data_dir)
    at_postgres = _address(settings.database_url, "HORARIUM_DATABASE_URL", postgres.url, postgres.socket)
    at_redis = _address(settings.redis_url, "HORARIUM_REDIS_URL", redis.url, redis.socket)
    broker = at_redis
    if settings.broker_url is not None:
        broker = Address(settings.broker_url.get_secret_value(), "HORARIUM_BROKER_URL")
    return Patient(settings, faults, at_postgres, at_redis, broker)


def _as_far_as_readable(
    environ: Mapping[str, str], overrides: Mapping[str, object]
) -> tuple[Settings, tuple[str, ...]]:
    try:
        return load_settings(environ, **overrides), ()
    except ConfigurationError as error:
        faults = tuple(line for line in str(error).splitlines() if line.strip())
        at_fault = {fault.partition(":")[0] for fault in faults}
        sound = {name: value for name, value in environ.items() if name not in at_fault}
        flags = {name: value for name, value in overrides.items() if given_by(name, overrides) not in at_fault}
        return load_settings(sound, **flags), faults


def _address(given: SecretStr | None, name: str, embedded: str, path: Path) -> Address:
    if given is not None:
        return Address(given.get_secret_value(), name)
    return Address(embedded, "embedded", _awake(path))


def _awake(path: Path) -> bool:
    """Whether somebody listens at this socket."""
    with socket.socket(socket.AF_UNIX) as knock:
        knock.settimeout(KNOCK_SECONDS)
        try:
            knock.connect(str(path))
        except OSError:
            return False
    return True
