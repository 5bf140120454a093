"""Settings: every wrong value stops the process with one line that names it and says what is allowed."""

import os
import re
import runpy
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from ostsite import database, environment
from ostsite.database import DatabaseUnavailable
from recommendations.models import Weights

ROOT = Path(__file__).parents[2]
SETTINGS = ROOT / "ostsite" / "settings.py"
STRONG = "k9-" * 20
READ = re.compile(r"environment\.\w+\(\s*\"([A-Z_]+)\"")
NAMES = sorted({*READ.findall(SETTINGS.read_text()), "DATABASE_URL"})


@pytest.fixture(autouse=True)
def variables() -> Iterator[None]:
    """What a test sets is gone after it, and so is what was read from a file: it is read once."""
    environment.env.ENVIRON.files_cache.clear()
    before = dict(os.environ)
    os.environ.update(SECRET_KEY=STRONG)
    yield
    os.environ.clear()
    os.environ.update(before)


def load(**variables: str) -> dict[str, object]:
    """The settings, read anew from that environment."""
    os.environ.update(variables)
    return runpy.run_path(str(SETTINGS))


def refusal(**variables: str) -> str:
    with pytest.raises(ImproperlyConfigured) as refused:
        load(**variables)
    return str(refused.value)


def read_env(folder: Path, content: bytes) -> None:
    (folder / ".env").write_bytes(content)
    environment.read_file(folder / ".env")


# Wrong values

