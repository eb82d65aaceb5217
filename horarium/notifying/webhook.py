"""Webhooks: a signed POST through the guarded way out, which follows no redirect and reads no answer.

A rule is written by an admin, and still leads to where a stranger may have the say: so addresses are judged by the
socket, as for `http_request` (docs/decisions/0021), and what is not public is reached only where
`HORARIUM_HTTP_ALLOW` opens it. Of the answer the status counts, beside 429 and 503 also for how long the receiver wants
to be left alone (`Retry-After`), and nothing else of it is read, kept or shown. By 410 a receiver says that it is gone
for good, as the specification has it: that message is not tried again. The rule stays as it is, for nobody would be
told that it went quiet.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp

from horarium.notifying.channels import SEND_SECONDS, Delivered, Undelivered
from horarium.notifying.signing import signed_headers
from horarium.notifying.timetable import asked_delay
from horarium.tasks.addresses import is_host
from horarium.tasks.egress import EgressRefused
from horarium.troubles import reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from horarium.notifying.channels import Message, Outcome
    from horarium.tasks.egress import Egress

__all__ = ["MOST_URL_CHARS", "Webhooks", "is_webhook_url", "without_path"]

MOST_URL_CHARS = 2000
BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
FIXED_HEADERS = {"Content-Type": "application/json", "User-Agent": "Horarium"}


class Webhooks:
    """Sends to URLs, by this way out."""

    def __init__(self, egress: Egress, *, seconds: float = SEND_SECONDS) -> None:
        self._egress = egress
        self._seconds = seconds

    async def send(self, url: str, keys: Sequence[str], message: Message) -> Outcome:
        """Try once; any 2xx says that it has arrived."""
        body = message.body.encode()
        headers = FIXED_HEADERS | signed_headers(message.id, int(message.at.timestamp()), body, keys)
        try:
            async with (
                self._egress.session(timeout_seconds=self._seconds) as session,
                session.post(url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                status, retry_after = response.status, response.headers.get("Retry-After", "")
        except EgressRefused as refused:
            return Undelivered(str(refused))
        except (aiohttp.ClientResponseError, aiohttp.InvalidURL) as error:
            return Undelivered(f"the request failed: {type(error).__name__}")  # its own words quote the URL
        except (aiohttp.ClientError, OSError) as error:
            return Undelivered(reason(error))
        if 200 <= status < 300:
            return Delivered()
        redirected = ", and redirects are not followed" if 300 <= status < 400 else ""
        rest = asked_delay(retry_after, message.at) if status in BUSY else None
        return Undelivered(f"answered {status}{redirected}", gone=status == HTTPStatus.GONE, wants_rest=rest)


def is_webhook_url(url: str) -> bool:
    """Whether a message can be sent there: http or https, a name or an address, no user, no fragment, ASCII."""
    try:
        parts = urlsplit(url)
        named = is_host(parts.hostname or "") and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= MOST_URL_CHARS
    return named and plain and parts.scheme in ("http", "https") and "@" not in parts.netloc and not parts.fragment


def without_path(url: str) -> str:
    """The URL as those see it who may not write rules: its path and its query may be all that keeps others out."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/***"
