"""Secrets and signatures of webhooks, as the Standard Webhooks specification has them (standardwebhooks.com).

A secret is `whsec_` and the base64 of 24 to 64 bytes; a signature is `v1,` and the base64 of HMAC-SHA256 over
`id.timestamp.body`. While a secret is being changed for another both sign, and a receiver takes whichever it knows.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

__all__ = ["SECRET_RULE", "is_secret", "new_secret", "signed_headers"]

PREFIX = "whsec_"
NEW_BYTES = 32
LEAST_BYTES, MOST_BYTES = 24, 64
SECRET_RULE = f"must be {PREFIX} and the base64 of {LEAST_BYTES} to {MOST_BYTES} bytes; leave it out to be given one"


def new_secret() -> str:
    """A secret that nobody has had before."""
    return PREFIX + base64.b64encode(secrets.token_bytes(NEW_BYTES)).decode()


def is_secret(text: str) -> bool:
    """Whether `text` can sign."""
    try:
        return text.startswith(PREFIX) and LEAST_BYTES <= len(_key(text)) <= MOST_BYTES
    except (binascii.Error, ValueError):  # the second: it is not ASCII
        return False


def signed_headers(message_id: UUID | str, timestamp: int, body: bytes, keys: Iterable[str]) -> dict[str, str]:
    """The header fields of a message that is sent at `timestamp`, Unix seconds, signed by each of these secrets."""
    content = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": str(message_id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(key, content) for key in keys),
    }


def _signature(secret: str, content: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(_key(secret), content, hashlib.sha256)).decode()


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
