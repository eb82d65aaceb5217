"""Every setting, in one frozen class, read once from the environment.

A setting is an environment variable `HORARIUM_<NAME>`. All faults are reported together, an unknown `HORARIUM_`
variable is a fault with a suggestion, and nothing else in the package reads `os.environ`. What Kubernetes tells every
container of a Service called `horarium` (HORARIUM_PORT=tcp://10.0.0.7:8080) is no setting and passed over. With no
settings at all the process is *embedded*: it runs its own Postgres and Redis under `data_dir` and a worker inside the
process.
"""

from __future__ import annotations

import difflib
import os
import re
from ipaddress import IPv4Network, IPv6Network  # noqa: TC003 - a field's type
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from horarium.errors import ConfigurationError
from horarium.setting_rules import (
    all_long_enough,
    expanded,
    good_enough,
    long_enough,
    mail_address,
    mail_server,
    module_attribute,
    origin,
    root_of_api,
    server_url,
    token68,
)
from horarium.tasks.addresses import Opening

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

__all__ = ["TOLD_TO_PROGRAMS", "Settings", "environment_with", "given_by", "load_settings"]

PREFIX = "HORARIUM_"
TOLD_TO_PROGRAMS = ("HORARIUM_TASK_ID", "HORARIUM_CONFIG_ID", "HORARIUM_TICK_AT", "HORARIUM_ATTEMPT")
"""No settings: what `shell_command` tells its program, which may be one of our own commands."""

SERVICE_HOST = "_SERVICE_HOST"
LINK = re.compile(r"(tcp|udp|sctp)://")
FLAGS = {
    **{name: f"--{name.replace('_', '-')}" for name in ("data_dir", "host", "port", "queues", "token")},
    "api_url": "--url",
    "worker_concurrency": "--concurrency",
    "worker_processes": "--processes",
}
"""Flags of commands that go before a setting."""


