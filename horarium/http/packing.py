"""Answers in fewer bytes, for clients that take them so: over a slow line, most of the wait for a page is its bytes.

What is the same for everybody (`Packed`) is packed once, what is not when it is large enough to be worth the time. An
answer that carries a secret is never that large, so that its length tells nothing about it.
"""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING

from horarium.packing import Packed

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["LEAST_BYTES", "fitting", "takes_gzip"]

LEAST_BYTES = 4096
"""An answer that is shorter fits into the few packets that are under way at once, packed or not."""
QUICK = 1
"""gzip's level: a millisecond for 100 kB, while the client waits."""
NOTHING = re.compile(r"\s*q=0(\.0*)?\s*")


def fitting(request: web.BaseRequest, body: bytes | Packed) -> tuple[bytes, dict[str, str]]:
    """The body as this client takes it, and the fields of the head that say so."""
    plain = body.plain if isinstance(body, Packed) else body
    if len(plain) < LEAST_BYTES and body is plain:
        return plain, {}
    vary = {"Vary": "Accept-Encoding"}
    if not takes_gzip(request.headers.get("Accept-Encoding", "")):
        return plain, vary
    packed = body.packed if isinstance(body, Packed) else gzip.compress(plain, QUICK, mtime=0)
    return packed, {**vary, "Content-Encoding": "gzip"}


def takes_gzip(accepted: str) -> bool:
    """Whether a field Accept-Encoding has gzip, or else anything, at a weight that is not nothing (RFC 9110 12.5.3)."""
    codings = (each.partition(";") for each in accepted.lower().split(","))
    weights = {name.strip(): weight for name, _, weight in codings}
    weight = weights.get("gzip", weights.get("*"))
    return weight is not None and NOTHING.fullmatch(weight) is None
