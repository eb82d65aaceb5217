"""taskiq-redis: the schedules that `RedisScheduleSource` and `ListRedisScheduleSource` keep.

Both keep a schedule as one string: the first under `PREFIX:ID`, the second under `PREFIX:data:ID`, with lists beside
that say which are to be looked at. Which of the two wrote a Redis is seen from the keys, so nobody has to know. JSON is
read; a pickle only where that is asked for (`pickles.py`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pydantic import ValidationError
from taskiq import ScheduledTask

from horarium.importing.carrying import CannotCarry, Draft, NotCarried, Outcome, Target, carry
from horarium.importing.pickles import PICKLED, unpickled
from horarium.importing.policies import set_priority, set_queue, set_timeout
from horarium.importing.stores import open_redis, raw
from horarium.importing.taskiq_schedule import schedule_fields

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["StoredSchedule", "read", "translate"]

TAG = "from:taskiq"
SCAN_KEYS = 500
LISTS = re.compile(r"cron|interval|time:.*")
UNSAFE = "is a pickle; --unsafe-pickle reads it"
RETRIES = 3
"""How often taskiq's retry middleware tries a task that does not say."""


@dataclass(frozen=True, slots=True)
class StoredSchedule:
    """What Redis holds of one schedule. `listed` is False where no list names it, so that taskiq never looks at it."""

    schedule_id: str
    data: bytes
    listed: bool = True


async def read(url: str, prefix: str) -> list[StoredSchedule]:
    """Every schedule under the prefix, in the order of ids."""
    start = f"{prefix}:"
    async with open_redis(url) as redis:
        keys = sorted({key.decode() async for key in redis.scan_iter(_literally(start) + "*", count=SCAN_KEYS)})
        listed: set[str] = set()
        found: list[tuple[str, bytes]] = []
        for first in range(0, len(keys), SCAN_KEYS):
            page = keys[first : first + SCAN_KEYS]
            # what is no string is None here, and what is no list an error there
            values = zip(page, await redis.mget(page), strict=True)
            found += [(key.removeprefix(start), raw(value)) for key, value in values if value is not None]
            listed |= await _members(redis, [key for key in page if LISTS.fullmatch(key.removeprefix(start))])
    return [_stored(short, data, listed) for short, data in found]


async def _members(redis: Redis, lists: list[str]) -> set[str]:
    pipeline = redis.pipeline(transaction=False)
    for key in lists:
        pipeline.lrange(key, 0, -1)
    answers = await pipeline.execute(raise_on_error=False)
    return {member.decode() for answer in answers if isinstance(answer, list) for member in answer}


def _stored(short: str, data: bytes, listed: set[str]) -> StoredSchedule:
    schedule_id = short.removeprefix("data:")
    return StoredSchedule(schedule_id, data, listed=short == schedule_id or schedule_id in listed)


def translate(stored: StoredSchedule, target: Target, *, unsafe_pickle: bool = False) -> Outcome:
    """What becomes of one schedule."""
    if not stored.listed:
        return NotCarried(stored.schedule_id, "is in none of taskiq's lists, so it never ran", matters=False)
    try:
        task = _schedule(stored.data, unsafe_pickle=unsafe_pickle)
    except CannotCarry as error:
        return NotCarried(stored.schedule_id, str(error))
    name = f"{task.task_name} {task.schedule_id}"
    return carry(name, partial(_draft, task, name), target)


def _schedule(data: bytes, *, unsafe_pickle: bool) -> ScheduledTask:
    if data.startswith(PICKLED) and not unsafe_pickle:
        raise CannotCarry(UNSAFE)
    try:
        loaded = unpickled(data) if data.startswith(PICKLED) else json.loads(data)
        return ScheduledTask.model_validate(loaded)
    except ValidationError as error:
        raise CannotCarry(f"is no schedule of taskiq: {error.errors()[0]['msg']}") from error
    except ValueError as error:
        raise CannotCarry("is neither JSON nor a pickle") from error


def _draft(task: ScheduledTask, name: str) -> Draft:
    draft = Draft(name, task.task_name, {"overlap": "allow_all"}, task.args, task.kwargs)
    draft.fields |= schedule_fields(task) | {"tags": [TAG]}
    labels = dict(task.labels)
    if labels.pop("retry_on_error", False):
        draft.fields["max_retries"] = labels.pop("max_retries", RETRIES)
    set_queue(draft, labels.pop("queue_name", None))
    set_priority(draft, labels.pop("priority", None))
    set_timeout(draft, labels.pop("timeout", None))
    # any other label was for somebody else's middleware
    draft.notes += [f"the label {label}={value!r:.40} is left out" for label, value in sorted(labels.items())]
    return draft


def _literally(text: str) -> str:
    """Text without a meaning in a pattern of Redis."""
    return re.sub(r"([*?\[\]\\])", r"\\\1", text)
