"""From flags to the fields of a config: what is to be sent, given what is there already.

A new config needs a schedule. An edit takes from the one that is there what its flags do not name: the zone of a cron
whose expression changes, the parameters beside the one that is set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from horarium.commands.arguments import instant, parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["fields_of", "merged_parameters"]

KINDS = {"cron": "--cron", "every": "--every", "at": "--at", "manual": "--manual"}
AS_THEY_ARE = (
    "name",
    "status",
    "task_type",
    "description",
    "queue",
    "priority",
    "timeout_seconds",
    "max_retries",
    "retry_backoff_seconds",
    "overlap",
    "catchup",
    "catchup_window_seconds",
    "max_catchup_runs",
    "jitter_seconds",
)
ZONED = ("cron", "date")


def fields_of(given: Mapping[str, Any], current: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The body of a create, or of an edit of `current`. Raises BadParameter for flags that do not go together."""
    fields = {name: given[name] for name in AS_THEY_ARE if name in given}
    fields |= {name: _instant_or_none(given[name]) for name in ("start_at", "end_at") if name in given}
    fields |= _schedule(given, current)
    if "tag" in given:
        fields["tags"] = [tag for tag in given["tag"] if tag]
    if "param" in given or "params_json" in given:
        fields["parameters"] = merged_parameters(given, {} if current is None else current["parameters"])
    return fields


def merged_parameters(given: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """`--params-json` in the place of all parameters, then each `--param` in the place of its own."""
    return {**given.get("params_json", current), **dict(map(parameter, given.get("param", ())))}


def _schedule(given: Mapping[str, Any], current: Mapping[str, Any] | None) -> dict[str, Any]:
    named = [kind for kind in KINDS if kind in given]
    if len(named) > 1:
        raise typer.BadParameter(f"{' and '.join(KINDS[kind] for kind in named)} do not go together")
    if not named:
        return _adjusted(given, current)
    made = {"cron": _cron, "every": _interval, "at": _date, "manual": _manual}[named[0]](given)
    _refuse("tz" in given and made["scheduler_type"] not in ZONED, "--tz goes with --cron or --at")
    _refuse("anchor" in given and made["scheduler_type"] != "interval", "--anchor goes with --every")
    if current is not None and made["scheduler_type"] == current["scheduler_type"] in ZONED:
        kept = {"timezone": current["schedule_config"].get("timezone", "UTC")}
        made["schedule_config"] = kept | made["schedule_config"]
    return made


def _adjusted(given: Mapping[str, Any], current: Mapping[str, Any] | None) -> dict[str, Any]:
    """A zone or an anchor alone, for the schedule that is there."""
    if current is None:
        raise typer.BadParameter("say when it runs: one of --cron, --every, --at, --manual")
    kind, schedule = current["scheduler_type"], dict(current["schedule_config"])
    if "tz" in given:
        _refuse(kind not in ZONED, f"--tz is nothing to a config whose schedule is {kind}")
        schedule["timezone"] = given["tz"]
    if "anchor" in given:
        _refuse(kind != "interval", f"--anchor is nothing to a config whose schedule is {kind}")
        schedule["anchor"] = given["anchor"]
    return {"schedule_config": schedule} if {"tz", "anchor"} & given.keys() else {}


def _cron(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"scheduler_type": "cron", "schedule_config": {"cron_expression": given["cron"], **_zone(given)}}


def _interval(given: Mapping[str, Any]) -> dict[str, Any]:
    anchor = {"anchor": given["anchor"]} if "anchor" in given else {}
    return {"scheduler_type": "interval", "schedule_config": {**given["every"], **anchor}}


def _date(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"scheduler_type": "date", "schedule_config": {"run_date": given["at"], **_zone(given)}}


def _manual(_: Mapping[str, Any]) -> dict[str, Any]:
    return {"scheduler_type": "manual", "schedule_config": {}}


def _zone(given: Mapping[str, Any]) -> dict[str, str]:
    return {"timezone": given["tz"]} if "tz" in given else {}


def _instant_or_none(text: str) -> str | None:
    return None if text.lower() == "none" else instant(text)


def _refuse(broken: bool, message: str) -> None:
    if broken:
        raise typer.BadParameter(message)