BASE = "http://host[:port][/path] or https://host[:port][/path], without user and password"
KEY = "8 to 500 characters without blanks and quotes"
UPSTREAMS = sorted(name for name in NAMES if re.match(r"(GITHUB|STACKEXCHANGE|REDDIT|HACKERNEWS)_\w*_URL$", name))
WRONG = [
    ("READ_TEXTS", "perhaps", "1, true, yes, on, 0, false, no, off"),
    ("DEBUG", "perhaps", "1, true, yes, on, 0, false, no, off"),
    ("SECRET_KEY", "hunter2", "at least 32 random characters"),
    ("SECRET_KEY", "django-insecure-" + "x" * 50, "at least 32 random characters"),
    ("DATABASE_URL", "mysql://someone:hunter2@db/ost", "postgresql://user:password@host:port/name"),
    ("DATABASE_URL", "hunter2", "postgresql://user:password@host:port/name"),
    ("DATABASE_URL", "postgresql://someone:hunter2@db:70000/ost", "postgresql://user:password@host:port/name"),
    ("DATABASE_URL", "postgresql://someone:hunter2@db:port/ost", "postgresql://user:password@host:port/name"),
    ("DATABASE_URL", "postgresql://someone:hunter2@db:0/ost", "postgresql://user:password@host:port/name"),
    ("DATABASE_URL", "postgresql://someone:hunter2@db", "postgresql://user:password@host:port/name"),
    ("DATABASE_URL", "postgresql://someone:hunter2@[db/ost", "postgresql://user:password@host:port/name"),
    ("EMBEDDING_PROVIDER", "cohere", "local, ollama, openai, together"),
    ("EMBEDDING_MODEL", "nomic embed", "at most 200 characters without blanks"),
    ("RETRY_ATTEMPTS", "5", "a whole number from 1 to 4"),
    ("BATCH_DELAY_MS", "-1", "a whole number from 0 to 60000"),
    ("OLLAMA_URL", "localhost:11434", BASE),
    ("OPENAI_BASE_URL", "http://someone:hunter2@models.example", BASE),
    ("TOGETHER_BASE_URL", "file:///etc/passwd", BASE),
    ("TOGETHER_API_KEY", "hunter2", KEY),
    ("EMBEDDING_DEVICE", "tpu", "auto, cpu, cuda"),
    ("EMBEDDING_PRECISION", "double", "full, fast, bulk"),
    ("MODEL_DIMENSIONS", "0", "a whole number from 1 to 2000"),
    ("MODEL_DIMENSIONS", "384.0", "a whole number from 1 to 2000"),
    ("BATCH_SIZE", "0", "a whole number from 1 to 512"),
    ("BATCH_SIZE", "-1", "a whole number from 1 to 512"),
    ("BATCH_SIZE", "513", "a whole number from 1 to 512"),
    ("BATCH_SIZE", "9" * 5000, "a whole number from 1 to 512"),
    ("PROJECT_TEXT", "stars", "meaning, embed_star"),
    ("RECOMMENDATION_SEMANTIC_WEIGHT", "-0.1", "a number from 0 to 1000"),
    ("RECOMMENDATION_CATEGORY_WEIGHT", "nan", "a number from 0 to 1000"),
    ("RECOMMENDATION_TECH_WEIGHT", "inf", "a number from 0 to 1000"),
    ("RECOMMENDATION_POPULARITY_WEIGHT", "0,2", "a number from 0 to 1000"),
    ("RECOMMENDATION_POPULARITY_THRESHOLD", "0", "a whole number from 1 to 1000000000"),
    ("RECOMMENDATION_TOP_N", "51", "a whole number from 1 to 50"),
    ("IMPRESSION_DAYS", "59", "a whole number from 60 to 3650"),
    ("RECOMMENDATION_MIN_SIMILARITY", "1.01", "a number from 0 to 1"),
    ("RECOMMENDATION_CACHE_TTL", "-1", "a whole number from 0 to 86400"),
    ("CLUSTER_METHOD", "kmeans", "graph, reference"),
    ("CLUSTER_WINDOW_DAYS", "0", "a whole number from 1 to 31"),
    ("LLM_API_BASE", "localhost:11434", BASE),
    ("LLM_API_BASE", "file:///etc/passwd", BASE),
    ("LLM_API_BASE", "http://169.254.169.254/v1", BASE),
    ("LLM_MODEL", "two words", "at most 200 characters without blanks"),
    ("LLM_FALLBACK_MODEL", "x" * 201, "at most 200 characters without blanks"),
    ("LLM_FALLBACK_API_BASE", "https://someone:hunter2@models.example", BASE),
    ("LLM_DAILY_CALLS", "-1", "a whole number from 0 to 1000000"),
    *[(f"{name}_API_KEY", "hunter2 hunter2", KEY) for name in ("LLM", "GROQ", "ANTHROPIC", "OPENAI")],
    ("LOG_LEVEL", "info", "DEBUG, INFO, WARNING, ERROR"),
    ("LOG_FORMAT", "xml", "text, json"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", BASE),
    ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2", "name=value,name=value"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "a b=hunter2", "name=value,name=value"),
    ("OTEL_SERVICE_NAME", "a\tb", "at most 200 printable ASCII characters"),
    ("REDIS_URL", "http://localhost:6379", "redis://host:port/number"),
    ("REDIS_CACHE_URL", "localhost", "redis://host:port/number"),
    ("Q_BROKER", "rabbit", "orm, redis"),
    ("Q_BROKER", "redis", "orm, or both of them"),
    ("WORKER_PROCESSES", "0", "a whole number from 1 to 64"),
    ("SITE_URL", "ost.example", "http://host[:port] or https://host[:port], nothing behind it"),
    ("SITE_URL", "https://ost.example/path", "http://host[:port] or https://host[:port], nothing behind it"),
    ("SITE_URL", "https://ost.example?q", "http://host[:port] or https://host[:port], nothing behind it"),
    ("SITE_URL", "https://someone@ost.example", "http://host[:port] or https://host[:port], nothing behind it"),
    ("SITE_URL", "https://ost.example:0", "http://host[:port] or https://host[:port], nothing behind it"),
    ("SITE_URL", "https://ost.example:port", "http://host[:port] or https://host[:port], nothing behind it"),
    ("SITE_URL", "https://[ost", "http://host[:port] or https://host[:port], nothing behind it"),
    ("SITE_URL", "javascript:alert(1)", "http://host[:port] or https://host[:port], nothing behind it"),
    ("PROXY_COUNT", "11", "a whole number from 0 to 10"),
    ("PROXY_COUNT", "-1", "a whole number from 0 to 10"),
    ("POCKETBASE_URL", "file:///etc/passwd", BASE),
    ("POCKETBASE_URL", "http://169.254.169.254", BASE),
    ("POCKETBASE_URL", "store.example:8090", BASE),
    ("POCKETBASE_URL", "http://someone:hunter2@store.example", BASE),
    ("POCKETBASE_URL", "http://store.example/?to=elsewhere", BASE),
    ("ALLOW_PRIVATE_UPSTREAMS", "perhaps", "1, true, yes, on, 0, false, no, off"),
    *[(name, "http://127.0.0.1:8000", "https://…, or ALLOW_PRIVATE_UPSTREAMS=1") for name in UPSTREAMS],
    *[(name, "file:///etc/passwd", BASE) for name in UPSTREAMS],
    *[(name, "hunter2 hunter2", KEY) for name in ("GITHUB_ACCESS_TOKEN", "STACKEXCHANGE_KEY", "REDDIT_CLIENT_SECRET")],
    *[(f"REDDIT_{name}", "a\tb", "at most 200 printable ASCII characters") for name in ("CLIENT_ID", "USER_AGENT")],
    ("EMAIL_URL", "hunter2", "smtp+tls://user:password@host:port or consolemail://"),
    ("EMAIL_URL", "https://someone:hunter2@mail.example", "smtp+tls://user:password@host:port or consolemail://"),
    ("EMAIL_URL", "smtp://someone:hunter2@mail.example:port", "smtp+tls://user:password@host:port or consolemail://"),
]


@pytest.mark.parametrize(("name", "value", "allowed"), WRONG, ids=lambda value: value[:40])
def test_a_wrong_value_is_refused_in_one_short_line_that_names_it_and_what_is_allowed(name, value, allowed):
    said = refusal(**{name: value})
    assert said.startswith(f"{name} is ")
    assert said.endswith(f"; allowed: {allowed}")
    assert "\n" not in said
    assert len(said) < 250


@pytest.mark.parametrize(
    ("name", "value"), [wrong[:2] for wrong in WRONG if wrong[0] in ("SECRET_KEY", "DATABASE_URL", "EMAIL_URL")]
)
def test_a_secret_is_never_shown(name, value):
    said = refusal(**{name: value})
    assert "hunter2" not in said
    assert value not in said


def test_every_setting_that_can_be_wrong_is_tried_here():
    free = {"ALLOWED_HOSTS", "METRICS_TOKEN", "MODEL_NAME", "EMBEDDING_CACHE"}  # any text will do
    free |= {"GITHUB_OAUTH_CLIENT_ID", "GITHUB_OAUTH_CLIENT_SECRET"}  # each, with the other
    free |= {"POCKETBASE_EMAIL", "POCKETBASE_PASSWORD"}  # with POCKETBASE_URL
    assert {name for name, *_ in WRONG} == set(NAMES) - free


def test_semantic_and_popularity_weight_cannot_both_be_0():
    said = refusal(RECOMMENDATION_SEMANTIC_WEIGHT="0", RECOMMENDATION_POPULARITY_WEIGHT="0")
    assert said == (
        "RECOMMENDATION_SEMANTIC_WEIGHT and RECOMMENDATION_POPULARITY_WEIGHT are both 0; allowed: at least one above 0"
    )


@pytest.mark.parametrize("name", ["REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET"])
def test_one_half_of_an_application_of_reddit_is_refused(name):
    said = refusal(**{name: "long-enough"})
    assert said.startswith("REDDIT_CLIENT_ID and REDDIT_CLIENT_SECRET belong together; allowed: both")


@pytest.mark.parametrize("name", ["GITHUB_OAUTH_CLIENT_ID", "GITHUB_OAUTH_CLIENT_SECRET"])
def test_signing_in_with_github_needs_both_of_its_settings(name):
    said = refusal(**{name: "hunter2"})
    assert said.startswith("GITHUB_OAUTH_CLIENT_ID and GITHUB_OAUTH_CLIENT_SECRET belong together; allowed: both")
    assert "hunter2" not in said


@pytest.mark.parametrize("missing", ["POCKETBASE_EMAIL", "POCKETBASE_PASSWORD"])
def test_a_live_store_needs_somebody_who_publishes(missing):
    whole = {"POCKETBASE_URL": "http://store", "POCKETBASE_EMAIL": "a@example.org", "POCKETBASE_PASSWORD": "hunter2"}
    said = refusal(**{**whole, missing: ""})
    assert said.startswith("POCKETBASE_URL is set without POCKETBASE_EMAIL or POCKETBASE_PASSWORD; allowed: all three")
    assert "hunter2" not in said


@pytest.mark.parametrize(("provider", "key"), [("openai", "OPENAI_API_KEY"), ("together", "TOGETHER_API_KEY")])
def test_a_provider_without_its_key_is_refused_at_start(provider, key):
    said = refusal(EMBEDDING_PROVIDER=provider)
    assert said == f"EMBEDDING_PROVIDER is {provider} without {key}; allowed: both, or another one"


@pytest.mark.parametrize(("model", "width"), [("", 768), ("mxbai-embed-large", 1024)])
def test_a_remote_model_that_is_known_by_name_has_its_width(model, width):
    assert load(EMBEDDING_PROVIDER="ollama", EMBEDDING_MODEL=model)["MODEL_DIMENSIONS"] == width


def test_what_people_type_goes_to_no_provider_unless_the_operator_says_so():
    assert load(EMBEDDING_PROVIDER="ollama", READ_TEXTS="")["READ_TEXTS"] is False


def test_a_given_database_needs_a_given_secret_key():
    os.environ.pop("SECRET_KEY")
    said = refusal(DATABASE_URL="postgresql://someone@db/ost")
    assert said == "SECRET_KEY is not set; allowed: at least 32 random characters"


def test_a_value_cannot_break_the_line_it_is_reported_in():
    assert "\n" not in refusal(LOG_LEVEL="INFO\nost: all is well")


@pytest.mark.parametrize(
    ("name", "value"),
    [("BATCH_SIZE", "0"), ("DATABASE_URL", "mysql://someone:hunter2@db/ost"), ("SECRET_KEY", "hunter2")],
)
def test_a_process_with_a_wrong_value_ends_with_2_and_one_line(manage, name, value):
    ended, out, error = manage("runs", **{name: value})
    assert (ended, out, error.count("\n"), "hunter2" in error) == (2, "", 1, False)
    assert re.match(rf"ost: {name} is .*; allowed: ", error)


def test_a_process_whose_secret_file_is_missing_ends_with_2_and_one_line(manage):
    answer = manage("runs", SECRET_KEY_FILE="/no/such/file")
    assert answer == (2, "", "ost: SECRET_KEY_FILE names a file that cannot be read: FileNotFoundError\n")


# Right values


def test_settings_load_with_nothing_but_a_key_and_a_database():
    found = load()
    assert (found["BATCH_SIZE"], found["MODEL_DIMENSIONS"], found["DEBUG"]) == (256, 384, False)


@pytest.mark.parametrize("value", ["1", "true", "YES", " On "])
def test_yes_has_several_words(value):
    assert load(DEBUG=value)["DEBUG"] is True


def test_a_value_that_is_empty_counts_as_absent():
    assert load(BATCH_SIZE=" ", LOG_LEVEL="")["BATCH_SIZE"] == 256


def test_hosts_are_separated_by_commas():
    assert load(ALLOWED_HOSTS=" a.example , b.example,")["ALLOWED_HOSTS"] == ["a.example", "b.example"]


@pytest.mark.parametrize("site", ["http://[::1]:8000", "https://ost.example", "https://ost.example:8443/"])
def test_a_site_has_an_address(site):
    found = load(SITE_URL=site)
    assert found["SITE_URL"] == site.rstrip("/")
    assert found["SECURE"] is site.startswith("https")


def test_mail_goes_to_the_server_that_is_named():
    found = load(EMAIL_URL="smtp+tls://someone:hunter2@mail.example:587", SITE_URL="https://ost.example")
    names = ("EMAIL_HOST", "EMAIL_PORT", "EMAIL_HOST_PASSWORD", "EMAIL_USE_TLS", "EMAIL_TIMEOUT", "DEFAULT_FROM_EMAIL")
    expected = ["mail.example", 587, "hunter2", True, 10, "OST Engine <noreply@ost.example>"]
    assert [found[name] for name in names] == expected


def test_without_a_mail_server_mail_is_shown():
    assert load()["EMAIL_BACKEND"] == "django.core.mail.backends.console.EmailBackend"


def test_every_session_of_the_database_has_time_limits():
    options = load()["DATABASES"]["default"]["OPTIONS"]
    assert options["connect_timeout"] == 5
    assert {"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} <= set(
        re.findall(r"-c (\w+)=", options["options"])
    )


def test_an_address_keeps_the_options_it_names():
    options = load(DATABASE_URL="postgres://someone@db/ost?sslmode=require")["DATABASES"]["default"]["OPTIONS"]
    assert options["sslmode"] == "require"


def test_without_a_key_one_is_made_once_and_only_its_owner_can_read_it(monkeypatch, tmp_path):
    monkeypatch.setattr(database, "base_folder", lambda: tmp_path)
    for name in ("SECRET_KEY", "DATABASE_URL"):
        os.environ.pop(name)
    first = runpy.run_path(str(SETTINGS))["SECRET_KEY"]
    assert runpy.run_path(str(SETTINGS))["SECRET_KEY"] == first
    assert len(first) > 50
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600


# Files


def test_a_secret_may_come_from_a_file(tmp_path):
    (tmp_path / "key").write_text(f"{'f1-' * 20}\n")
    os.environ.pop("SECRET_KEY")
    assert load(SECRET_KEY_FILE=str(tmp_path / "key"))["SECRET_KEY"] == "f1-" * 20


def test_the_address_of_the_database_may_come_from_a_file(tmp_path):
    (tmp_path / "address").write_text("postgresql://someone@db/from_a_file\n")
    os.environ.pop("DATABASE_URL")
    os.environ["DATABASE_URL_FILE"] = str(tmp_path / "address")
    assert database.url() == "postgresql://someone@db/from_a_file"


def test_a_file_of_the_address_that_cannot_be_read_is_named(tmp_path):
    os.environ["DATABASE_URL_FILE"] = str(tmp_path / "no")
    with pytest.raises(DatabaseUnavailable, match=r"^DATABASE_URL_FILE cannot be read: FileNotFoundError$"):
        database.url()


def test_env_lines_are_read(tmp_path):
    read_env(tmp_path, b"# a comment\nOST_ONE=1\n\nOST_TWO=two words\nOST_THREE='quoted # no comment'\n")
    assert [os.environ[f"OST_{name}"] for name in ("ONE", "TWO", "THREE")] == ["1", "two words", "quoted # no comment"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"OST_ONE=one\r\n", id="CRLF"),
        pytest.param(b"export OST_ONE=one\n", id="export"),
        pytest.param(b"\xef\xbb\xbfOST_ONE=one\n", id="byte order mark"),
        pytest.param(b'OST_ONE="one"\n', id="quotes"),
        pytest.param(b"OST_ONE=one", id="no end of line"),
    ],
)
def test_env_may_be_written_as_shells_and_windows_do(tmp_path, content):
    read_env(tmp_path, content)
    assert environment.text("OST_ONE") == "one"


