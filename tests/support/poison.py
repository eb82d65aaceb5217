"""Messages that no sender of ours would send: each kind of poison that may lie in a queue."""

from __future__ import annotations

from typing import Any

import orjson
from uuid_utils.compat import uuid7

__all__ = ["CONTENT", "POISON", "message"]

CONTENT = "swordfish"
OURS: dict[str, Any] = {"attempt": 1, "scheduler_type": "manual"}
SOUND: dict[str, Any] = {"task_id": str(uuid7()), "task_name": "echo", "labels": OURS, "args": []}


def message(**fields: object) -> dict[str, bytes]:
    """A stream entry whose message is sound but for these fields, and names no row."""
    return {"data": orjson.dumps(SOUND | {"kwargs": {"message": CONTENT}} | fields)}


def attempt(number: str) -> dict[str, bytes]:
    """A message with this attempt, written as JSON."""
    return {"data": message()["data"].replace(b'"attempt":1', b'"attempt":' + number.encode())}


POISON: dict[str, dict[str, bytes]] = {
    "no data": {"something": CONTENT.encode()},
    "nothing": {"data": b""},
    "no JSON": {"data": CONTENT.encode()},
    "no text": {"data": b"\xff\x00" + CONTENT.encode()},
    "no object": {"data": orjson.dumps([CONTENT])},
    "a number": {"data": b"7"},
    "deep": {"data": b"[" * 100_000},
    "deep within": {"data": message()["data"].replace(b'"swordfish"', b"[" * 100_000 + b"]" * 100_000)},
    "ten megabytes": {"data": CONTENT.encode() * 1_200_000},
    "ten megabytes of JSON": message(task_id=CONTENT * 1_200_000),
    "an id that is no UUID": message(task_id=CONTENT),
    "an id that is no text": message(task_id=7),
    "labels that are no object": message(labels=[CONTENT]),
    "labels of no type": message(labels=OURS | {"a": CONTENT}, labels_types={"a": 99}),
    "labels of another type": message(labels=OURS | {"a": CONTENT}, labels_types={"a": 2}),
    "labels of bytes": message(labels=OURS | {"a": [CONTENT]}, labels_types={"a": 6}),
    "types of labels that are no object": message(labels_types=CONTENT),
    "parameters that are no object": message(kwargs=[CONTENT]),
    "arguments that are no list": message(args=CONTENT),
    "an attempt in words": attempt('"first"'),
    "an attempt as text": attempt('"1"'),
    "a list of attempts": attempt("[1]"),
    "no attempt": attempt("null"),
    "half an attempt": attempt("1.5"),
    "a true attempt": attempt("true"),
    "an attempt past all numbers": attempt("1e999"),
    "an attempt that is no number": attempt("NaN"),
    "an attempt past a smallint": attempt("32768"),
    "an attempt past 64 bits": attempt("9" * 40),
    "an attempt below nothing": attempt("-1"),
}
