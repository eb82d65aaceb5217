"""From files to what `POST /task-configs/apply` takes, and from its faults back to a file and a line.

A file has `configs`, a list; beside it `defaults`, which each config of the file has where it says nothing itself, and
`source`, which declares them (docs/decisions/0028). `schedule_config` and `parameters` are merged key by key. Names
that begin with `x-` are for anchors to stand at, and are read by nobody.

What a config may say is the API's to judge: here is seen only that each is a mapping. A missing `configs` is a fault,
since a template that came out empty would otherwise remove everything with `--prune`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from horarium.errors import ConfigurationError
from horarium.given_text import STDIN, given_text
from horarium.manifest.yaml_text import YamlFault, compose, line_of, node_at, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from yaml.nodes import Node

__all__ = ["Entry", "Manifest", "ManifestError", "parse", "read"]

KEYS = ("configs", "defaults", "source")
MERGED = ("parameters", "schedule_config")


class ManifestError(ConfigurationError):
    """Files that cannot be read as what they are to be; the message names file and line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A config of a file, with the file's defaults in it, and where it stands."""

    config: dict[str, Any]
    file: str
    node: Node
    defaults: Node | None

    @property
    def name(self) -> str:
        """The config's name, as far as it has one."""
        return str(self.config.get("name", "a config without a name"))

    def place(self, path: Sequence[str | int]) -> str:
        """File and line of a field: the config's own line of it, or the defaults', or the nearest around it."""
        line, steps = line_of(self.node, path)
        if self.defaults is not None and steps < len(path):
            theirs, further = line_of(self.defaults, path)
            line = theirs if further > steps else line
        return f"{self.file}:{line}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that some files declare."""

    entries: list[Entry]
    source: str | None = None


def read(files: Iterable[str]) -> Manifest:
    """What these files declare together; `-` is stdin. Raises ConfigurationError."""
    parts = [parse(given_text(file), "<stdin>" if file == STDIN else file) for file in files]
    sources = sorted({str(part.source) for part in parts if part.source is not None})
    if len(sources) > 1:
        raise ManifestError(f"one source at a time: these files name {', '.join(sources)}")
    return Manifest([entry for part in parts for entry in part.entries], sources[0] if sources else None)


def parse(text: str, file: str) -> Manifest:
    """What the text of one file declares. Raises ManifestError."""
    try:
        return _manifest(text, file)
    except YamlFault as fault:
        raise ManifestError(f"{file}:{fault.line}: {fault.message}") from None


def _manifest(text: str, file: str) -> Manifest:
    root = compose(text)
    content = None if root is None else value_of(root)
    if root is None or not isinstance(content, dict):
        raise YamlFault(1, f"must be a mapping with {', '.join(KEYS)}")
    for key in content:
        if key not in KEYS and not key.startswith("x-"):
            raise YamlFault(line_of(root, [key])[0], f"{key!r} is unknown here; there are {', '.join(KEYS)}")
    _require(root, content, "configs", list, "a list of configs; [] for none at all")
    defaults = content.setdefault("defaults", {})
    _require(root, content, "defaults", dict, "a mapping of fields")
    if "source" in content:
        _require(root, content, "source", str, "a text")
    shared = node_at(root, ["defaults"]) if defaults else None
    entries = []
    for index, config in enumerate(content["configs"]):
        if not isinstance(config, dict):
            raise YamlFault(line_of(root, ["configs", index])[0], "must be a mapping: the fields of one config")
        entries.append(Entry(_with_defaults(defaults, config), file, node_at(root, ["configs", index]), shared))
    return Manifest(entries, content.get("source"))


def _require(root: Node, content: dict[str, Any], key: str, kind: type, what: str) -> None:
    if not isinstance(content.get(key), kind):
        raise YamlFault(line_of(root, [key])[0], f"{key} must be {what}")


def _with_defaults(defaults: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    whole = defaults | config
    for key in MERGED:
        given, own = defaults.get(key), config.get(key)
        if isinstance(given, dict) and isinstance(own, dict):
            whole[key] = given | own
    return whole
