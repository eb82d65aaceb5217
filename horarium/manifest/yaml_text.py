"""YAML to JSON values, by the rules of YAML 1.2, with the line that each value stands in.

PyYAML reads YAML 1.1, where `on` is true, `08:00` is 480, `1_000` is 1000 and `2030-01-31` is a date. None of it means
that in a schedule, so plain words are resolved by 1.2's core schema here, and all else is text. Only what JSON has
comes out: no dates, no objects, no keys but text. A key that stands twice is a fault and not a silent loss, and so is a
tag that nobody here knows. Anchors, aliases and merge keys (`<<`) work; what they unfold to has a bound.

PyYAML's parser makes nodes with their marks, and nothing else of it is used to read: each value is made here, from its
node, so a fault that is found later, by the API, still finds its line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from yaml.nodes import Node

__all__ = ["CORE_WORDS", "TAG", "YamlFault", "compose", "line_of", "node_at", "value_of"]

TAG = "tag:yaml.org,2002:"
DEEPEST = 100
"""Levels of a document; the API takes no more of a config."""

MOST_VALUES = 2_000_000
"""Values that a document may unfold to: far more than the API takes, far less than fills a memory."""

# Of 1.2.2, chapter 10.3.2; the signs that a word of the kind can begin with make the look-up short.
CORE_WORDS: tuple[tuple[str, re.Pattern[str], list[str]], ...] = (
    ("null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("int", re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"), list("-+0123456789")),
    ("float", re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"), list("-+.0123456789")),
    ("float", re.compile(r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"), list("-+.")),
    ("merge", re.compile(r"^<<$"), ["<"]),
)
"""What a plain word is, if it is not text: its kind, its form, and how it can begin."""


class YamlFault(Exception):
    """What is wrong with a text, and in which line, from 1 on."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line
        self.message = message


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml's where it was built in
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own name: none of 1.1's words


for _kind, _form, _first in CORE_WORDS:
    _Loader.add_implicit_resolver(TAG + _kind, _form, _first)


def compose(text: str) -> Node | None:
    """The root of the text's one document; None where it is empty. Raises YamlFault."""
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlFault(mark.line + 1 if mark else 1, _explained(error)) from None
    except yaml.YAMLError as error:  # a character that YAML does not take
        raise YamlFault(1, str(error).replace("\n", " ")) from None


def _explained(error: yaml.MarkedYAMLError) -> str:
    message = " ".join(part for part in (error.problem, error.context) if part)
    if "alias" in message:
        message += "; a text that begins with * needs quotes: '*/5 * * * *'"
    return message


def value_of(node: Node) -> Any:
    """The JSON value of a node. Raises YamlFault."""
    return _Values().of(node)


@dataclass(slots=True)
class _Values:
    """Makes values, and counts them."""

    made: int = 0
    within: list[Node] = field(default_factory=list)

    def of(self, node: Node) -> Any:
        self.made += 1
        if self.made > MOST_VALUES:
            raise _fault(node, "the aliases unfold to too much")
        if node in self.within:
            raise _fault(node, "an alias stands within what it stands for")
        if len(self.within) >= DEEPEST:
            raise _fault(node, f"is nested deeper than {DEEPEST} levels")
        self.within.append(node)
        try:
            return self._made(node)
        finally:
            self.within.pop()

    def _made(self, node: Node) -> Any:
        kind = node.tag.removeprefix(TAG)
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            return [self.of(each) for each in node.value]
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node, kind)
        raise _fault(node, f"the tag {node.tag} is not known here")

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == TAG + "merge":
                for each in _merged(value):
                    merged = self.of(each) | merged  # the first of several wins
            else:
                name = _key(key)
                if name in own:
                    raise _fault(key, f"{name!r} stands there twice")
                own[name] = self.of(value)
        return merged | own


def _key(node: Node) -> str:
    if not isinstance(node, yaml.ScalarNode) or node.tag != TAG + "str":
        raise _fault(node, "a key must be text; put quotes around it")
    return str(node.value)


def _merged(node: Node) -> list[yaml.MappingNode]:
    """The mappings that a merge key takes in."""
    taken = []
    for each in node.value if isinstance(node, yaml.SequenceNode) else [node]:
        if not isinstance(each, yaml.MappingNode):
            raise _fault(each, "<< takes a mapping, or a list of them")
        taken.append(each)
    return taken


def _scalar(node: yaml.ScalarNode, kind: str) -> Any:
    text = node.value
    match kind:
        case "str":
            return text
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return _integer(node)
        case "float":
            return _number(node)
    raise _fault(node, f"the tag {node.tag} is not known here; put quotes around a text")


def _integer(node: yaml.ScalarNode) -> int:
    bases = {"0o": 8, "0x": 16}
    try:
        return int(node.value, bases.get(node.value[:2], 10))
    except ValueError:
        raise _fault(node, f"{node.value[:40]!r} is no whole number") from None


def _number(node: yaml.ScalarNode) -> float:
    try:
        number = float(node.value)
    except ValueError:
        number = float("nan")
    if number - number != 0:  # infinite, or none at all
        raise _fault(node, f"{node.value[:40]!r} is no number that JSON has; put quotes around a text")
    return number


def line_of(node: Node, path: Sequence[str | int]) -> tuple[int, int]:
    """In which line the value at this path stands, or the nearest around it; and how many steps of the path were there.

    A member of a mapping is found by its key, whose line is the one to look at.
    """
    line, steps = node.start_mark.line + 1, 0
    for step in path:
        found = _step(node, step)
        if found is None:
            break
        (line, node), steps = found, steps + 1
    return line, steps


def node_at(node: Node, path: Sequence[str | int]) -> Node:
    """The node at a path that is there."""
    for step in path:
        found = _step(node, step)
        if found is None:
            raise LookupError(f"there is no {step}")
        node = found[1]
    return node


def _step(node: Node, step: str | int) -> tuple[int, Node] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line + 1, node.value[step]
    if isinstance(node, yaml.MappingNode):
        return next(_members(node, str(step)), None)
    return None


def _members(node: yaml.MappingNode, name: str) -> Iterator[tuple[int, Node]]:
    """The member of this name: the mapping's own, or else of what is merged into it."""
    merged: list[yaml.MappingNode] = []
    for key, value in node.value:
        if key.tag == TAG + "merge":
            merged += _merged(value)
        elif key.value == name:
            yield key.start_mark.line + 1, value
    for each in merged:
        yield from _members(each, name)


def _fault(node: Node, message: str) -> YamlFault:
    return YamlFault(node.start_mark.line + 1, message)
