"""Schedules as code: horarium.yaml, from its text to what the API takes and back, without a word to any server."""

from __future__ import annotations

from horarium.manifest.reading import Entry, Manifest, ManifestError, parse, read
from horarium.manifest.schema import manifest_schema
from horarium.manifest.writing import SCHEMA_PATH, as_declared, dumped, written
from horarium.manifest.yaml_text import YamlFault, compose, value_of

__all__ = [
    "SCHEMA_PATH",
    "Entry",
    "Manifest",
    "ManifestError",
    "YamlFault",
    "as_declared",
    "compose",
    "dumped",
    "manifest_schema",
    "parse",
    "read",
    "value_of",
    "written",
]
