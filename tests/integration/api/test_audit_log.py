"""The audit log: every change has its entry, and an entry tells who, what, from where, before and after; no secret."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.tree import PASSWORD, credentials
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.tree import House

pytestmark = pytest.mark.anyio

BASE = "/api/v1/task-configs"
SECRET = "swordfish-in-a-parameter"
NEVER = "/api/v1/task-configs/999999999"


async def entries(house: House, kind: str, thing: object) -> list[dict[str, Any]]:
    """What the log has of a thing, oldest first."""
    return list(reversed((await house.get("/audit", target_kind=kind, target_id=thing))["items"]))


async def actions(house: House, kind: str, thing: object) -> list[str]:
    return [entry["action"] for entry in await entries(house, kind, thing)]


async def test_everything_that_is_done_to_a_config_is_in_the_log(house: House) -> None:
    config = await house.config(task_type="sleep", parameters={"seconds": 60})
    await house.call("PATCH", f"{BASE}/{config}", {"description": "edited"})
    for action in ("pause", "resume", "stop", "start"):
        await house.call("POST", f"{BASE}/{config}/{action}")
    run = await house.call("POST", f"{BASE}/{config}/run")
    await house.call("POST", f"/api/v1/executions/{run.body['task_id']}/cancel")
    await eventually(partial(is_retried, house, run.body["task_id"]))
    await house.call("DELETE", f"{BASE}/{config}")

    done = ("created", "updated", "paused", "resumed", "stopped", "started", "run", "deleted")
    assert await actions(house, "task_config", config) == [f"task_config.{each}" for each in done]
    assert await actions(house, "execution", run.body["task_id"]) == [
        f"execution.{each}" for each in ("cancelled", "retried")
    ]


async def is_retried(house: House, task_id: str) -> bool:
    """Retry it, once its worker has stopped it."""
    return (await house.call("POST", f"/api/v1/executions/{task_id}/retry")).status == 202


async def test_an_entry_tells_who_from_where_and_what_it_was_before(house: House) -> None:
    config = await house.config(description="before", priority=3)
    token = await house.logged_in(role="operator")
    me = (await house.call("GET", "/api/v1/auth/me", token=token)).body

    answer = await house.call("PATCH", f"{BASE}/{config}", {"description": "after", "priority": 3}, token=token)

    entry = (await entries(house, "task_config", config))[-1]
    assert (entry["actor_kind"], entry["actor_id"], entry["actor_name"]) == ("user", me["id"], me["username"])
    assert (entry["before"], entry["after"]) == ({"description": "before"}, {"description": "after"})
    assert (entry["address"], entry["request_id"]) == ("127.0.0.1", answer.headers["X-Request-Id"])
    assert entry["at"].endswith("Z")


async def test_of_parameters_the_names_are_told_and_the_values_are_not(house: House) -> None:
    config = await house.config(parameters={"message": SECRET})
    await house.call("PATCH", f"{BASE}/{config}", {"parameters": {"message": f"{SECRET}, too"}})

    told = await entries(house, "task_config", config)

    assert [entry["after"]["parameters"] for entry in told] == [{"message": "***"}] * 2
    assert SECRET not in str(told)


async def test_what_was_refused_has_no_entry(house: House) -> None:
    config = await house.config()
    before = (await house.get("/audit", limit=1))["total"]

    for method, path, body in [
        ("POST", f"{BASE}/{config}/resume", None),
        ("PATCH", NEVER, {"description": "x"}),
        ("POST", BASE, {"name": "incomplete"}),
    ]:
        assert (await house.call(method, path, body)).status >= 400

    assert (await house.get("/audit", limit=1))["total"] == before


async def test_everything_that_is_done_to_users_and_keys_is_in_the_log(house: House) -> None:
    user, key = await house.user(), (await house.api_key())["id"]
    await house.call("PATCH", f"/api/v1/users/{user}", {"role": "operator", "password": f"another: {PASSWORD}"})
    await house.call("DELETE", f"/api/v1/users/{user}")
    await house.call("DELETE", f"/api/v1/api-keys/{key}")

    told = await entries(house, "user", user)
    assert [entry["action"] for entry in told] == [
        "user.created", "user.password_changed", "user.updated", "user.deleted",
    ]  # fmt: skip
    assert (told[2]["before"], told[2]["after"]) == ({"role": "viewer"}, {"role": "operator"})
    assert await actions(house, "api_key", key) == ["api_key.created", "api_key.deleted"]
    assert PASSWORD not in str(told)


async def test_logins_and_logouts_are_in_the_log_and_guesses_are_not(house: House) -> None:
    user = await house.user(username="Lady Lovelace")
    guess = credentials("Lady Lovelace", "a guess of hers")
    assert (await house.call("POST", "/api/v1/auth/login", guess, token=None)).status == 401
    known = await house.call("POST", "/api/v1/auth/login", credentials("lady LOVELACE"), token=None)
    await house.call("POST", "/api/v1/auth/logout", token=known.body["access_token"])

    told = await entries(house, "user", user)
    assert [entry["action"] for entry in told] == ["user.created", "user.logged_in", "user.logged_out"]
    assert {(entry["actor_name"], entry["address"]) for entry in told[1:]} == {("Lady Lovelace", "127.0.0.1")}


async def test_what_a_key_does_is_told_by_its_name(house: House) -> None:
    key = await house.api_key(name="the deployer", role="operator")
    made = await house.call("POST", BASE, {"name": "deployed", "task_type": "fail", "scheduler_type": "manual"},
                            token=key["key"])  # fmt: skip

    (entry,) = await entries(house, "task_config", made.body["id"])
    assert (entry["actor_kind"], entry["actor_name"]) == ("api_key", "the deployer")
    assert made.body["created_by"] is None


async def test_a_restart_by_hand_is_in_the_log(house: House) -> None:
    await house.call("POST", "/api/v1/system/actors/cleanup/restart")

    assert (await actions(house, "actor", "cleanup"))[-1] == "actor.restarted"


async def test_a_restart_that_is_refused_is_not_in_the_log(house: House) -> None:
    answer = await house.call("POST", "/api/v1/system/actors/bootstrap/restart")

    assert (answer.status, await actions(house, "actor", "bootstrap")) == (409, [])


async def test_the_log_is_read_newest_first_page_by_page(house: House) -> None:
    config = await house.config()
    for number in range(4):
        await house.call("PATCH", f"{BASE}/{config}", {"description": str(number)})

    about = {"target_kind": "task_config", "target_id": config}
    first = await house.get("/audit", limit=3, **about)
    second = await house.get("/audit", limit=3, cursor=first["next_cursor"], **about)

    told = [(entry["after"] or {}).get("description") for entry in [*first["items"], *second["items"]]]
    assert told == ["3", "2", "1", "0", ""]
    assert (first["total"], second["next_cursor"]) == (5, None)
