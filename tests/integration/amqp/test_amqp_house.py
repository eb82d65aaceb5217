"""The whole house over RabbitMQ, as compose.yaml has it: ticks are sent, run and written down as ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.processes import horarium
from tests.support.servers import temporary_data_dir
from tests.support.waiting import until

if TYPE_CHECKING:
    from tests.support.rabbitmq import RabbitMQ

pytestmark = pytest.mark.timeout(300)


def test_every_second_fires_over_rabbitmq_and_runs_by_hand_do_too(rabbitmq: RabbitMQ) -> None:
    with temporary_data_dir() as path, horarium(path, broker_url=rabbitmq.url, inline_worker=1) as house:
        admin = house.client()
        config = admin.config()

        run = admin.ended(admin.post(f"/task-configs/{config}/run")["task_id"])
        ticks = until(lambda: [row for row in admin.executions(config, trigger="schedule") if row["completed_at"]][3:])

        assert run["status"] == "success"
        assert {row["status"] for row in ticks} == {"success"}
        assert admin.get("/readyz")["status"] == "ready"
        assert house.stop() == 0
