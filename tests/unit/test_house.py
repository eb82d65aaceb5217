"""The house around the code says nothing that is not so: every path, command, flag, setting and target it names exists.

No container engine is needed: Dockerfile and compose.yaml are parsed, and the health check is run as it is written.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.main
import yaml
from dockerfile_parse import DockerfileParser

from horarium.cli import app
from horarium.settings import PREFIX, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
INSTRUCTIONS: list[tuple[str, str]] = [
    (step["instruction"], step["value"]) for step in DockerfileParser(fileobj=io.BytesIO(DOCKERFILE.encode())).structure
]
COMPOSE_TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
MAKEFILE = (ROOT / "Makefile").read_text()
CI = (ROOT / ".ci" / "run").read_text()
ENV_EXAMPLE = (ROOT / ".env.example").read_text()
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SOURCES = [ROOT / "Dockerfile", ROOT / "compose.yaml", ROOT / "Makefile", ROOT / ".ci" / "run", ROOT / ".env.example"]
SETTING = re.compile(rf"\b{PREFIX}([A-Z][A-Z_]*[A-Z])\b")
PHONY = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[0].split()


def of(instruction: str) -> list[str]:
    """The values of every such instruction of the Dockerfile, in order."""
    return [value for name, value in INSTRUCTIONS if name == instruction]


def own(service: str) -> bool:
    """Whether a compose service runs Horarium's image."""
    return SERVICES[service]["image"] == "horarium"


