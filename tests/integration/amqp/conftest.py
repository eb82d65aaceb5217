"""One RabbitMQ for the tests that need it; nothing starts before the first of them."""

from __future__ import annotations

from tests.support.rabbitmq import rabbitmq

__all__ = ["rabbitmq"]
