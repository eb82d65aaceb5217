"""A Python client that openapi-python-client has made from openapi.json, as anybody might make one.

The generator wants other versions of what the product uses, so it lives in an environment of its own, which is kept
between runs in pytest's cache. What it makes needs nothing but httpx and attrs and is imported here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["GENERATOR", "GeneratedClient", "generate", "generator", "importable", "model", "word"]

GENERATOR = "openapi-python-client>=0.29,<0.30"
INSTALL_SECONDS = 200
GENERATE_SECONDS = 120
PACKAGE = "horarium_client"


@dataclass(frozen=True)
class GeneratedClient:
    """The generated package, and one client of it, with a token or without one."""

    client: Any

    @classmethod
    @contextmanager
    def of(cls, url: str, token: str | None = None) -> Iterator[GeneratedClient]:
        """A client of the API at this address, until the block ends."""
        package = import_module(PACKAGE)
        known = {} if token is None else {"token": token}
        with (package.AuthenticatedClient if known else package.Client)(base_url=url, **known) as client:
            yield cls(client)

    def call(self, operation: str, *arguments: Any, **named: Any) -> Any:
        """The response of an operation, as in `task_configs.create_config`: its status and what was parsed of it."""
        module = import_module(f"{PACKAGE}.api.{operation}")
        return module.sync_detailed(*arguments, client=self.client, **named)

    def made(self, operation: str, *arguments: Any, **named: Any) -> Any:
        """What an operation answers that must succeed."""
        response = self.call(operation, *arguments, **named)
        assert response.status_code < 300, response
        return response.parsed


def model(name: str, /, **fields: Any) -> Any:
    """A model of the generated package."""
    return getattr(import_module(f"{PACKAGE}.models"), name).from_dict(fields)


def word(name: str, value: str) -> Any:
    """A word of one of its vocabularies."""
    return getattr(import_module(f"{PACKAGE}.models"), name)(value)


@pytest.fixture(scope="session")
def generator(pytestconfig: pytest.Config) -> Path:
    """The generator, installed."""
    assert pytestconfig.cache is not None
    folder = pytestconfig.cache.mkdir("openapi-python-client")
    installed = folder / "installed"
    if not installed.exists() or installed.read_text() != GENERATOR:
        venv.create(folder / "venv", with_pip=True, clear=True)
        pip = [folder / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", GENERATOR]
        subprocess.run(pip, check=True, timeout=INSTALL_SECONDS)  # noqa: S603 - arguments from this file
        installed.write_text(GENERATOR)
    return folder / "venv" / "bin" / "openapi-python-client"


def generate(generator: Path, document: dict[str, Any], folder: Path) -> str:
    """Make the package in the folder; what the generator said about it."""
    (folder / "openapi.json").write_text(json.dumps(document))
    (folder / "config.json").write_text('{"post_hooks": []}')
    files = [f"--path={folder / 'openapi.json'}", f"--config={folder / 'config.json'}"]
    ran = subprocess.run(  # noqa: S603 - arguments from this file
        [generator, "generate", *files, "--meta=none", f"--output-path={folder / PACKAGE}", "--fail-on-warning"],
        capture_output=True,
        text=True,
        check=False,
        timeout=GENERATE_SECONDS,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


@pytest.fixture(scope="session")
def importable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that Python imports from."""
    folder = tmp_path_factory.mktemp("generated")
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
