"""One running tree for each module, a RabbitMQ for the tests that need one."""

from __future__ import annotations

from tests.support.rabbitmq import rabbitmq
from tests.support.shared_house import anyio_backend, house, shared_database

__all__ = ["anyio_backend", "house", "rabbitmq", "shared_database"]
