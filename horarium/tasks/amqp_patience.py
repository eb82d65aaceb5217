"""How long RabbitMQ waits for a message to be acknowledged before it has it delivered again.

Our consumers ask for more than the longest task takes (`x-consumer-timeout`), and RabbitMQ heeds that from 3.11.15 on.
An older one goes by its own `consumer_timeout`, which it tells nobody: half an hour, unless its configuration says
otherwise. A second delivery is claimed by nobody, since the first still holds the execution; but the channel is closed
under the worker, with whatever else it had in hand.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["redelivers_after"]

HEEDS_CONSUMERS = (3, 11, 15)
OWN_SECONDS = 1800.0


def redelivers_after(server_properties: Mapping[str, object]) -> float | None:
    """After how many seconds a server of these properties delivers again; None where it waits as long as it must."""
    told = server_properties.get("version")
    text = told.decode(errors="replace") if isinstance(told, bytes) else str(told)
    version = tuple(map(int, re.findall(r"\d+", text)[:3]))
    return OWN_SECONDS if version and version < HEEDS_CONSUMERS else None