def code_in(markdown: str) -> list[str]:
    """Every inline code span and every line of a fenced block."""
    fenced = re.findall(r"^```\w*\n(.*?)^```", markdown, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```.*?^```", "", markdown, flags=re.MULTILINE | re.DOTALL)
    return [line for block in fenced for line in block.splitlines()] + re.findall(r"`([^`\n]+)`", prose)


def words_after(program: str, code: list[str]) -> list[list[str]]:
    """The arguments of each call of `program` in pieces of shell; comments, brackets and imports left out."""
    calls = [re.search(rf"(?<!from )(?:^|(?<=[\s/])){program} ([a-z].*)", piece.partition("#")[0]) for piece in code]
    return [shlex.split(re.sub(r"[\[\]]", "", call[1])) for call in calls if call]


def make(*arguments: str) -> str:
    """What `make` prints; a make around this test hands nothing down."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    run = subprocess.run(  # noqa: S603 - arguments from this file
        ["make", *arguments],  # noqa: S607 - whichever make runs the house
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=45,
    )
    return run.stdout


ENTRYPOINT: list[str] = json.loads(of("ENTRYPOINT")[0])
DOCUMENTED = [piece for document in DOCUMENTS for piece in code_in(document.read_text())]
CALLS: list[list[str]] = [
    *([*ENTRYPOINT, *json.loads(of("CMD")[0])][1:],),
    *(SERVICES[name]["command"] for name in SERVICES if own(name) and "command" in SERVICES[name]),
    *words_after("horarium", re.sub(r"\$\(\w+\)|\$\(if |[,)]", " ", MAKEFILE).splitlines()),
    *words_after("horarium", DOCUMENTED),
]


def named_settings() -> list[tuple[str, str]]:
    """Each (file, setting) that is named anywhere outside the package."""
    found = {(path.name, name) for path in [*SOURCES, *DOCUMENTS] for name in SETTING.findall(path.read_text())}
    return sorted(found)


# Commands, flags and routes


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_every_command_and_flag_named_anywhere_exists(call: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    words = iter(call)
    while hasattr(command, "commands") and (word := next(words, None)) is not None:  # a group may be named alone
        command = command.commands[word.partition("|")[0]]
    flags = {flag for param in command.params for flag in (*param.opts, *param.secondary_opts)}
    assert {word.partition("=")[0] for word in call if word.startswith("--")} <= flags


def test_the_calls_found_are_the_ones_meant() -> None:
    """The check above would pass on nothing at all."""
    assert ["up", "--host", "0.0.0.0"] in CALLS  # noqa: S104 - the image's own command
    assert ["worker"] in CALLS
    assert ["worker", "--queues", "default", "--concurrency", "50"] in CALLS
    assert ["up", "--demo", "--port"] in CALLS


@pytest.mark.parametrize("route", ["/livez", "/readyz", "/openapi.json"])
def test_every_route_without_prefix_that_the_house_names_is_served(route: str) -> None:
    assert any(f'"{route}"' in path.read_text() for path in (ROOT / "horarium" / "http").rglob("*.py"))


# Settings


@pytest.mark.parametrize(("file", "name"), named_settings())
def test_every_variable_named_anywhere_is_a_setting(file: str, name: str) -> None:  # noqa: ARG001 - names the case
    assert name.lower() in Settings.model_fields


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_readme_lists_every_setting_with_its_default(name: str) -> None:
    default = Settings.model_fields[name].default
    shown = {"None": "unset", "()": "none", "True": "`true`", "False": "`false`"}
    plain = ",".join(default) if default and isinstance(default, tuple) else str(default)
    row = f"| `{PREFIX}{name.upper()}` | {shown.get(plain, f'`{plain}`')} |"
    assert row in README


# The image


def test_every_path_the_image_copies_exists_and_is_let_through() -> None:
    copied = [part for value in of("COPY") if "--from" not in value for part in value.split()[:-1]]
    let_through = (ROOT / ".dockerignore").read_text().split()
    assert copied
    assert [path for path in copied if not (ROOT / path).exists()] == []
    assert [path for path in copied if f"!{path}" not in let_through] == []


def test_the_build_ignores_all_it_does_not_copy() -> None:
    """An .env, a .git or a .venv never reaches the builder."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert rules[0] == "*"


def test_the_image_runs_as_nobody_in_particular() -> None:
    user = of("USER")[-1]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "a number, so that an orchestrator can see it is not root"
    assert f"--uid {user.partition(':')[0]}" in of("RUN")[-1]


def test_the_data_folder_of_the_image_is_a_volume_that_its_user_owns() -> None:
    folder = of("VOLUME")[0]
    user, _, group = of("USER")[-1].partition(":")
    assert f"HORARIUM_DATA_DIR={folder}" in of("ENV")[-1]
    assert f"--owner={user} --group={group} --mode=0700 {folder}" in of("RUN")[-1]


def test_the_image_is_built_in_two_stages_and_stops_by_sigterm() -> None:
    assert len(of("FROM")) == 2
    assert of("STOPSIGNAL") == ["SIGTERM"]
    assert "PYTHONSAFEPATH=1" in of("ENV")[-1]


def test_the_image_exposes_the_port_that_is_the_default() -> None:
    assert of("EXPOSE") == [str(Settings.model_fields["port"].default)]


def test_the_entry_point_of_the_image_is_a_script_of_the_package() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    assert len(ENTRYPOINT) == 1
    assert f'\n{ENTRYPOINT[0]} = "horarium.cli:main"\n' in project


@contextmanager
def answering(status: int) -> Iterator[int]:
    """A server on a free port that gives `status` at /livez and 404 elsewhere."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/livez" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: the test says what matters."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (404, False)])
def test_the_health_check_as_written_follows_livez(status: int, healthy: bool) -> None:
    command = json.loads(of("HEALTHCHECK")[0].partition("CMD ")[2])
    assert command[0] == "python"
    with answering(status) as port:
        run = subprocess.run(  # noqa: S603 - the Dockerfile's own command
            [sys.executable, *command[1:]],
            env={"HORARIUM_PORT": str(port), "http_proxy": "http://127.0.0.1:1"},
            capture_output=True,
            check=False,
            timeout=45,
        )
    assert (run.returncode == 0) is healthy


# compose.yaml


def test_compose_has_the_three_servers_one_supervisor_and_one_worker() -> None:
    assert list(SERVICES) == ["postgres", "redis", "rabbitmq", "horarium", "worker"]
    assert [SERVICES[name]["image"] for name in SERVICES if not own(name)] == ["postgres:17", "redis:7", "rabbitmq:4"]


def test_every_dependency_in_compose_is_a_service_that_reports_its_health() -> None:
    awaited = {
        (name, rule["condition"])
        for service in SERVICES.values()
        for name, rule in service.get("depends_on", {}).items()
    }
    assert awaited == {(name, "service_healthy") for name in ("postgres", "redis", "rabbitmq", "horarium")}
    assert [name for name in SERVICES if not own(name) and "test" not in SERVICES[name]["healthcheck"]] == []
    assert "healthcheck" not in SERVICES["horarium"], "the image's own check holds"


def test_compose_publishes_one_port_on_loopback_alone() -> None:
    port = Settings.model_fields["port"].default
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "horarium": [f"127.0.0.1:{port}:{port}"]
    }


def test_every_volume_compose_mounts_is_declared() -> None:
    mounted = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert mounted == set(COMPOSE["volumes"])
    assert f"horarium:{of('VOLUME')[0]}" in SERVICES["horarium"]["volumes"]


def test_compose_uses_its_own_servers_for_supervisor_and_worker() -> None:
    for_both = [SERVICES[name]["environment"] for name in ("horarium", "worker")]
    assert [re.sub(r"//.*@", "//", str(env["HORARIUM_DATABASE_URL"])) for env in for_both] == [
        "postgresql://postgres:5432/horarium"
    ] * 2
    assert [re.sub(r"//.*@", "//", str(env["HORARIUM_REDIS_URL"])) for env in for_both] == ["redis://redis:6379/0"] * 2
    assert [re.sub(r"//.*@", "//", str(env["HORARIUM_BROKER_URL"])) for env in for_both] == [
        "amqp://rabbitmq:5672/"
    ] * 2


def test_compose_asks_for_what_the_env_example_offers_and_carries_no_secret_itself() -> None:
    offered = dict(re.findall(r"^(\w+)=(.*)$", ENV_EXAMPLE, re.MULTILINE))
    asked = dict(re.findall(r"\$\{(\w+)(:[?-])", COMPOSE_TEXT))
    optional = {name for name, mode in asked.items() if mode == ":-"}
    assert set(asked) == set(offered)
    assert set(offered.values()) == {""}
    assert optional == {"HORARIUM_ADMIN_PASSWORD"}
    assert not re.search(r"(?i)password: (?!\$\{)|pass: (?!\$\{)|:[^$/\s]+@", COMPOSE_TEXT)


# Makefile and CI


def test_make_alone_lists_every_target() -> None:
    listed = re.findall(r"^  make (\w+) +\S", make(), re.MULTILINE)
    assert listed == PHONY
    assert re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE) == PHONY


def test_make_run_starts_the_demo_and_hands_port_and_arguments_on() -> None:
    last = make("--dry-run", "run", "PORT=9000", "ARGS=--data-dir /srv/try").splitlines()[-1]
    assert last.split() == ["exec", ".venv/bin/horarium", "up", "--demo", "--port", "9000", "--data-dir", "/srv/try"]


def test_the_set_up_is_done_again_when_the_project_file_changes() -> None:
    rules = re.findall(r"^\$\(VENV\)/(\.\w+): (\S+)", MAKEFILE, re.MULTILINE)
    assert rules == [(".embedded", "pyproject.toml"), (".dev", "pyproject.toml")]


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\b(?:tests|bench)/[\w/.]*\w", MAKEFILE + CONTRIBUTING))))
def test_every_path_the_targets_name_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(
    "words", [*words_after("make", DOCUMENTED), *words_after("make", CI.splitlines())], ids=" ".join
)
def test_every_target_named_anywhere_exists(words: list[str]) -> None:
    assert words[0] in PHONY
    assert {word.partition("=")[0] for word in words[1:] if "=" in word} <= {"PORT", "ARGS", "BENCH_ARGS", "PYTHON"}


def test_ci_runs_lint_and_the_test_command_of_the_readme() -> None:
    section = README.partition("\n## Tests\n")[2]
    blocks = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert blocks == ["make test\n"]
    assert ["lint"] in words_after("make", CI.splitlines())
    assert ["test"] in words_after("make", CI.splitlines())


def test_ci_is_a_strict_bash_script_that_can_be_executed() -> None:
    assert CI.startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in CI
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_steps_of_ci_have_limits_that_stay_under_25_minutes() -> None:
    limits = re.findall(r"^timeout --kill-after=30s (\d+)m make", CI, re.MULTILINE)
    assert len(limits) == len(words_after("make", re.findall(r"^[^#\n]*\bmake [a-z].*$", CI, re.MULTILINE)))
    assert sum(map(int, limits)) < 25


# Documents


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_to_one(document: Path) -> None:
    links = re.findall(r"\]\((?!\w+:)([^)#]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_decision_is_numbered_and_has_its_three_parts() -> None:
    records = sorted((ROOT / "docs" / "decisions").iterdir())
    assert [record.name[:4] for record in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    assert {tuple(re.findall(r"^## (.*)$", record.read_text(), re.MULTILINE)) for record in records} == {
        ("Context", "Decision", "Consequence")
    }
