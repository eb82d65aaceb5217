"""Settings: read once, checked together, and never repeated back, since any of them may be a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from horarium.errors import ConfigurationError
from horarium.settings import Settings, load_settings

LONG_KEY = "k" * 32


def faults(**environ: str) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        load_settings({f"HORARIUM_{name.upper()}": value for name, value in environ.items()})
    return str(refused.value).splitlines()


def test_with_nothing_set_everything_is_embedded() -> None:
    settings = load_settings({})

    assert settings.embedded
    assert settings.runs_inline_worker
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.data_dir == Path("~/.local/share/horarium").expanduser()


@pytest.mark.parametrize(
    ("environ", "embedded", "inline"),
    [
        ({"HORARIUM_DATABASE_URL": "postgresql://db/x"}, True, False),
        ({"HORARIUM_DATABASE_URL": "postgresql://db/x", "HORARIUM_REDIS_URL": "redis://r"}, False, False),
        ({"HORARIUM_BROKER_URL": "amqp://b"}, True, False),
        ({"HORARIUM_BROKER_URL": "amqp://b", "HORARIUM_INLINE_WORKER": "1"}, True, True),
        ({"HORARIUM_INLINE_WORKER": "0"}, True, False),
    ],
)
def test_servers_of_somebody_else_bring_their_own_workers(
    environ: dict[str, str], embedded: bool, inline: bool
) -> None:
    settings = load_settings(environ)

    assert (settings.embedded, settings.runs_inline_worker) == (embedded, inline)


def test_all_faults_are_reported_together() -> None:
    found = faults(port="many", secret_key="short", log_level="loud", retention_days="0", data_dri="x")

    assert [line.partition(":")[0] for line in found] == [
        "HORARIUM_DATA_DRI",
        "HORARIUM_PORT",
        "HORARIUM_SECRET_KEY",
        "HORARIUM_RETENTION_DAYS",
        "HORARIUM_LOG_LEVEL",
    ]


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("data_dri", "; did you mean HORARIUM_DATA_DIR?"),
        ("databse_url", "; did you mean HORARIUM_DATABASE_URL?"),
        ("xyzzy", ""),
    ],
)
def test_an_unknown_setting_is_a_fault_with_a_suggestion(name: str, suggestion: str) -> None:
    assert faults(**{name: "1"}) == [f"HORARIUM_{name.upper()}: unknown setting{suggestion}"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("secret_key", "a-short-secret"),
        ("port", "70000-secret"),
        ("key_prefix", "no colon secret"),
        ("host_name", "secret"),
        ("token", "two secrets"),
        ("api_url", "http://admin:secret@host"),
        ("api_url", "http://[secret]"),
        ("api_url", "http://host:secret"),
        ("http_allow", "http://secret"),
        ("http_allow", "10.0.0.1/8"),
        ("cors_origins", "http://admin:secret@host"),
    ],
)
def test_no_value_is_repeated_in_a_message(name: str, value: str) -> None:
    assert value not in "\n".join(faults(**{name: value}))


@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("database_url", "postgresql://db/"),
        ("redis_url", "redis://"),
        ("broker_url", "amqp://"),
        ("secret_key", ""),
        ("admin_password", ""),
        ("token", ""),
    ],
)
def test_no_secret_is_shown_by_printing_the_settings(name: str, before: str) -> None:
    secret = f"{before}secret-{LONG_KEY}"

    settings = load_settings({f"HORARIUM_{name.upper()}": secret})

    assert secret not in f"{settings!r} {settings}"
    assert getattr(settings, name).get_secret_value() == secret


@pytest.mark.parametrize(
    "copied",
    ["https://host:8443/h", "https://host:8443/h/", "https://host:8443/h/api/v1", "https://host:8443/h/api/v1/"],
)
def test_the_address_of_the_api_may_be_given_as_it_is_found_anywhere(copied: str) -> None:
    assert load_settings({"HORARIUM_API_URL": copied}).api_url == "https://host:8443/h"


@pytest.mark.parametrize(
    "given", ["host", "host:80", "ftp://host", "http://", "http://h?x=1", "http://h#x", "http://h:0", "http://h h"]
)
def test_what_is_no_address_of_an_api_is_a_fault(given: str) -> None:
    (fault,) = faults(api_url=given)

    assert "HORARIUM_API_URL: " in fault
    assert "must be an http:// or https:// address" in fault


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("database_url", "postgresql+asyncpg://user:secret@db/horarium"),
        ("database_url", "mysql://user:secret@db/horarium"),
        ("database_url", "db/secret"),
        ("redis_url", "http://:secret@redis"),
        ("redis_url", "amqp://user:secret@rabbit"),
        ("redis_url", "redis://:pass/secret@redis:6379/0"),
        ("broker_url", "kafka://secret"),
    ],
)
def test_a_server_that_nothing_here_speaks_to_is_a_fault_and_its_address_is_not_shown(name: str, given: str) -> None:
    (fault,) = faults(**{name: given})

    assert fault.startswith(f"HORARIUM_{name.upper()}: must be a URL that begins with ")
    assert "secret" not in fault


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("database_url", "postgresql://user:secret@one:5432,two:5433/horarium"),
        ("database_url", "postgres://user@/horarium?host=/run/postgresql"),
        ("redis_url", "rediss://:secret@[fd00::1]:6380/1"),
        ("redis_url", "redis://"),
        ("broker_url", "unix:///run/redis.sock"),
        ("broker_url", "amqps://user:se%2Fcret@rabbit/vhost"),
    ],
)
def test_a_server_is_taken_as_its_own_tools_take_it(name: str, given: str) -> None:
    settings = load_settings({f"HORARIUM_{name.upper()}": given})

    assert getattr(settings, name).get_secret_value() == given


SERVICE_LINKS = {
    "HORARIUM_SERVICE_HOST": "10.0.0.7",
    "HORARIUM_SERVICE_PORT": "8080",
    "HORARIUM_SERVICE_PORT_HTTP": "8080",
    "HORARIUM_PORT": "tcp://10.0.0.7:8080",
    "HORARIUM_PORT_8080_TCP": "tcp://10.0.0.7:8080",
    "HORARIUM_PORT_8080_TCP_ADDR": "10.0.0.7",
    "HORARIUM_API_SERVICE_HOST": "10.0.0.8",
    "HORARIUM_API_PORT": "tcp://10.0.0.8:80",
}


def test_what_kubernetes_says_of_a_service_of_our_name_is_no_setting() -> None:
    assert load_settings(SERVICE_LINKS) == load_settings({})
    assert load_settings({**SERVICE_LINKS, "HORARIUM_PORT": "9000"}).port == 9000


def test_without_such_a_service_the_same_names_are_faults() -> None:
    assert faults(port="tcp://10.0.0.7:8080", service_port="8080")[0].startswith("HORARIUM_SERVICE_PORT: unknown")


def test_a_key_is_measured_in_bytes() -> None:
    assert load_settings({"HORARIUM_SECRET_KEY": "é" * 16}).secret_key is not None
    assert "at least 32 bytes" in faults(secret_key="k" * 31)[0]


def test_what_requests_may_reach_is_read_once_and_in_full() -> None:
    opened = load_settings({"HORARIUM_HTTP_ALLOW": "api.internal:8443, 10.2.0.0/16,[fd00::1]:80"}).http_allow

    assert [(str(each.to), each.port) for each in opened] == [
        ("api.internal", 8443),
        ("10.2.0.0/16", None),
        ("fd00::1/128", 80),
    ]


def test_what_a_flag_gave_is_named_by_the_flag() -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_settings({"HORARIUM_DRAIN_SECONDS": "-1"}, port=99999, api_url="localhost:8080")

    assert sorted(line.partition(": ")[0] for line in str(refused.value).splitlines()) == [
        "--port",
        "--url",
        "HORARIUM_DRAIN_SECONDS",
    ]


def test_what_opens_nothing_is_a_fault() -> None:
    (fault,) = faults(http_allow="api.internal,http://secret")

    assert fault.startswith("HORARIUM_HTTP_ALLOW: must be host names, addresses or networks, as in ")


def test_lists_are_split_at_commas() -> None:
    settings = load_settings({"HORARIUM_QUEUES": "fast, slow,,", "HORARIUM_TASK_MODULES": "a.b"})

    assert (settings.queues, settings.task_modules) == (("fast", "slow"), ("a.b",))


def test_origins_are_taken_as_browsers_send_them() -> None:
    origins = ("https://ops.example.org", "http://localhost:3000", "http://[::1]:8081", "http://10.0.0.7")

    assert load_settings({"HORARIUM_CORS_ORIGINS": ", ".join(origins)}).cors_origins == origins


@pytest.mark.parametrize(
    "given",
    [
        "*", "null", "ops.example.org", "https://*.example.org", "https://ops.example.org/", "https://ops.example.org/app",
        "https://ops.example.org:443", "http://ops.example.org:80", "https://Ops.example.org", "HTTPS://ops.example.org",
        "ftp://ops.example.org", "https://a:b@ops.example.org", "https://ops.example.org?x", "https://\u00f6ps.example.org",
        "https://ops.example.org:0443", "https://",
    ],
)  # fmt: skip
def test_what_no_browser_sends_as_an_origin_is_a_fault_since_it_would_never_match(given: str) -> None:
    (fault,) = faults(cors_origins=f"https://fine.example.org,{given}")

    assert fault.startswith("HORARIUM_CORS_ORIGINS: ")
    assert "must be origins as browsers send them" in fault


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """compose.yaml hands HORARIUM_ADMIN_PASSWORD on, empty where nobody gave one: that is no password."""
    monkeypatch.setenv("HORARIUM_ADMIN_PASSWORD", "")

    assert load_settings().admin_password is None
    assert load_settings({"HORARIUM_PORT": " ", "HORARIUM_REDIS_URL": ""}) == load_settings({})


def test_a_flag_wins_over_a_variable_and_one_not_given_does_not() -> None:
    settings = load_settings({"HORARIUM_PORT": "1000", "HORARIUM_HOST": "::1"}, port=2000, host=None)

    assert (settings.port, settings.host) == (2000, "::1")


def test_what_is_not_ours_is_none_of_our_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HORARIUM_PORT", "1234")
    monkeypatch.setenv("PORT", "many")

    assert load_settings({"PORT": "many", "HOME": "/"}).port == 8080


def test_settings_do_not_change() -> None:
    settings = load_settings({})

    with pytest.raises(ValidationError):
        settings.port = 1


def test_a_data_directory_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert load_settings({"HORARIUM_DATA_DIR": "data"}).data_dir == tmp_path / "data"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    source = Path(__import__("horarium.settings").settings.__file__).read_text()

    declaration = source.partition(f"\n    {name}: ")[2].partition("\n")[2]
    assert declaration.lstrip().startswith('"""')


