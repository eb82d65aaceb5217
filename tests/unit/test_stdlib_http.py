"""`horarium/http` is never importable as `http`: it would shadow the module that aiohttp itself imports."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STDLIB_HTTP = Path(sysconfig.get_path("stdlib"), "http", "__init__.py")


def printed(code: str, *options: str, cwd: Path) -> Path:
    """The path that `code` prints in a fresh interpreter in `cwd`."""
    run = subprocess.run(  # noqa: S603 - this interpreter, with code from this file
        [sys.executable, *options, "-c", code],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
        timeout=45,
    )
    return Path(run.stdout.strip())


@pytest.mark.parametrize("before", ["os", "aiohttp"])
def test_http_is_the_standard_librarys_in_the_repository(before: str) -> None:
    assert printed(f"import {before}, http; print(http.__file__)", cwd=ROOT).samefile(STDLIB_HTTP)


@pytest.mark.parametrize("before", ["horarium.settings", "horarium.http"])
def test_http_is_the_standard_librarys_once_horarium_is_installed(before: str, tmp_path: Path) -> None:
    """In an empty folder the package is found only because it is installed."""
    assert printed(f"import {before}, http; print(http.__file__)", cwd=tmp_path).samefile(STDLIB_HTTP)


def test_a_safe_path_protects_even_a_process_started_inside_the_package() -> None:
    """`-P` does what PYTHONSAFEPATH=1 does in the image."""
    assert printed("import http; print(http.__file__)", "-P", cwd=ROOT / "horarium").samefile(STDLIB_HTTP)


def test_without_a_safe_path_a_process_started_inside_the_package_would_find_ours() -> None:
    """The guard above guards something real. `-E`: a PYTHONSAFEPATH around this test counts for nothing."""
    found = printed(
        "from importlib.util import find_spec; print(find_spec('http').origin)", "-E", cwd=ROOT / "horarium"
    )
    assert found == ROOT / "horarium" / "http" / "__init__.py"


def test_no_test_folder_is_named_http_and_no_conftest_lies_in_the_package() -> None:
    """Either would have pytest put the parent of a folder named `http` on sys.path."""
    assert not [folder for folder in (ROOT / "tests").rglob("http") if folder.is_dir()]
    assert not list((ROOT / "horarium").rglob("conftest.py"))
