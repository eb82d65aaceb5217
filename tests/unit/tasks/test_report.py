"""What is kept of what a task says: bounded, whole at its end, and nobody else's."""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import orjson
import pytest
import structlog
from structlog.contextvars import bound_contextvars
from taskiq import Context as TaskiqContext
from taskiq import InMemoryBroker, TaskiqMessage

from horarium import Context
from horarium.logs import configure_logging
from horarium.outcome import Attempt
from horarium.sql.executions import Claim
from horarium.stages import ids_of
from horarium.tasks.log_capture import capture_level, capture_logs, capture_logs_from
from horarium.tasks.report import (
    LINE_BYTES,
    MOST_BYTES,
    MOST_LINES,
    NewestLines,
    Report,
    current,
    encoded_line,
    known_progress,
)
from horarium.tasks.report_relay import _Voice
from horarium.tasks.reports import LINES_TOLD, TOLD_EACH_TICK, Reports
from tests.unit.test_logs import logging_as_before

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from horarium.live_events import LiveEvent

__all__ = ["logging_as_before"]

NOON = datetime(2024, 5, 8, 12, tzinfo=UTC)


def attempt(number: int = 1) -> Attempt:
    return Attempt(UUID(int=number), 1, 7, "test", None, 60, 0, 0, NOON, NOON)


@pytest.fixture
def report() -> Iterator[Report]:
    """Of an attempt that this test runs on behalf of."""
    made = Report(attempt())
    entered = current.set(made)
    capture_logs()
    yield made
    current.reset(entered)


def line(text: str) -> bytes:
    return encoded_line(NOON.timestamp(), "info", "app", text)


class Interrupted(NewestLines):
    """Has a finaliser log in the middle of a line."""

    def __init__(self, log: Callable[[bytes], None]) -> None:
        super().__init__()
        self._logs = [log]

    def add(self, line: bytes) -> None:
        super().add(line)
        while self._logs:
            self._logs.pop()(encoded_line(NOON.timestamp(), "info", "asyncio", "Unclosed"))


