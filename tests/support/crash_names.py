"""Every crash point in the source, found by reading it: who adds one has added it to the suite."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import horarium

__all__ = ["Place", "in_the_package", "in_the_source"]

PACKAGE = Path(horarium.__file__).parent


@dataclass(frozen=True, slots=True)
class Place:
    """One call of `crashpoint`; `name` is None where it is anything but a literal."""

    name: str | None
    path: Path
    line: int

    @property
    def room(self) -> str:
        """What stands before the dot."""
        return (self.name or "").partition(".")[0]

    @property
    def at_the_worker(self) -> bool:
        """Whether a worker process is where it is passed; what both pass is killed at the supervisor's side."""
        at_both = self.name == "sending.published"
        return self.path.name == "worker.py" or (self.path.parent.name == "tasks" and not at_both)


def in_the_package() -> list[Place]:
    """Every place in the package, in the order of the files."""
    return [place for path in sorted(PACKAGE.rglob("*.py")) for place in in_the_source(path.read_text(), path)]


def in_the_source(source: str, path: Path) -> list[Place]:
    """Every place in one file, whatever the function was imported as a part of."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and _is_crashpoint(node.func)]
    return [Place(_literal(call), path, call.lineno) for call in calls]


def _is_crashpoint(function: ast.expr) -> bool:
    match function:
        case ast.Name(id="crashpoint") | ast.Attribute(attr="crashpoint"):
            return True
    return False


def _literal(call: ast.Call) -> str | None:
    match call:
        case ast.Call(args=[ast.Constant(value=str(name))], keywords=[]):
            return name
    return None
