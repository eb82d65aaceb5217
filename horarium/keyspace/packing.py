"""Commands made bytes by hiredis, as redis-py's own synchronous connections have it.

Its asynchronous ones pack in Python, argument by argument, and scripts that write many things at once have hundreds:
that was a tenth of a busy worker's time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.connection import HiredisRespSerializer

if TYPE_CHECKING:
    from redis.asyncio import ConnectionPool
    from redis.asyncio.connection import AbstractConnection

__all__ = ["pack_quickly"]


def pack_quickly(pool: ConnectionPool) -> None:
    """Have the connections that this pool will make pack by hiredis, over whatever kind of socket."""
    pool.connection_class = _quick(pool.connection_class)


def _quick(kind: type[AbstractConnection]) -> type[AbstractConnection]:
    serializer = HiredisRespSerializer()

    def pack_command(_self: AbstractConnection, *args: Any) -> list[bytes]:
        packed: list[bytes] = serializer.pack(*args)
        return packed

    return type(kind.__name__, (kind,), {"pack_command": pack_command})
