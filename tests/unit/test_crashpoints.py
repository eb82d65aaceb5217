"""Crash points: inert unless a test's own launcher arms them, and spelled so that the suite finds each one."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from horarium import crashpoints
from horarium.crashpoints import arm, crashpoint
from tests.support.crash_names import PACKAGE, Place, in_the_package, in_the_source

ROOT = PACKAGE.parent
HERE = Path(__file__)
PLACES = in_the_package()
IMPORTING = re.compile(r"^from horarium\.crashpoints import (.*)$|^(?:import|from) .*\bcrashpoints\b", re.MULTILINE)
KILLED = -9


@pytest.fixture
def disarmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is armed here is forgotten afterwards."""
    monkeypatch.setattr(crashpoints, "_armed", [])


def where(place: Place) -> str:
    return f"{place.path.relative_to(PACKAGE)}:{place.line}"


# What stands in the source


def test_every_name_is_a_literal() -> None:
    assert [where(place) for place in PLACES if place.name is None] == []


def test_every_name_stands_in_one_place() -> None:
    assert [name for name, times in Counter(place.name for place in PLACES).items() if times > 1] == []


def test_every_name_begins_with_its_module() -> None:
    assert [where(place) for place in PLACES if place.room != place.path.stem] == []
    assert [where(place) for place in PLACES if not re.fullmatch(r"[a-z_]+\.[a-z_]+", place.name or "")] == []


def test_the_places_found_are_the_ones_meant() -> None:
    """The checks above would pass on nothing at all."""
    rooms = {place.room for place in PLACES}
    assert {"dispatcher", "publisher", "schedule_loader", "timeout_sweeper", "lifecycle", "receiver"} <= rooms
    assert len(PLACES) >= 30


def test_doubled_and_computed_names_are_seen() -> None:
    source = 'crashpoint("a.b")\nx.crashpoint("a.b")\ncrashpoint(name)\ncrashpoint(f"a.{b}")\nother("a.c")\n'
    names = [place.name for place in in_the_source(source, HERE)]
    assert Counter(names) == {"a.b": 2, None: 2}


# What it does


def test_an_unarmed_place_does_nothing() -> None:
    assert crashpoints._armed == []
    crashpoint("test.anywhere")


@pytest.mark.usefixtures("disarmed")
def test_an_armed_place_is_told_of() -> None:
    passed: list[str] = []
    arm(passed.append)
    crashpoint("test.here")
    crashpoint("test.there")
    assert passed == ["test.here", "test.there"]


def test_nothing_in_the_package_can_arm_one() -> None:
    """Not by a setting, a variable or a request: the only thing anybody imports is the place itself."""
    taken = {
        (path.name, line[0])
        for path in PACKAGE.rglob("*.py")
        for line in IMPORTING.finditer(path.read_text())
        if line[1] != "crashpoint"
    }
    assert taken == set()
    assert "os" not in _imports_of(Path(crashpoints.__file__))


def _imports_of(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return {alias.name for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names}


# The launcher


def launched(tmp_path: Path, nth: int, counts: str = "lambda: True") -> tuple[int, str]:
    """The exit code of a program that passes one place three times, and the mark it left."""
    mark = tmp_path / "mark"
    script = (
        "from tests.support.crashing import kill_at\nfrom horarium.crashpoints import crashpoint\n"
        f"kill_at('test.here', {nth}, {str(mark)!r}, {counts})\n"
        "crashpoint('test.elsewhere')\nfor _ in range(3): crashpoint('test.here')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False, timeout=45)  # noqa: S603 - ourselves
    return done.returncode, mark.read_text() if mark.exists() else ""


def test_the_launcher_leaves_its_mark_and_kills_its_own_process_at_the_nth_pass(tmp_path: Path) -> None:
    code, mark = launched(tmp_path, 3)
    assert code == KILLED
    name, nth, *_ = mark.split()
    assert (name, nth) == ("test.here", "3")


def test_the_launcher_lives_on_and_leaves_no_mark_when_the_place_is_passed_less_often(tmp_path: Path) -> None:
    assert launched(tmp_path, 4) == (0, "")


def test_the_launcher_does_not_count_passes_at_which_a_death_would_prove_nothing(tmp_path: Path) -> None:
    assert launched(tmp_path, 1, "lambda: False") == (0, "")
    assert launched(tmp_path, 2, "iter([False, True, True]).__next__")[0] == KILLED


def test_the_launcher_refuses_a_name_that_stands_nowhere(tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-m", "tests.support.crashing", "no.such_name", "1", str(tmp_path / "mark"), "--", "up"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=45,
    )
    assert done.returncode == 2
    assert "no.such_name" in done.stderr
