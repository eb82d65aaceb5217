"""`horarium notifications` as an operator has it: processes, what they print, how they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.client.test_commands import login, run

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["login"]

pytestmark = pytest.mark.anyio

URL = "http://127.0.0.1:9/hooks"


async def test_a_rule_is_made_listed_tested_and_removed(login: Path) -> None:
    made = await run("notifications", "add", "ops", "--webhook", URL, "--tag", "nightly", config_dir=login)
    listed = await run("notifications", "list", config_dir=login)
    tested = await run("notifications", "test", "ops", config_dir=login)
    removed = await run("notifications", "remove", "ops", config_dir=login)

    assert (made.out.startswith("whsec_"), made.out.count("\n")) == (True, 1)
    assert made.err == "Made the rule ops. Its secret is not shown again.\n"
    (line,) = [line for line in listed.out.splitlines() if " ops " in line]
    assert line.split()[1:] == ["ops", "nothing", "yet", "all", "events", "#nightly", URL]
    assert (tested.code, "has not arrived: 127.0.0.1 is loopback" in tested.err) == (1, True)
    assert (removed.code, removed.out) == (0, "Removed the rule ops.\n")


async def test_a_rule_is_disabled_enabled_and_given_another_secret(login: Path) -> None:
    made = await run("notifications", "add", "quiet", "--webhook", URL, "--event", "lost", "--every", config_dir=login)
    disabled = await run("notifications", "disable", "quiet", config_dir=login)
    listed = await run("notifications", "list", config_dir=login)
    enabled = await run("notifications", "enable", "quiet", config_dir=login)
    rotated = await run("notifications", "rotate-secret", "quiet", config_dir=login)
    await run("notifications", "remove", "quiet", config_dir=login)

    assert (disabled.out, enabled.out) == ("The rule quiet tells nothing.\n", "The rule quiet tells again.\n")
    (line,) = [line for line in listed.out.splitlines() if " quiet " in line]
    assert "  disabled  lost, every time  every config  " in line
    assert (rotated.out.startswith("whsec_"), rotated.out.count("\n"), rotated.out == made.out) == (True, 1, False)


async def test_a_rule_without_a_channel_is_refused_by_its_field(login: Path) -> None:
    refused = await run("notifications", "add", "nobody", config_dir=login)

    assert (refused.code, "webhook: give either webhook or email" in refused.err) == (1, True)