class Settings(BaseModel):
    """What one process was told. Durations are in seconds unless the name says otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    data_dir: Annotated[Path, AfterValidator(expanded)] = Path("~/.local/share/horarium")
    """Where embedded servers keep their data, and where a generated signing key is kept (mode 0600)."""

    database_url: Annotated[SecretStr | None, server_url("postgresql", "postgres")] = None
    """`postgresql://` URL of a Postgres 14 or newer; unset: an embedded one."""

    redis_url: Annotated[SecretStr | None, server_url("redis", "rediss", "unix")] = None
    """`redis://`, `rediss://` or `unix://` URL of a Redis 6.2 or newer; unset: an embedded one."""

    broker_url: Annotated[SecretStr | None, server_url("redis", "rediss", "unix", "amqp", "amqps")] = None
    """`redis://` (streams) or `amqp://` URL that carries task messages; unset: the Redis above."""

    broker: Annotated[str | None, AfterValidator(module_attribute)] = None
    """`module:attribute` of an existing taskiq app's broker, adopted as it is: `myapp.broker:broker`."""

    amqp_queues: Literal["classic", "quorum"] = "classic"
    """Queues on RabbitMQ: `quorum` ones outlive the loss of a node and cost priorities (docs/brokers.md)."""

    key_prefix: str = Field("horarium:", pattern=r"^[\w.-]+:$")
    """Stands before every Redis key, so that several Horariums can share one Redis."""

    host: str = "127.0.0.1"
    """Address the API listens on."""

    port: int = Field(8080, ge=0, le=65535)
    """Port the API listens on; 0 takes a free one and the banner says which."""

    cors_origins: tuple[Annotated[str, AfterValidator(origin)], ...] = ()
    """Origins whose pages may call the API from a browser, separated by commas: `https://ops.example.org`."""

    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks of the proxies whose `X-Forwarded-For` is believed, separated by commas: `10.0.0.0/8,fd00::/8`."""

    metrics_need_token: bool = False
    """Whether `/metrics` takes a token from its own machine, too: for a proxy there that hides whom it asks for."""

    secret_key: Annotated[SecretStr | None, AfterValidator(long_enough)] = None
    """Signs access tokens; unset: generated once and kept in `data_dir`. Supervisors of one database share it."""

    accepted_secret_keys: Annotated[tuple[SecretStr, ...], AfterValidator(all_long_enough)] = ()
    """Keys whose access tokens are accepted as well, separated by commas: the next `secret_key`, or the last one."""

    admin_password: Annotated[SecretStr | None, AfterValidator(good_enough)] = None
    """Password of the account `admin` when it is first made; unset: a random one, printed once.

    At least 8 characters and none of the most common, as for every account."""

    access_token_seconds: int = Field(900, ge=60, le=86_400)
    """How long an access token is good for."""

    refresh_token_seconds: int = Field(7 * 86_400, ge=3600)
    """How long a login lasts without `remember_me`."""

    remember_me_seconds: int = Field(30 * 86_400, ge=3600)
    """How long a login lasts with `remember_me`."""

    refresh_idle_seconds: int = Field(2 * 86_400, ge=3600)
    """How long a login without `remember_me` may go without being refreshed; one with it may until it ends."""

    single_session: bool = True
    """Whether a login ends the earlier refresh tokens of the same user."""

    task_modules: tuple[str, ...] = ()
    """Modules to import for their `@task` functions, separated by commas: `myapp.tasks,myapp.reports`."""

    http_allow: tuple[Annotated[Opening, BeforeValidator(Opening.parse)], ...] = ()
    """Hosts, addresses and networks that `http_request` may reach though they are not public, separated by commas."""

    public_url: Annotated[str | None, AfterValidator(root_of_api)] = None
    """Where people reach the dashboard, for links in notifications: `https://horarium.example.org`; unset: no links."""

    smtp_from: Annotated[str | None, AfterValidator(mail_address)] = None
    """Address that mail is sent from."""

    smtp_url: Annotated[SecretStr | None, AfterValidator(mail_server)] = None
    """`smtp://user:password@host:587` (`?tls=starttls|none`) or `smtps://` URL of a mail server; unset: no mail."""

    allow_shell: bool = False
    """Whether `shell_command` is a task type here; an administrator's configs then run programs on the workers."""

    queues: tuple[str, ...] = ("default",)
    """Queues a worker of this process reads, separated by commas."""

    inline_worker: bool | None = None
    """Whether `horarium up` also runs tasks itself; unset: only when everything is embedded."""

    worker_concurrency: int = Field(100, ge=1, le=10_000)
    """Executions one worker process runs at once."""

    worker_processes: int = Field(1, ge=1, le=256)
    """Worker processes that one `horarium worker` runs; above 1 it is their parent and supervises them."""

    sync_processes: int = Field(2, ge=1, le=64)
    """Processes a worker keeps for tasks that are plain functions."""

    drain_seconds: float = Field(4.0, ge=0, le=3600)
    """How long a stopping worker lets running tasks go on before it cancels them and hands them back."""

    retention_days: int = Field(30, ge=1, le=3650)
    """How long finished executions are kept. The newest tick of every config always is."""

    retention_rows: int = Field(100_000, ge=0)
    """How many executions of one config are kept, 0: any number. Those that ended within three hours always are."""

    audit_days: int = Field(365, ge=1, le=36_500)
    """How long the audit log is kept."""

    log_format: Literal["auto", "json", "console"] = "auto"
    """`auto`: readable lines on a terminal, JSON elsewhere."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe line that is written."""

    task_log_level: Literal["debug", "info", "warning", "error", "off"] = "info"
    """The least severe line of a task that is kept with its execution; `off`: none."""

    tracing: bool = False
    """Whether requests, ticks and runs are traced, as the OTEL_ variables say; needs the extra `opentelemetry`."""

    api_url: Annotated[str | None, AfterValidator(root_of_api)] = None
    """Where the commands that ask a running Horarium find it; unset: where they are logged in."""

    token: Annotated[SecretStr | None, AfterValidator(token68)] = None
    """Access token or API key for these commands; unset: the stored login."""

    config_dir: Annotated[Path, AfterValidator(expanded)] = Path("~/.config/horarium")
    """Where `horarium login` stores a login (mode 0600)."""

    @field_validator("broker")
    @classmethod
    def _carries_alone(cls, broker: str | None, info: ValidationInfo) -> str | None:
        if broker is not None and info.data.get("broker_url") is not None:
            raise ValueError(
                "stands beside HORARIUM_BROKER_URL, and messages go one way; unset HORARIUM_BROKER_URL, since the app's"
                " broker knows its own server, or unset HORARIUM_BROKER to use Horarium's broker"
            )
        return broker

    @field_validator("smtp_url")
    @classmethod
    def _comes_from_somebody(cls, smtp_url: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if smtp_url is not None and "smtp_from" in info.data and info.data["smtp_from"] is None:
            raise ValueError("needs HORARIUM_SMTP_FROM, the address that mail is sent from")
        return smtp_url

    @field_validator("queues")
    @classmethod
    def _read_by_our_brokers(cls, queues: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if info.data.get("broker") is not None and queues != ("default",):
            raise ValueError("means nothing beside HORARIUM_BROKER: the app's broker says which queues are read")
        return queues

    @property
    def embedded(self) -> bool:
        """Whether at least one server is ours to run."""
        return self.database_url is None or self.redis_url is None

    def check_servers(self) -> None:
        """Raise ConfigurationError unless both servers are others', as a worker of its own needs them."""
        if self.embedded:
            raise ConfigurationError(
                "a worker needs HORARIUM_DATABASE_URL and HORARIUM_REDIS_URL; an embedded `horarium up` runs its own"
            )

    @property
    def runs_inline_worker(self) -> bool:
        """Whether `horarium up` runs tasks inside its own process."""
        if self.inline_worker is not None:
            return self.inline_worker
        return self.database_url is None and self.redis_url is None and self.broker_url is None


def load_settings(environ: Mapping[str, str] = os.environ, /, **overrides: object) -> Settings:
    """Read settings from `environ`; `overrides` are command-line flags, which win.

    Raises ConfigurationError that lists every fault at once, and never a value (it may be a secret).
    """
    environ = _without_links(environ)
    faults = _unknown_names(environ)
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings(**(_values(environ) | given))
    except ValidationError as error:
        faults += [
            f"{given_by(_name_of(fault['loc']), given)}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        ]
        raise ConfigurationError("\n".join(faults)) from None
    if faults:
        raise ConfigurationError("\n".join(faults))
    return settings


def given_by(name: str, flags: Container[str]) -> str:
    """What to call a setting in front of who gave it: its flag where that is among `flags`, else its variable."""
    return FLAGS[name] if name in flags and name in FLAGS else PREFIX + name.upper()


def environment_with(settings: Settings, *names: str) -> dict[str, str]:
    """This process' environment, in which the settings of these names are as `settings` has them; for a child."""
    given = {name: getattr(settings, name) for name in names}
    words = {name: ",".join(value) if isinstance(value, tuple) else str(value) for name, value in given.items()}
    return {**os.environ, **{PREFIX + name.upper(): value for name, value in words.items()}}


def _values(environ: Mapping[str, str]) -> dict[str, object]:
    """The known settings in `environ`, lists split at commas; an empty variable counts as unset."""
    lists = {"accepted_secret_keys", "cors_origins", "http_allow", "queues", "task_modules", "trusted_proxies"}
    found: dict[str, object] = {}
    for name in Settings.model_fields:
        raw = environ.get(PREFIX + name.upper(), "").strip()
        if raw:
            found[name] = tuple(p.strip() for p in raw.split(",") if p.strip()) if name in lists else raw
    return found


def _without_links(environ: Mapping[str, str]) -> Mapping[str, str]:
    """`environ` without what Kubernetes says of Services whose names begin as our settings do."""
    services = [name.removesuffix(SERVICE_HOST) for name in environ if name.endswith(SERVICE_HOST)]
    ours = [service for service in services if f"{service}_".startswith(PREFIX)]
    return {name: text for name, text in environ.items() if not any(_is_link(name, text, service) for service in ours)}


def _is_link(name: str, text: str, service: str) -> bool:
    if name == f"{service}_PORT":  # also a setting of ours, whose value is no address
        return LINK.match(text) is not None
    return name.startswith((f"{service}_SERVICE_", f"{service}_PORT_"))


def _unknown_names(environ: Mapping[str, str]) -> list[str]:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    faults = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known and name not in TOLD_TO_PROGRAMS:
            # compared without the prefix, which alone would make any two names alike
            near = difflib.get_close_matches(name.removeprefix(PREFIX), (n.removeprefix(PREFIX) for n in known), n=1)
            faults.append(f"{name}: unknown setting" + (f"; did you mean {PREFIX}{near[0]}?" if near else ""))
    return faults


def _name_of(loc: tuple[int | str, ...]) -> str:
    return str(loc[0]) if loc else ""
