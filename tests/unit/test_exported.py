"""Public means `__all__`: sorted, true, and in the package's front door complete."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import horarium

MODULES = sorted(
    found.name for found in pkgutil.walk_packages(horarium.__path__, "horarium.") if not found.name.endswith("__main__")
)
SAID = [name for name in ["horarium", *MODULES] if hasattr(importlib.import_module(name), "__all__")]


def in_order(name: str) -> tuple[int, str]:
    """CONSTANTS, then Classes, then functions: the order that ruff's RUF022 keeps."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


@pytest.mark.parametrize("name", SAID)
def test_what_a_module_exports_is_sorted_there_and_its_own_to_give(name: str) -> None:
    module = importlib.import_module(name)

    exported = module.__all__

    assert list(exported) == sorted(exported, key=in_order)
    assert len(set(exported)) == len(exported)
    assert [each for each in exported if not hasattr(module, each)] == []
    assert [each for each in exported if each.startswith("_")] == []


@pytest.mark.parametrize("name", MODULES)
def test_every_module_with_something_to_give_says_what(name: str) -> None:
    """A module of a package's docstring alone has nothing to say."""
    module = importlib.import_module(name)

    public = [
        each
        for each, value in vars(module).items()
        if not each.startswith("_") and getattr(value, "__module__", None) == name and callable(value)
    ]

    assert hasattr(module, "__all__") or not public


def test_the_front_door_brings_no_client_along_until_it_is_asked_for_one() -> None:
    """A module of tasks imports `horarium` in every process of a worker."""
    source = (
        "import sys, horarium; before = 'horarium.client' in sys.modules; horarium.ScheduleSource;"
        " print(before, 'horarium.client' in sys.modules)"
    )

    ran = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=45)  # noqa: S603 - ours

    assert ran.stdout.split() == ["False", "True"]


def test_the_front_door_gives_what_it_says_and_nothing_else() -> None:
    assert [name for name in horarium.__all__ if not callable(getattr(horarium, name))] == []
    with pytest.raises(AttributeError, match="no_such_thing"):
        horarium.no_such_thing  # noqa: B018 - looked up, and not there
