"""Reasons: what is written is known, and the dashboard has a sentence for each."""

from __future__ import annotations

import re
from typing import get_args

from horarium.http.site import ASSETS
from horarium.model import Reason
from horarium.sql.queries import QUERIES

KNOWN = {*get_args(Reason)}
SENTENCES = re.search(r"const REASONS = \{(.*?)\n\};", ASSETS["words.js"].decode(), re.DOTALL)
IN_SQL = r"reason = '(\w+)'|THEN (?:e\.)?reason ELSE '(\w+)'|'(overlap|buffer_full)'"


def test_the_dashboard_has_a_sentence_for_every_reason_and_for_no_other() -> None:
    assert SENTENCES is not None
    assert {*re.findall(r'^  (\w+): "[a-z][^"]+",$', SENTENCES[1], re.MULTILINE)} == KNOWN


def test_a_statement_writes_no_reason_that_is_not_known() -> None:
    """Python's own are held to it by their types."""
    written = {word for query in QUERIES.all() for found in re.findall(IN_SQL, query.sql) for word in found if word}

    assert written >= {"overlap", "buffer_full", "not_sendable", "requested"}
    assert written <= KNOWN
