"""The examinations, in the order in which they are told: settings, this machine, the servers, what goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from horarium.doctor.api_server import ask_api, judge_api
from horarium.doctor.app_broker import ask_app, judge_app
from horarium.doctor.examination import Examination
from horarium.doctor.house import ask_leader, ask_schema, judge_leader, judge_schema
from horarium.doctor.machine import ask_packages, ask_port, judge_packages, judge_port
from horarium.doctor.notifications import ask_notifications, judge_notifications
from horarium.doctor.postgres_server import ask_postgres, judge_postgres
from horarium.doctor.premises import ask_files, ask_programs, judge_files, judge_programs
from horarium.doctor.rabbitmq_server import ask_rabbitmq, judge_rabbitmq
from horarium.doctor.redis_server import ask_broker_redis, ask_redis, judge_broker_redis, judge_redis
from horarium.doctor.told import ask_settings, ask_tasks, judge_settings, judge_tasks
from horarium.doctor.work import ask_index, ask_queues, judge_index, judge_queues

if TYPE_CHECKING:
    from horarium.doctor.patient import Patient

__all__ = ["EXAMINATIONS"]


def _postgres(patient: Patient) -> bool:
    return patient.postgres.awake


def _redis(patient: Patient) -> bool:
    return patient.redis.awake


def _both(patient: Patient) -> bool:
    return _postgres(patient) and _redis(patient)


def _rabbitmq(patient: Patient) -> bool:
    return patient.broker.url.partition(":")[0] in ("amqp", "amqps")


def _broker_redis(patient: Patient) -> bool:
    """One of its own, beside the Redis that holds the due index."""
    return not _rabbitmq(patient) and patient.broker.url != patient.redis.url


def _adopts(patient: Patient) -> bool:
    return patient.settings.broker is not None


POSTGRES = "check HORARIUM_DATABASE_URL, that Postgres runs there, and that it lets this machine and this user in"
REDIS = "check HORARIUM_REDIS_URL, that Redis runs there, and what its ACL lets this user do"
BROKER = "check HORARIUM_BROKER_URL, that the broker runs there, and what it lets this user do"
APP = "check where the broker that HORARIUM_BROKER names connects to, that its server runs, and lets this machine in"
LOGIN = "check HORARIUM_API_URL, or log in again: horarium login"
HOUSE = "see postgres and redis above"
HERE = "give this user the right to look at it"

EXAMINATIONS = (
    Examination("settings", ask_settings, judge_settings, HERE),
    Examination("task types", ask_tasks, judge_tasks, "mend the modules of HORARIUM_TASK_MODULES and HORARIUM_BROKER"),
    Examination("packages", ask_packages, judge_packages, "install horarium anew"),
    Examination("data directory", ask_files, judge_files, HERE),
    Examination("port", ask_port, judge_port, HERE),
    Examination("embedded servers", ask_programs, judge_programs, "pip install 'horarium[embedded]'"),
    Examination("postgres", ask_postgres, judge_postgres, POSTGRES, _postgres),
    Examination("redis", ask_redis, judge_redis, REDIS, _redis),
    Examination("broker", ask_rabbitmq, judge_rabbitmq, BROKER, _rabbitmq),
    Examination("broker", ask_broker_redis, judge_broker_redis, BROKER, _broker_redis),
    Examination("app broker", ask_app, judge_app, APP, _adopts),
    Examination("migrations", ask_schema, judge_schema, HOUSE, _postgres),
    Examination("leader", ask_leader, judge_leader, HOUSE, _postgres),
    Examination("workers", ask_queues, judge_queues, HOUSE, _both),
    Examination("due index", ask_index, judge_index, HOUSE, _both),
    Examination("notifications", ask_notifications, judge_notifications, HOUSE, _postgres),
    Examination("api", ask_api, judge_api, LOGIN),
)
