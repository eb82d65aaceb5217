"""A client that a generator from PyPI makes from openapi.json drives the product: the document is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.generated_client import GeneratedClient, generate, generator, importable, model, word
from tests.support.processes import PASSWORD, Client, Running
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["generator", "importable"]

pytestmark = pytest.mark.timeout(300)

HELLO = {"task_type": "echo", "parameters": {"message": "hello"}, "scheduler_type": "manual"}


@pytest.fixture(scope="module")
def package(house: Running, generator: Path, importable: Path) -> str:
    """The package is made; what the generator said."""
    return generate(generator, Client(house.url).call("GET", "/openapi.json").body, importable)


@pytest.fixture
def client(house: Running, package: str) -> Iterator[GeneratedClient]:
    """A client that has logged in by itself."""
    assert package
    with GeneratedClient.of(house.url) as anybody:
        pair = anybody.made("auth.log_in", body=model("Login", username="admin", password=PASSWORD))
    with GeneratedClient.of(house.url, pair.access_token) as client:
        yield client


def a_config(client: GeneratedClient, name: str) -> Any:
    return client.made("task_configs.create_config", body=model("TaskConfigCreate", name=name, **HELLO))


def test_the_generator_leaves_nothing_out(package: str) -> None:
    assert "warning" not in package.lower()


def test_it_makes_a_config_runs_it_and_sees_it_succeed(client: GeneratedClient) -> None:
    config = a_config(client, "generated: run")

    run = client.made("task_configs.run_config", config.id, body=model("RunRequest"), idempotency_key="once")
    again = client.made("task_configs.run_config", config.id, body=model("RunRequest"), idempotency_key="once")

    def ended() -> Any:
        execution = client.made("executions.get_execution", run.task_id)
        return execution if execution.completed_at else None

    execution = until(ended)
    assert again.task_id == run.task_id
    assert (execution.status, execution.result) == ("success", {"message": "hello"})


def test_it_lists_page_by_page(client: GeneratedClient) -> None:
    made = [a_config(client, f"generated: page {number}").id for number in range(3)]

    query = {"limit": 2, "q": "generated: page", "sort": word("ListConfigsSort", "-id")}
    first = client.made("task_configs.list_configs", **query)
    second = client.made("task_configs.list_configs", **query, cursor=first.next_cursor)

    assert [config.id for config in [*first.items, *second.items]] == made[::-1]
    assert (first.total, second.next_cursor) == (3, None)


def test_it_edits_what_it_has_seen_and_is_told_when_that_is_old(client: GeneratedClient) -> None:
    config = a_config(client, "generated: edit")
    patch = model("TaskConfigPatch", description="edited")

    edited = client.made("task_configs.edit_config", config.id, body=patch, if_match=str(config.version))
    stale = client.call("task_configs.edit_config", config.id, body=patch, if_match=str(config.version))

    assert (edited.description, edited.version) == ("edited", config.version + 1)
    assert (stale.status_code, stale.parsed.code) == (409, "version")


def test_it_is_told_which_field_breaks_a_rule(client: GeneratedClient) -> None:
    body = model("TaskConfigCreate", name="generated: bad", **HELLO | {"parameters": {"colour": "red"}})

    refused = client.call("task_configs.create_config", body=body)

    assert (refused.status_code, refused.parsed.code) == (422, "invalid_input")
    assert ["parameters", "message"] in [fault.loc for fault in refused.parsed.errors]


def test_it_deletes_and_finds_no_more(client: GeneratedClient) -> None:
    config = a_config(client, "generated: delete")

    gone = client.call("task_configs.delete_config", config.id, if_match=f'"{config.version}"')
    missing = client.call("task_configs.get_config", config.id)

    assert (gone.status_code, missing.status_code, missing.parsed.code) == (204, 404, "not_found")