def test_env_never_overrides_what_the_process_was_given(tmp_path):
    os.environ["OST_ONE"] = "given"
    read_env(tmp_path, b"OST_ONE=written\n")
    assert os.environ["OST_ONE"] == "given"


def test_env_may_be_missing(tmp_path):
    environment.read_file(tmp_path / ".env")


def test_an_env_that_is_no_utf_8_is_refused(tmp_path):
    with pytest.raises(ImproperlyConfigured, match=r"^\.env cannot be read: [^\n]+$"):
        read_env(tmp_path, b"OST_ONE=caf\xe9\n")


# Checks


def messages(tags: list[str], **options: object) -> list[str]:
    return [message.id or "" for message in run_checks(tags=tags, **options) if (message.id or "").startswith("ost.")]  # type: ignore[arg-type]


@pytest.mark.parametrize(("hosts", "found"), [([], ["ost.E001"]), (["*"], ["ost.E001"]), (["ost.example"], [])])
def test_a_deployment_names_its_hosts(settings, hosts, found):
    settings.ALLOWED_HOSTS = hosts
    assert messages(["security"], include_deployment_checks=True) == found


@pytest.mark.parametrize(
    ("host", "options", "found"),
    [
        ("db.example", {}, ["ost.W003"]),
        ("10.0.0.5", {}, ["ost.W003"]),
        ("localhost,db.example", {}, ["ost.W003"]),
        ("db.example", {"sslmode": "verify-full"}, []),
        ("database", {"sslmode": "disable"}, []),
        ("localhost", {}, []),
        ("127.0.0.1", {}, []),
        ("::1", {}, []),
        ("/var/run/postgresql", {}, []),
        ("", {}, []),
    ],
)
def test_a_database_on_another_machine_says_whether_it_is_encrypted(settings, monkeypatch, host, options, found):
    monkeypatch.delenv("PGSSLMODE", raising=False)
    settings.ALLOWED_HOSTS = ["ost.example"]
    monkeypatch.setitem(settings.DATABASES, "default", {"HOST": host, "OPTIONS": options})
    assert messages(["security"], include_deployment_checks=True) == found


