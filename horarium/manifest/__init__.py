"""Schedules as code: horarium.yaml, from its text to what the API takes and back, without a word to any server."""

from __future__ import annotations

from horarium.manifest.reading import Entry, Manifest, ManifestError, parse, read
from horarium.manifest.schema import manifest_schema
from horarium.manifest.writing import SCHEMA_PATH, as_declared, written

__all__ = [
    "SCHEMA_PATH",
    "Entry",
    "Manifest",
    "ManifestError",
    "as_declared",
    "manifest_schema",
    "parse",
    "read",
    "written",
]