class Interrupting:
    """A socket during whose first sending a finaliser logs."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.log: list[Callable[[bytes], None]] = []

    def send(self, datagram: bytes) -> None:
        self.sent.append(datagram)
        while self.log:
            self.log.pop()(line("Unclosed"))

    def setblocking(self, flag: bool) -> None: ...

    def settimeout(self, seconds: float) -> None: ...

    @property
    def texts(self) -> list[str]:
        """What was sent, line by line."""
        return [orjson.loads(each)[-1] for datagram in self.sent for each in datagram.split(b"\n")[1:]]


def done_soon(call: Callable[[], None]) -> bool:
    """Whether the call, in a thread that nobody waits for longer, comes to an end."""
    calling = threading.Thread(target=call, daemon=True)
    calling.start()
    calling.join(timeout=5)
    return not calling.is_alive()


def kept(report: Report) -> list[Any]:
    return cast("list[Any]", orjson.loads(report.snapshot().lines or "[]"))


def texts(report: Report) -> list[str]:
    return [text for _, _, _, text in kept(report)]


def log_all(report: Report, numbers: range, text: str = "") -> None:
    for number in numbers:
        report.log(line(f"{number}{text}"))


def test_the_newest_lines_are_kept_and_those_before_them_counted() -> None:
    report = Report(attempt())

    log_all(report, range(MOST_LINES + 500))

    assert texts(report) == [str(number) for number in range(500, MOST_LINES + 500)]
    assert report.snapshot().dropped == 500


def test_long_lines_are_cut_and_all_together_stay_within_their_bound() -> None:
    report = Report(attempt())

    log_all(report, range(50), "\u20ac" * LINE_BYTES)

    assert report.size <= MOST_BYTES
    assert {len(text.encode()) for text in texts(report)} <= {LINE_BYTES, LINE_BYTES - 1, LINE_BYTES - 2}
    assert report.snapshot().dropped == 50 - len(kept(report))


def test_a_line_holds_whatever_a_task_may_log_as_postgres_takes_it() -> None:
    at, level, logger, text = orjson.loads(
        encoded_line(NOON.timestamp(), "info", "app\ud800", "NUL \0 half \udcff\nnext")
    )

    assert (at, level, logger, text) == ("2024-05-08T12:00:00+00:00", "info", "app?", "NUL \ufffd half ?\nnext")


def test_a_line_that_a_finaliser_logs_in_the_middle_of_another_is_kept_and_holds_nobody_up() -> None:
    """Python looks for garbage wherever an object is made; the event loop would stand still for good."""
    report = Report(attempt())
    report._lines = Interrupted(report.log)

    assert done_soon(lambda: report.log(line("said")))
    assert texts(report) == ["said", "Unclosed"]


def test_so_it_is_in_the_process_of_a_plain_function() -> None:
    end = Interrupting()
    voice = _Voice("name", cast("Any", end))
    end.log.append(voice.log)

    assert done_soon(lambda: voice.log(line("said")))
    voice.end()

    assert end.texts == ["said", "Unclosed"]


def test_a_closed_report_takes_nothing_more() -> None:
    report = Report(attempt())
    report.progress(0.5, "half")
    report.close()

    report.log(line("late"))
    report.progress(1, "later")

    assert report.snapshot()[1:] == (0.5, "half", None, 0)


def test_what_stands_in_the_database_already_is_not_written_again() -> None:
    report = Report(attempt())
    report.log(line("one"))
    report.written(report.snapshot())

    report.progress(0.5, None)

    assert report.is_unwritten
    assert report.snapshot().lines is None


@pytest.mark.parametrize("value", [-0.1, 1.1, 40, float("nan"), True, "0.5"])
def test_a_progress_that_is_no_share_is_refused_with_the_remedy(value: Any) -> None:
    with pytest.raises(ValueError, match=r"from 0 to 1, not .*: divide what is done by what there is to do"):
        known_progress(value, None)


def test_the_words_of_a_progress_are_short_and_hold_no_secret() -> None:
    value, words = known_progress(1, "password=hunter2 \0" + "x" * 1000)

    assert (value, words) == (1, "password=*** \ufffd" + "x" * 286)


def test_progress_without_words_leaves_those_of_before(report: Report) -> None:
    context = Context(TaskiqContext(a_message(), InMemoryBroker()))

    context.progress(0.5, "half")
    context.progress(0.75)

    assert report.snapshot()[1:3] == (0.75, "half")


def a_message() -> TaskiqMessage:
    return TaskiqMessage(task_id="1", task_name="test", labels={}, args=[], kwargs={})


def test_a_context_speaks_for_its_attempt_from_a_thread_that_knows_of_none(report: Report) -> None:
    context = Context(TaskiqContext(a_message(), InMemoryBroker()))
    thread = threading.Thread(target=context.progress, args=(0.5,))

    thread.start()
    thread.join(10)

    assert report.snapshot().progress == 0.5


def test_a_context_outside_of_any_attempt_checks_and_tells_nobody() -> None:
    context = Context(TaskiqContext(a_message(), InMemoryBroker()))

    context.progress(0.5)

    with pytest.raises(ValueError, match="from 0 to 1"):
        context.progress(2)


def test_what_others_log_meanwhile_is_not_captured(report: Report) -> None:
    logging.getLogger("app").warning("mine")
    thread = threading.Thread(target=logging.getLogger("app").warning, args=("of a thread that inherited nothing",))
    thread.start()
    thread.join(10)

    assert texts(report) == ["mine"]


def test_from_which_level_on_lines_are_captured_is_a_setting(report: Report) -> None:
    before = capture_level()
    try:
        capture_logs_from("error")
        logging.getLogger("app").warning("not this")
        logging.getLogger("app").error("this")
        capture_logs_from("off")
        logging.getLogger("app").error("nothing more")
    finally:
        capture_logs_from(before)

    assert texts(report) == ["this"]


def test_captured_lines_of_info_do_not_turn_up_in_the_log_for_that(
    report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("json", "warning")
    capture_logs()
    logging.getLogger("quiet.app").info("captured alone")
    logging.getLogger("loud.app").setLevel("INFO")
    logging.getLogger("loud.app").info("written as it was before")
    logging.getLogger("loud.app").setLevel("NOTSET")

    written = capsys.readouterr().err

    assert texts(report) == ["captured alone", "written as it was before"]
    assert "captured alone" not in written
    assert "written as it was before" in written


def test_an_event_of_structlog_is_a_line_with_its_values_masked_where_they_are_secrets(report: Report) -> None:
    configure_logging("json", "info")
    capture_logs()
    try:
        int("token=abc")
    except ValueError:
        structlog.get_logger("app").exception("it.broke", region="north west", password="hunter2", size=3)

    (text,) = texts(report)

    assert text.startswith("it.broke region='north west' password=*** size=3\nTraceback")
    assert text.endswith("literal for int() with base 10: 'token=***'")


def test_the_ids_that_every_line_of_an_attempt_carries_are_not_repeated_but_words_of_the_task_are_kept(
    report: Report,
) -> None:
    configure_logging("json", "info")
    capture_logs()

    with bound_contextvars(**ids_of(report.attempt)):
        structlog.get_logger("app").warning("it.waits", attempt=5, customer=3)

    assert texts(report) == ["it.waits attempt=5 customer=3"]


def test_a_record_whose_arguments_do_not_fit_costs_the_task_nothing_and_is_kept_without_them(
    report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    """An argument may be a secret, and logging's own complaint prints it."""
    record = logging.LogRecord("app", logging.INFO, "x.py", 1, "%d files", ("hunter2",), None)
    (handler,) = [each for each in logging.getLogger().handlers if type(each).__module__.endswith("log_capture")]

    handler.handle(record)

    assert texts(report) == ["a line of app cannot be written: TypeError"]
    assert capsys.readouterr().err == ""