def test_a_mode_of_the_driver_s_own_variable_counts_too(settings, monkeypatch):
    monkeypatch.setenv("PGSSLMODE", "require")
    settings.ALLOWED_HOSTS = ["ost.example"]
    monkeypatch.setitem(settings.DATABASES, "default", {"HOST": "db.example", "OPTIONS": {}})
    assert messages(["security"], include_deployment_checks=True) == []


@pytest.mark.django_db
def test_a_variable_that_differs_from_the_live_weights_is_named(settings):
    Weights.objects.current()
    settings.RECOMMENDATION_TOP_N = 7
    found = run_checks(tags=["database"], databases=["default"])
    assert [(message.id, message.msg) for message in found] == [
        ("ost.W001", "RECOMMENDATION_TOP_N differs from the live weights.")
    ]


@pytest.mark.django_db
def test_variables_that_equal_the_live_weights_are_no_matter():
    Weights.objects.current()
    assert run_checks(tags=["database"], databases=["default"]) == []


@pytest.mark.django_db
def test_before_the_first_weights_no_variable_differs(settings):
    settings.RECOMMENDATION_TOP_N = 7
    assert run_checks(tags=["database"], databases=["default"]) == []


# Told everywhere


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_has_a_line_in_the_example_and_in_the_docs(name):
    assert re.search(rf"^#? ?{name}=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert f"`{name}`" in (ROOT / "docs" / "configuration.md").read_text()


def example() -> dict[str, str]:
    """What `.env.example` shows, name -> value."""
    return dict(re.findall(r"^#? ?([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))


def test_the_example_names_no_setting_that_nobody_reads():
    assert set(example()) <= {*NAMES, *re.findall(r"\"([A-Z_]+)\"", SETTINGS.read_text())}


def test_the_example_shows_what_holds_without_it():
    shown = {name: value for name, value in example().items() if name in NAMES and name != "DATABASE_URL" and value}
    with_it, without = load(**shown), load(**dict.fromkeys(shown, ""))
    assert {name: with_it[name] for name in shown} == {name: without[name] for name in shown}
