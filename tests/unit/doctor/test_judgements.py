"""What the doctor makes of facts, whether or not a server here can be brought into that state."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from horarium.doctor.api_server import ApiFacts, judge_api
from horarium.doctor.app_broker import AppFacts, judge_app
from horarium.doctor.clocks import clock
from horarium.doctor.house import LeaderFacts, SchemaFacts, judge_leader, judge_schema
from horarium.doctor.machine import PackageFacts, PortFacts, judge_packages, judge_port
from horarium.doctor.notifications import NotificationFacts, RuleFacts, judge_notifications
from horarium.doctor.postgres_server import PostgresFacts, judge_postgres
from horarium.doctor.premises import FileFacts, judge_files, judge_programs
from horarium.doctor.rabbitmq_server import RabbitFacts, judge_rabbitmq
from horarium.doctor.redis_server import RedisFacts, judge_broker_redis, judge_redis
from horarium.doctor.work import IndexFacts, QueueFacts, judge_index, judge_queues

if TYPE_CHECKING:
    from collections.abc import Iterable

    from horarium.doctor import Diagnosis

WELL = [
    judge_postgres(PostgresFacts()),
    judge_redis(RedisFacts()),
    judge_broker_redis(RedisFacts()),
    judge_rabbitmq(RabbitFacts()),
    judge_app(AppFacts("newsletter:broker")),
    judge_schema(SchemaFacts()),
    judge_leader(LeaderFacts("here:1", 3, 5.0)),
    judge_queues(QueueFacts({"default": 2}, {"default": 1}, living=1)),
    judge_index(IndexFacts(2, 2)),
    judge_notifications(NotificationFacts()),
    judge_notifications(NotificationFacts([RuleFacts("ops", by_mail=True, waiting_seconds=899)], has_mail=True)),
    judge_packages(PackageFacts((3, 11, 0), "1.0")),
    judge_port(PortFacts("127.0.0.1", 8080)),
    judge_port(PortFacts("127.0.0.1", 8080, taken=True, ours=True)),
    judge_files(FileFacts("/data")),
    judge_programs([("postgres", True, None), ("redis", False, None)]),
    judge_api(ApiFacts("http://here", findings={"missing": 0})),
]

LEVELS = ("ok", "warning", "failed")


def worst(found: Iterable[Diagnosis]) -> Diagnosis:
    """The worst of them; what is not well says what to do."""
    listed = list(found)
    assert [each for each in listed if (each.level == "ok") != (each.remedy is None)] == []
    return max(listed, key=lambda each: LEVELS.index(each.level))


@pytest.mark.parametrize("found", WELL, ids=lambda found: found.__name__)
def test_what_is_well_is_ok_throughout(found: Iterable[Diagnosis]) -> None:
    assert worst(found).level == "ok"


@pytest.mark.parametrize(
    ("change", "level", "check", "said"),
    [
        ({"version_number": 130_014, "version": "13.14"}, "failed", "postgres version", "13.14"),
        ({"offset_seconds": -7.0}, "failed", "postgres clock", "7.0 s behind this machine"),
        ({"read_only": True}, "failed", "postgres rights", "it takes no writes"),
        ({"schema": None}, "failed", "postgres rights", "no schema"),
        ({"unwritable": ("leases", "users")}, "failed", "postgres rights", "may not read and write leases, users"),
        ({"may_create": False}, "warning", "postgres rights", "make no tables in schema public"),
        ({"foreign": ("users",)}, "warning", "postgres rights", "belong to somebody else"),
        ({"pooled": True}, "warning", "postgres notifications", "through a pooler"),
        ({"pooled": True, "shared": True}, "failed", "postgres notifications", "transaction mode"),
        ({"hears": False}, "failed", "postgres notifications", "none arrived"),
        ({"in_use": 90}, "warning", "postgres connections", "7 of 97 are free"),
        ({"encoding": "SQL_ASCII"}, "failed", "postgres encoding", "SQL_ASCII"),
    ],
)
def test_a_postgres_that_is_not_as_it_must_be(change: dict[str, object], level: str, check: str, said: str) -> None:
    found = worst(judge_postgres(replace(PostgresFacts(), **change)))  # type: ignore[arg-type]

    assert (found.level, found.check) == (level, check)
    assert said in found.summary


@pytest.mark.parametrize(
    ("change", "level", "check", "said"),
    [
        ({"version": "6.0.16"}, "failed", "redis version", "6.0.16"),
        ({"offset_seconds": 2.0}, "warning", "redis clock", "2.0 s ahead of this machine"),
        ({"policy": "allkeys-lru", "limit": 10}, "failed", "redis memory", "allkeys-lru"),
        ({"policy": "allkeys-lru"}, "warning", "redis memory", "allkeys-lru"),
        ({"used": 95, "limit": 100}, "warning", "redis memory", "95% of maxmemory"),
        ({"appends": False}, "warning", "redis persistence", "when it restarts logins end"),
        ({"saves_failed": True}, "failed", "redis persistence", "write to disk failed"),
        ({"role": "slave"}, "failed", "redis rights", "a replica"),
        ({"clustered": True}, "failed", "redis rights", "a cluster"),
    ],
)
def test_a_redis_that_is_not_as_it_must_be(change: dict[str, object], level: str, check: str, said: str) -> None:
    found = worst(judge_redis(replace(RedisFacts(), **change)))  # type: ignore[arg-type]

    assert (found.level, found.check) == (level, check)
    assert said in found.summary


@pytest.mark.parametrize(
    ("facts", "level", "check"),
    [
        (RabbitFacts(version="3.9.13"), "failed", "broker version"),
        (RabbitFacts(version="3.11.14"), "warning", "broker consumer timeout"),
        (RabbitFacts(product="LavinMQ", version="2.0.0"), "warning", "broker version"),
        (RabbitFacts(version="3.11.15"), "ok", "broker rights"),
    ],
)
def test_a_rabbitmq_of_another_age(facts: RabbitFacts, level: str, check: str) -> None:
    found = worst(judge_rabbitmq(facts))

    assert (found.level, found.check) == (level, check)


@pytest.mark.parametrize(
    ("found", "level", "said"),
    [
        (judge_schema(SchemaFacts(missing=("0009 new",))), "warning", "missing: 0009 new"),
        (judge_schema(SchemaFacts(refused="the database is newer")), "failed", "newer"),
        (judge_leader(LeaderFacts()), "warning", "nobody has ever led"),
        (judge_leader(LeaderFacts("here:1", 3, -40.0)), "warning", "here:1 did until 40 s ago"),
        (judge_queues(QueueFacts({"default": 2})), "failed", "none is alive"),
        (judge_queues(QueueFacts({"default": 2}, led=False)), "warning", "none is alive"),
        (judge_queues(QueueFacts({"reports": 2}, {"default": 1}, 1)), "failed", "2 configs use reports"),
        (judge_index(IndexFacts(3, 2)), "warning", "2 of 3 active configs"),
        (judge_index(IndexFacts(3, 0, led=False)), "warning", "nobody leads"),
        (judge_index(IndexFacts(3, 3, loaded=False)), "warning", "3 of 3"),
        (
            judge_notifications(NotificationFacts([RuleFacts("team", by_mail=True)])),
            "warning",
            "team: mail cannot be sent",
        ),
        (
            judge_notifications(NotificationFacts([RuleFacts("ops", waiting_seconds=901)])),
            "warning",
            "waited for 15m 1s",
        ),
        (
            judge_notifications(NotificationFacts([RuleFacts("ops", given_up="answered 410")])),
            "warning",
            "up: answered 410",
        ),
        (judge_packages(PackageFacts((3, 10, 1), "1.0")), "failed", "3.10.1"),
        (judge_packages(PackageFacts((3, 11, 0), "1.0", ("anyio is missing",))), "failed", "anyio is missing"),
        (judge_port(PortFacts("::1", 80, taken=True, refused="Permission denied")), "failed", "Permission denied"),
        (judge_files(FileFacts("/data", writable=False)), "failed", "/data cannot be written"),
        (judge_files(FileFacts("/data", exists=False, writable=False)), "failed", "/data cannot be made"),
        (judge_files(FileFacts("/data", free=2**20)), "warning", "1 MiB are free"),
        (judge_files(FileFacts("/data", exposed=("/data/secret.key",))), "failed", "others can read /data/secret.key"),
        (judge_programs([("redis", False, "no embedded Redis")]), "failed", "no embedded Redis"),
        (judge_api(ApiFacts("http://here", away="nobody answers; start it")), "warning", "nobody answers"),
        (judge_api(ApiFacts("http://here", named=True, away="nobody answers")), "failed", "nobody answers"),
        (judge_api(ApiFacts("http://here", blocked_by=("redis",))), "failed", "not ready: redis"),
        (judge_api(ApiFacts("http://here", refused="the login has ended")), "warning", "has ended"),
        (judge_api(ApiFacts("http://here", findings={"missing": 2, "late": 1})), "failed", "2 missing, 1 late"),
        (judge_api(ApiFacts("http://here", findings={"missing": 0, "late": 1})), "warning", "1 late"),
    ],
)
def test_whatever_else_is_not_as_it_must_be(found: Iterable[Diagnosis], level: str, said: str) -> None:
    diagnosis = worst(found)

    assert diagnosis.level == level
    assert said in diagnosis.summary


@pytest.mark.parametrize(("seconds", "level"), [(0.99, "ok"), (-1.0, "warning"), (4.99, "warning"), (5.0, "failed")])
def test_a_clock_is_judged_by_what_it_is_off(seconds: float, level: str) -> None:
    assert clock("a clock", seconds).level == level


def test_what_tracing_needs_is_installed_with_its_extra() -> None:
    found = judge_packages(
        PackageFacts((3, 11, 0), "1.0", ("opentelemetry-sdk is missing",), "horarium[opentelemetry]")
    )

    assert worst(found).remedy == "pip install --upgrade 'horarium[opentelemetry]==1.0'"


def test_before_there_are_tables_nothing_is_said_of_what_is_in_them() -> None:
    assert [*judge_leader(None), *judge_queues(None), *judge_index(None), *judge_notifications(None)] == []


def test_pickles_of_an_adopted_app_are_named_with_what_to_use_instead() -> None:
    told = worst(judge_app(AppFacts("newsletter:broker", pickles=("its messages are pickles",))))

    assert (told.level, told.check, told.summary) == ("warning", "app pickles", "its messages are pickles")
    assert "JSONSerializer()" in (told.remedy or "")


def test_an_adopted_broker_that_can_be_asked_nothing_is_warned_of() -> None:
    told = worst(judge_app(AppFacts("newsletter:broker", kind="NatsBroker", known=False)))

    assert (told.level, told.check) == ("warning", "app messages")
    assert "a message that it loses is sent again 15 min later" in told.summary


def test_an_adopted_app_that_cannot_be_imported_is_told_of_once() -> None:
    assert list(judge_app(None)) == []


def test_a_queue_that_no_worker_of_an_adopted_app_reads_is_the_apps_to_read() -> None:
    told = worst(judge_queues(QueueFacts({"slow": 1}, {"default": 1}, living=1, adopted=True)))

    assert told.remedy == "have the app's broker read it, or correct the configs"