@pytest.mark.anyio
async def test_however_many_talk_a_tick_tells_of_so_many_in_turn_and_of_few_lines_each() -> None:
    told: list[LiveEvent] = []
    reports = Reports(cast("Any", None), lambda event: told.append(cast("LiveEvent", event)))
    chatty = [reports._open.setdefault((UUID(int=n), 1), Report(attempt(n))) for n in range(1, 31)]  # type: ignore[call-overload]  # a claim is a tuple
    rounds = []

    for _ in range(3):
        for each in chatty:
            each.progress(len(rounds) / 10, None)
            log_all(each, range(100))
        reports.tell_news()
        rounds.append({event.data["task_id"] for event in told})
        told_now, told[:] = told[:], []

    assert [len(each) for each in rounds] == [TOLD_EACH_TICK] * 3
    assert len(set.union(*rounds)) == 30
    assert [event.kind for event in told_now] == ["progress", "log"] * TOLD_EACH_TICK
    assert {len(event.data["lines"]) for event in told_now if event.kind == "log"} == {LINES_TOLD}
    assert {event.data["total"] for event in told_now if event.kind == "log"} == {300}


def test_what_an_app_has_kicked_is_told_of_by_the_id_that_the_app_knows() -> None:
    told: list[LiveEvent] = []
    reports = Reports(cast("Any", None), lambda event: told.append(cast("LiveEvent", event)))
    kicked = Report(replace(attempt(1), config_id=None, message_id=UUID(int=2)))
    reports._open[Claim(UUID(int=1), 1)] = kicked

    kicked.progress(0.5, None)
    reports.tell_news()

    assert [event.data["task_id"] for event in told] == [UUID(int=2)]


@pytest.mark.anyio
async def test_a_task_s_own_tasks_and_threads_speak_for_it(report: Report) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(logging.getLogger("app").info, "from a thread"))

    assert texts(report) == ["from a thread"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
