"""A start that no waiting would mend ends at once, with one line that says which setting and why, and exit code 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.processes import running

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)

MISCONFIGURED = 2


@pytest.mark.parametrize("words", [("up",), ("worker",)], ids=" ".join)
def test_a_database_that_is_not_there_is_refused(
    words: tuple[str, ...], postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    nowhere = postgres_url.replace("/postgres?", "/nosuch?", 1)
    with running(tmp_path / "data", *words, database_url=nowhere, redis_url=redis_url, port=0) as house:
        code = house.ended()

    said = 'horarium: HORARIUM_DATABASE_URL: Postgres refuses: database "nosuch" does not exist'
    assert (code, house.log.splitlines()[-1]) == (MISCONFIGURED, said)
    assert [line for line in house.events if "exception" in line] == []


@pytest.mark.parametrize("words", [("up",), ("worker",)], ids=" ".join)
def test_a_user_that_redis_does_not_know_is_refused(
    words: tuple[str, ...], database_url: str, redis_url: str, tmp_path: Path
) -> None:
    stranger = redis_url.replace("unix://", "unix://stranger:wrong@")
    with running(tmp_path / "data", *words, database_url=database_url, redis_url=stranger, port=0) as house:
        code = house.ended()

    assert code == MISCONFIGURED
    assert house.log.splitlines()[-1].startswith(
        "horarium: HORARIUM_REDIS_URL: Redis refuses: invalid username-password"
    )
    assert [line for line in house.events if "exception" in line] == []
