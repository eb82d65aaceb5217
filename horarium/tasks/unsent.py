"""What a broker that sends messages one by one says of a batch that it could not send whole.

Our own brokers hold a batch or do not: whoever hears Unavailable sends it again, and a message sent twice is claimed
once. An adopted broker takes messages singly. So it says which ones it holds, that a slow one does not begin at the
first again and again; and which ones can never be sent, that one of them does not hold up the others for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from horarium.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

__all__ = ["Unsent"]


class Unsent(Unavailable):
    """Some messages were not sent: `sent` are held, `refused` never will be and why; without `away` these are all.

    To whoever does not look closer the broker is away, and everything is to be sent again.
    """

    def __init__(self, sent: Collection[UUID], refused: Mapping[UUID, str], *, away: bool) -> None:
        super().__init__("broker")
        self.sent = sent
        self.refused = refused
        self.away = away
