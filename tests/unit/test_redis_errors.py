"""What Redis says of itself is told from what it says of a command: the one is waited out, the other raised."""

from __future__ import annotations

import pytest
from redis.exceptions import ResponseError

from horarium.errors import Unavailable
from horarium.keyspace.pool import redis_errors

pytestmark = pytest.mark.anyio

FULL = "MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk."
SCRIPT = "Error running script (call to f_fc38): @user_script:8: @user_script: 8: "


@pytest.mark.parametrize(
    "text",
    [
        FULL,
        f"{SCRIPT}-{FULL}",
        f"Command # 1 (SET a b) of pipeline caused error: ('{FULL}',)",
        f"{SCRIPT}-OOM command not allowed when used memory > 'maxmemory'.",
        f"{SCRIPT}-READONLY You can't write against a read only replica.",
        "NOREPLICAS Not enough good replicas to write.",
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    ],
)
async def test_what_redis_does_not_take_now_it_will_take_later(text: str) -> None:
    with pytest.raises(Unavailable), redis_errors():
        raise ResponseError(text)


@pytest.mark.parametrize(
    "text",
    [
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        f"{SCRIPT}WRONGTYPE Operation against a key holding the wrong kind of value",
        "BUSYGROUP Consumer Group name already exists",
        "UNBLOCKED the stream key no longer exists",
        "Command # 1 (SET a MISCONF and the like) of pipeline caused error: ('ERR syntax error',)",
    ],
)
async def test_what_it_will_never_take_is_raised(text: str) -> None:
    with pytest.raises(ResponseError), redis_errors():
        raise ResponseError(text)
