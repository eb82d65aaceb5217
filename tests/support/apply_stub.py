"""The part of the API that an import talks to, for as long as the house has no `POST /task-configs/apply` of its own.

It has the house's own task types and models, keeps configs in a dictionary, and does all of a batch or nothing.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web

from horarium.errors import InvalidInput
from horarium.model import TaskConfigCreate
from horarium.tasks.registry import TaskTypes, import_task_modules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["applying_api"]


@asynccontextmanager
async def applying_api() -> AsyncIterator[str]:
    """Its address, until the block ends."""
    import_task_modules(())
    types, kept = TaskTypes(), {}

    async def task_types(_: web.Request) -> web.Response:
        return web.json_response([{"name": t.name, "parameters_schema": t.parameters_schema} for t in types.all()])

    async def apply(request: web.Request) -> web.Response:
        body = await request.json()
        faults = [fault for number, each in enumerate(body["configs"]) for fault in _faults(types, number, each)]
        if faults:
            return _refused(faults)
        wanted = {each["name"]: each for each in body["configs"]}
        answer: dict[str, Any] = {"dry_run": body["dry_run"], "deleted": [], "changes": [], "warnings": []}
        answer["created"] = [name for name in wanted if name not in kept]
        answer["unchanged"] = [name for name, each in wanted.items() if kept.get(name) == each]
        answer["updated"] = [name for name in wanted if name not in answer["created"] + answer["unchanged"]]
        if not body["dry_run"]:
            kept.update(wanted)
        return web.json_response(answer)

    async def listed(_: web.Request) -> web.Response:
        return web.json_response({"items": list(kept.values()), "next_cursor": None, "total": len(kept)})

    app = web.Application()
    app.router.add_get("/api/v1/task-types", task_types)
    app.router.add_post("/api/v1/task-configs/apply", apply)
    app.router.add_get("/api/v1/task-configs", listed)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _faults(types: TaskTypes, number: int, config: dict[str, Any]) -> list[dict[str, Any]]:
    wanted = TaskConfigCreate.model_validate(config)
    try:
        types.get(wanted.task_type).check(wanted.parameters)
    except InvalidInput as error:
        return [{"loc": ["configs", number, *each.loc], "msg": each.msg} for each in error.errors]
    return []


def _refused(faults: list[dict[str, Any]]) -> web.Response:
    problem = {"type": "about:blank", "title": "Unprocessable", "status": 422, "detail": "invalid", "code": "invalid"}
    return web.json_response({**problem, "errors": faults}, status=422, content_type="application/problem+json")
