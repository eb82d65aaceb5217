"""Fields as YAML for people to edit, and back.

YAML 1.1, which PyYAML reads, takes `no` for false, `12:30` for a number and a date for a date. What is edited here goes
out as JSON, so plain words are read as in YAML 1.2: true, false, null and numbers, and everything else is text. What
is written is quoted by the stricter of the two, so both read it alike.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

__all__ = ["Unreadable", "read_yaml", "write_yaml"]

WIDTH = 110
BREAKS = frozenset("\x85\u2028\u2029\ufeff")
TRUTHS = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")  # PyYAML matches from the start, not to the end
NOTHING = re.compile(r"(?:~|null|Null|NULL|)\Z")
WHOLE = re.compile(r"[-+]?[0-9]+\Z")
BROKEN = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")


KINDS = (TRUTHS, NOTHING, WHOLE, BROKEN)


class Unreadable(Exception):
    """The text is not the YAML of fields; the message says where and why."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core schema, without its octal and hexadecimal numbers, and no key twice."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own way to say it

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """A mapping; PyYAML would let the last of two equal keys win."""
        keys = [key.value for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"{twice!r} stands there twice", node.start_mark)
        return super().construct_mapping(node, deep)

    def construct_whole(self, node: Any) -> int:
        """A number in base 10: YAML 1.1 would take a leading 0 for base 8."""
        return int(self.construct_scalar(node))


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", TRUTHS, list("tTfF"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", NOTHING, ["~", "n", "N", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", WHOLE, list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", BROKEN, list("-+.0123456789"))
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_whole)


class _Dumper(yaml.SafeDumper):
    """Quotes what either version of YAML would not read as text.

    PyYAML knows what its own would not; the line breaks of Unicode it would write bare and read back as spaces.
    """


def _represent_text(dumper: Any, text: str) -> Any:
    style = '"' if BREAKS & set(text) else "'" if any(kind.match(text) for kind in KINDS) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def write_yaml(fields: dict[str, Any]) -> str:
    """The fields in their order."""
    return str(yaml.dump(fields, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH))


def read_yaml(text: str) -> dict[str, Any]:
    """The fields that a text has; none where it is empty. Raises Unreadable."""
    try:
        read = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader, with fewer types
    except yaml.MarkedYAMLError as error:
        where = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        raise Unreadable(f"{where}{error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise Unreadable(" ".join(str(error).split())) from error
    if read is None:
        return {}
    if not isinstance(read, dict) or not all(isinstance(key, str) for key in read):
        raise Unreadable("must be fields and their values, such as `queue: default`")
    return read
