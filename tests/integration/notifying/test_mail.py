"""What is told by mail, and how messages are counted and kept."""

from __future__ import annotations

import pytest

from horarium.notifying.rules import NotificationFilter
from tests.support.notified import (
    DAY_SECONDS,
    HOUR_SECONDS,
    Desk,
    a_config,
)

pytestmark = pytest.mark.anyio


async def test_a_mail_reaches_everybody_and_says_what_it_is(desk: Desk) -> None:
    await desk.rule(email={"to": ["a@example.org", "b@example.org"]})
    await desk.fails(await a_config(desk.rig, name="nightly-report"))

    assert await desk.tell() == ["delivered"]
    (mail,) = desk.mail.mails
    assert desk.mail.recipients == ["a@example.org", "b@example.org"]
    assert (mail["Subject"], mail["To"]) == ("[Horarium] nightly-report failed", "a@example.org, b@example.org")
    message_id = await desk.rig.sql("SELECT id FROM notifications")
    assert mail["Message-ID"] == f"<{message_id}@example.org>"
    assert "Error:         ValueError: no rows" in mail.get_content()


async def test_a_mail_that_is_refused_waits_and_one_that_one_address_takes_has_arrived(desk: Desk) -> None:
    """A second try would reach those once more who have it."""
    desk.mail.refuses = {"a@example.org", "b@example.org"}
    await desk.rule(email={"to": ["a@example.org", "b@example.org"]})
    await desk.fails(await a_config(desk.rig))
    refused = await desk.tell()
    said = await desk.rig.sql("SELECT last_error FROM notifications")
    desk.mail.refuses = {"b@example.org"}
    desk.rig.clock.passes(5)

    taken = await desk.tell()

    assert (refused, said) == (["pending"], "the mail server answered 550 not here")
    assert taken == ["delivered"]
    assert await desk.rig.sql("SELECT last_error FROM notifications") == "not taken for b@example.org"


async def test_the_total_of_a_long_list_of_messages_is_counted_once_for_all_who_ask(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("horarium.notifying.rules.total_good_for", lambda _total, _took: HOUR_SECONDS)
    rules, everything = desk.rules, NotificationFilter()
    await desk.rule()
    await desk.fails(await a_config(desk.rig))
    await desk.tell()
    _, before = await rules.messages(everything, before=None, limit=10)
    await desk.fails(await a_config(desk.rig))
    await desk.tell()

    rows, total = await rules.messages(everything, before=None, limit=10)
    _, delivered = await rules.messages(NotificationFilter(status="delivered"), before=None, limit=10)

    assert (before, len(rows), total, delivered) == (1, 2, 1, 2)


async def test_messages_are_kept_as_long_as_executions(desk: Desk) -> None:
    await desk.rule()
    await desk.fails(await a_config(desk.rig))
    await desk.tell()

    await desk.rig.cleanup(days=1).step()
    kept = await desk.count("notifications")
    desk.rig.clock.passes(2 * DAY_SECONDS)
    await desk.rig.cleanup(days=1).step()

    assert (kept, await desk.count("notifications")) == (1, 0)
