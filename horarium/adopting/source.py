"""taskiq's `ScheduleSource` over Horarium's API: what is added to it is a config, and deleting it removes the config.

Nothing is kept here. Each call asks the API, at the address and with the credentials that every client of Horarium
uses, and a schedule that is added twice is one config: its name is that of the task and the schedule's id, and its
`source` says who declares it. What somebody has changed in the API since is what `get_schedules` answers.

Horarium sends what is due. A `taskiq scheduler` that is left running beside it sees these schedules and is told each
time not to send, so nothing runs twice.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from taskiq import ScheduleSource as TaskiqScheduleSource
from taskiq.exceptions import ScheduledTaskCancelledError

from horarium.adopting.labels import Applied, declare_labels
from horarium.adopting.translating import TAG, Offer, config_name, config_of, scheduled_task_of
from horarium.client import Faulty, NoSuchThing, open_client
from horarium.errors import FieldError, InvalidInput
from horarium.settings import load_settings

if TYPE_CHECKING:
    from taskiq import AsyncBroker, ScheduledTask

    from horarium.client import ApiClient

__all__ = ["ScheduleSource"]

SOURCE = "taskiq ScheduleSource"
CLIENT_LABELS_SOURCE = "taskiq labels of a client"
"""Not that of `horarium up`: of two that declare under one name, each would remove what the other has."""


class ScheduleSource(TaskiqScheduleSource):
    """Schedules that Horarium runs: `await task.schedule_by_cron(source, "0 9 * * *")`.

    `url` and `token` (an access token, or better an API key of an operator) default to HORARIUM_API_URL and
    HORARIUM_TOKEN, and then to the stored login. With `labels_of`, `startup` makes configs of the schedules in the
    labels of that broker's tasks; apps that share a Horarium give each its own `labels_source`.

    Calls raise `horarium.errors.InvalidInput` for what Horarium cannot honour, and `horarium.client.ApiError`
    (`ApiAway` where it may be tried again). The constructor raises ConfigurationError.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        labels_of: AsyncBroker | None = None,
        labels_source: str = CLIENT_LABELS_SOURCE,
    ) -> None:
        self._settings = load_settings(api_url=url, token=token)
        self._labels_of = labels_of
        self._labels_source = labels_source

    async def startup(self) -> None:
        """Declare the label schedules, where there are any to declare. One that makes no sense is logged."""
        if self._labels_of is not None:
            tasks = self._labels_of.get_all_tasks()
            async with open_client(self._settings) as client:
                offer = await _offer(client)

                async def apply(body: dict[str, Any]) -> Applied:
                    return await _applied(client, body)

                await declare_labels(tasks, offer, apply, now=datetime.now(UTC), source=self._labels_source)

    async def get_schedules(self) -> list[ScheduledTask]:
        """The schedules that are in force or paused, as their configs stand now; those that have ended are not."""
        async with open_client(self._settings) as client:
            configs = await client.items("/task-configs", tag=TAG)
        found = (scheduled_task_of(each) for each in configs if self._is_ours(each) and each["status"] != "inactive")
        return [task for task in found if task is not None]

    async def add_schedule(self, schedule: ScheduledTask) -> None:
        """Make a config of it, or make the one with its id as it is."""
        async with open_client(self._settings) as client:
            config = config_of(schedule, await _offer(client))
            await _applied(client, {"configs": [config], "source": SOURCE})

    async def delete_schedule(self, schedule_id: str) -> None:
        """Remove the config of this schedule; one that is gone already is no fault."""
        async with open_client(self._settings) as client:
            for config in await client.items("/task-configs", q=schedule_id):
                if self._is_ours(config) and config["name"] == config_name(config["task_type"], schedule_id):
                    await _delete(client, config["id"])

    def pre_send(self, task: ScheduledTask) -> None:  # noqa: ARG002 - taskiq's signature
        """Keep a `taskiq scheduler` from sending what Horarium sends."""
        raise ScheduledTaskCancelledError

    def _is_ours(self, config: dict[str, Any]) -> bool:
        return config["source"] in (SOURCE, self._labels_source)


async def _offer(client: ApiClient) -> Offer:
    return Offer.of(await client.get("/task-types"))


async def _applied(client: ApiClient, body: dict[str, Any]) -> Applied:
    """What a declaration changes; raises InvalidInput that names what breaks a rule."""
    try:
        answer = await client.apply(body)
    except Faulty as error:
        raise InvalidInput(*(FieldError(tuple(fault.loc), fault.msg) for fault in error.faults)) from error
    return Applied(answer["created"], answer["updated"], answer["deleted"])


async def _delete(client: ApiClient, config_id: int) -> None:
    try:
        await client.call("DELETE", f"/task-configs/{config_id}")
    except NoSuchThing:  # somebody else was faster
        return