@pytest.mark.parametrize(
    ("password", "why"), [("short", "at least 8"), ("password1", "most common"), ("admin2024!", "the user's name")]
)
def test_a_weak_password_for_the_first_account_is_refused_with_words_and_not_shown(password: str, why: str) -> None:
    (fault,) = faults(admin_password=password)

    assert fault.startswith("HORARIUM_ADMIN_PASSWORD: ")
    assert why in fault
    assert password not in fault


def test_keys_that_are_accepted_beside_the_one_that_signs_are_a_list_and_stay_secret() -> None:
    settings = load_settings({"HORARIUM_ACCEPTED_SECRET_KEYS": f"{'a' * 32}, {'b' * 32}"})

    assert [key.get_secret_value() for key in settings.accepted_secret_keys] == ["a" * 32, "b" * 32]
    assert "aaa" not in repr(settings)


def test_a_short_key_among_the_accepted_ones_is_refused() -> None:
    (fault,) = faults(accepted_secret_keys=f"{'a' * 32},bbb")

    assert fault.startswith("HORARIUM_ACCEPTED_SECRET_KEYS: ")
    assert "at least 32 bytes" in fault
    assert "bbb" not in fault


def test_trusted_proxies_are_networks() -> None:
    settings = load_settings({"HORARIUM_TRUSTED_PROXIES": "10.0.0.0/8, ::1,192.0.2.7"})

    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "::1/128", "192.0.2.7/32"]
    assert "HORARIUM_TRUSTED_PROXIES" in faults(trusted_proxies="proxy.example")[0]


def test_a_broker_of_an_app_and_one_by_url_are_one_too_many() -> None:
    (fault,) = faults(broker="myapp.broker:broker", broker_url="amqp://user:secret@rabbit")

    assert fault.startswith("HORARIUM_BROKER: ")
    assert "unset HORARIUM_BROKER_URL, since the app's broker knows its own server" in fault
    assert "secret" not in fault


@pytest.mark.parametrize("spec", ["myapp.broker", "myapp.broker:", "my-app:broker", "myapp:broker()", ":broker"])
def test_what_is_no_module_and_attribute_is_no_broker(spec: str) -> None:
    (fault,) = faults(broker=spec)

    assert fault.startswith("HORARIUM_BROKER: must be module:attribute")


def test_queues_are_the_apps_own_to_name() -> None:
    (fault,) = faults(broker="myapp.broker:broker", queues="a,b")

    assert fault.startswith("HORARIUM_QUEUES: ")
    assert load_settings({"HORARIUM_BROKER": "myapp.broker:broker"}).queues == ("default",)


def test_an_app_alone_is_embedded_and_runs_its_tasks_itself() -> None:
    """Nobody else could reach the ledger: one variable is enough."""
    settings = load_settings({"HORARIUM_BROKER": "myapp.broker:broker"})

    assert (settings.embedded, settings.runs_inline_worker) == (True, True)
