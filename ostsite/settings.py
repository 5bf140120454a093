"""All settings, from the environment alone. docs/configuration.md says what each one does."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from engine import logs, precision, tracing
from engine.embeddings import known
from engine.timing import Timing
from ostsite import database, environment

BASE_DIR = Path(__file__).resolve().parent.parent
environment.read_file(Path(os.environ.get("OST_ENV_FILE", BASE_DIR / ".env")))


def secret_key() -> str:
    """SECRET_KEY; with the embedded database one is made and kept beside the data."""
    given = environment.secret("SECRET_KEY")
    if given:
        if len(given) < 32 or given.startswith("django-insecure-"):
            raise ImproperlyConfigured("SECRET_KEY is too weak; allowed: at least 32 random characters")
        return given
    if environment.text("DATABASE_URL"):
        raise ImproperlyConfigured("SECRET_KEY is not set; allowed: at least 32 random characters")
    path = database.base_folder() / "secret_key"
    folder = database.run_folder().parent
    if not path.exists():  # made aside and linked, so that of two first starts both read the same whole key
        fresh = folder / f"secret_key.{os.getpid()}"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        if not os.geteuid():  # root in somebody's checkout: what it makes there stays theirs
            os.chown(fresh, folder.stat().st_uid, folder.stat().st_gid)
        with suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    kept = path.read_text().strip()
    if not kept:
        raise ImproperlyConfigured(f"{path} is empty; delete it and a new key is made")
    environment.secrets.add(kept)
    return kept


# PostgreSQL's limits on a session, so that no lock outlives its owner: a page waits for nobody, a worker may.
SESSION_LIMITS = "statement_timeout=600s lock_timeout=30s idle_in_transaction_session_timeout=300s"
SERVES_PAGES = bool(os.environ.get("OST_SERVES_PAGES"))  # ostsite/webserver.py says so
if SERVES_PAGES:
    SESSION_LIMITS = "statement_timeout=5s lock_timeout=5s idle_in_transaction_session_timeout=60s"


def databases() -> dict[str, dict[str, object]]:
    """DATABASE_URL, or the embedded server."""
    url = environment.secret("DATABASE_URL") or database.url()
    problem = "DATABASE_URL is not an address; allowed: postgresql://user:password@host:port/name"
    try:
        if urlsplit(url).scheme not in ("postgres", "postgresql"):
            raise ImproperlyConfigured(problem)
        if urlsplit(url).port == 0:
            raise ImproperlyConfigured(problem)
        config = environment.env.db_url_config(url)
    except ValueError:
        raise ImproperlyConfigured(problem) from None
    if not config.get("NAME"):
        raise ImproperlyConfigured(problem)
    options = config.setdefault("OPTIONS", {})
    for name in ("host", "port"):  # of a socket's folder; `dbshell` looks for them here
        config[name.upper()] = options.pop(name, config[name.upper()])
    options.setdefault("connect_timeout", 5)
    for name, seconds in (("keepalives_idle", 10), ("keepalives_interval", 5), ("keepalives_count", 3)):
        options.setdefault(name, seconds)  # a network that went silent is noticed within half a minute
    options.setdefault("tcp_user_timeout", 30_000)  # milliseconds, for what was sent and is not acknowledged
    options.setdefault("prepare_threshold", 2)  # for the cursors that prepare at all: engine/postgresql
    limits = f"{SESSION_LIMITS} client_connection_check_interval=2s"
    options.setdefault("options", " ".join(f"-c {limit}" for limit in limits.split()))
    config["ENGINE"] = "engine.postgresql"
    return {"default": {**config, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}}


DEBUG = environment.yes_or_no("DEBUG", False)
ALLOWED_HOSTS = environment.names("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
SECRET_KEY = secret_key()
DATABASES = databases()
GITHUB_OAUTH_CLIENT_ID = environment.text("GITHUB_OAUTH_CLIENT_ID")
GITHUB_OAUTH_CLIENT_SECRET = environment.secret("GITHUB_OAUTH_CLIENT_SECRET")
if bool(GITHUB_OAUTH_CLIENT_ID) != bool(GITHUB_OAUTH_CLIENT_SECRET):
    raise ImproperlyConfigured(
        "GITHUB_OAUTH_CLIENT_ID and GITHUB_OAUTH_CLIENT_SECRET belong together; allowed: both of them, or neither"
    )
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "ostsite.apps.AdminConfig",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.github",
    "csp",
    "django_filters",
    "django_htmx",
    "django_q",
    "drf_spectacular",
    "import_export",
    "rest_framework",
    "engine",
    "recommendations",
    "issues",
    "ostsite",
]
MIDDLEWARE = [
    "ostsite.middleware.RequestLog",
    "ostsite.middleware.DatabaseAway",
    "ostsite.health.Probes",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "ostsite.middleware.Boundary",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "ostsite.middleware.Private",
]
ROOT_URLCONF = "ostsite.urls"
WSGI_APPLICATION = "ostsite.wsgi.application"
TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = "ostsite.formats"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "ostsite.context.site",
            ],
        },
    },
]
FORM_RENDERER = "ostsite.forms.Renderer"

# Static files come from where they are kept: there is no build step, and nothing to collect.
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_MAX_AGE = 0 if DEBUG else 3600

# Where people reach the site. An https address makes cookies secure and plain http go there.
SITE_URL = environment.address("SITE_URL", "http://127.0.0.1:8000")
SECURE = SITE_URL.startswith("https://")
PROXY_COUNT = environment.whole("PROXY_COUNT", 0, 0, 10)  # proxies of ours in front, whose X-Forwarded-For is believed
CSRF_TRUSTED_ORIGINS = [SITE_URL]
CSRF_FAILURE_VIEW = "ostsite.errors.stale_form"
SESSION_COOKIE_AGE = 14 * 24 * 3600
for cookie in ("SESSION", "CSRF"):
    globals()[f"{cookie}_COOKIE_NAME"] = f"{'__Host-' if SECURE else ''}{cookie.lower()}"
    globals()[f"{cookie}_COOKIE_SECURE"] = SECURE
    globals()[f"{cookie}_COOKIE_HTTPONLY"] = True
    globals()[f"{cookie}_COOKIE_SAMESITE"] = "Lax"
SECURE_SSL_REDIRECT = SECURE
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PROXY_COUNT else None
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'", *(["https://github.com"] if GITHUB_OAUTH_CLIENT_ID else [])],
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
DATA_UPLOAD_MAX_NUMBER_FILES = 10

# Accounts. A name and a password are enough; an address is only needed to ask for another password.
AUTHENTICATION_BACKENDS = ["ostsite.accounts.Backend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator",
                 "NumericPasswordValidator")
]  # fmt: skip
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "for_you"
LOGOUT_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "ostsite.accounts.AccountAdapter"
SOCIALACCOUNT_ADAPTER = "ostsite.accounts.SocialAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_FORMS = {
    "login": "ostsite.account_forms.Login",
    "signup": "ostsite.account_forms.Signup",
    "add_email": "ostsite.account_forms.AddEmail",
    "change_password": "ostsite.account_forms.ChangePassword",
    "set_password": "ostsite.account_forms.SetPassword",
    "reset_password": "ostsite.account_forms.ResetPassword",
    "reset_password_from_key": "ostsite.account_forms.ResetPasswordKey",
    "reauthenticate": "ostsite.account_forms.Reauthenticate",
}
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_EMAIL_SUBJECT_PREFIX = "OST Engine: "
ACCOUNT_PREVENT_ENUMERATION = "strict"  # nobody learns from signing up whose addresses are known here
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,5/5m/key"}  # key: the name; what else is limited, allauth knows
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True  # before another way in is added: an address, a GitHub account
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if SECURE else "http"
ALLAUTH_TRUSTED_PROXY_COUNT = PROXY_COUNT
MFA_ADAPTER = "ostsite.accounts.MFAAdapter"
MFA_FORMS = {
    "activate_totp": "ostsite.account_forms.ActivateTOTP",
    "authenticate": "ostsite.account_forms.Authenticate",
    "reauthenticate": "ostsite.account_forms.ReauthenticateByCode",
}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "OST Engine"
MFA_ALLOW_UNVERIFIED_EMAIL = True  # an address is not who somebody is here
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_QUERY_EMAIL = False
SOCIALACCOUNT_PROVIDERS = {
    "github": {
        "SCOPE": ["read:user"],
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [{"client_id": GITHUB_OAUTH_CLIENT_ID, "secret": GITHUB_OAUTH_CLIENT_SECRET}]
        if GITHUB_OAUTH_CLIENT_ID
        else [],
    }
}
vars().update(environment.email("EMAIL_URL", "consolemail://"))
EMAIL_TIMEOUT = 10  # seconds
DEFAULT_FROM_EMAIL = f"OST Engine <noreply@{urlsplit(SITE_URL).hostname}>"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "engine.api.authentication.KeyAuthentication",
        "engine.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["engine.api.permissions.KeyScope"],
    "DEFAULT_PARSER_CLASSES": ["engine.api.parsing.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "rest_framework.negotiation.DefaultContentNegotiation",
    "DEFAULT_SCHEMA_CLASS": "engine.api.schema.Operation",
    "DEFAULT_THROTTLE_CLASSES": ["engine.api.throttling.Throttle"],
    "DEFAULT_THROTTLE_RATES": {"anon": 60, "user": 600, "try": 30},  # a minute
    "DEFAULT_VERSIONING_CLASS": None,
    "EXCEPTION_HANDLER": "engine.api.errors.handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "OST Engine",
    "VERSION": "1",
    "DESCRIPTION": "Projects worth a developer's time, with the reasons. A list is {next, previous, results}; next and"
    " previous are addresses to follow as they are. A write with the header Idempotency-Key, 1 to 200 printable"
    " characters, is done once: for a day its repetition gets the same answer, another request with that key 422.",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVERS": [{"url": SITE_URL}],
    "COMPONENT_SPLIT_REQUEST": True,
    "ENABLE_DJANGO_DEPLOY_CHECK": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}

# The pipelines that `run_pipeline` knows, by name. engine finds them here, so it knows no domain.
PIPELINES = {
    "recommendations": "recommendations.pipeline.RECOMMENDATIONS",
    "issues": "issues.pipeline.ISSUES",
    "conversations": "recommendations.conversations.CONVERSATIONS",
}
# What a page shows of the app that it may not import: slot -> function. engine/slots.py finds them here.
SLOTS = {
    "solvers": "ostsite.bridge.solvers",
    "problems": "ostsite.bridge.problems",
    "growing": "ostsite.bridge.growing",
    "subjects": "ostsite.bridge.subjects",
    "subjects_named": "ostsite.bridge.subjects_named",
    "outbox": "issues.waits.outbox",
    "language_models": "issues.spending.language_models",
}
# What `prune` empties: name -> function(how many to keep) -> how many went.
PRUNED = {
    "generations": "recommendations.generations.prune",
    "clusterings": "issues.clusterings.prune",
    "live_records": "issues.publishing.prune",
    "allowances": "engine.pruning.allowances",
    "replies": "engine.api.idempotency.prune",
    "fetches": "engine.pruning.fetches",
    "impressions": "recommendations.showing.prune",
    "paid_vectors": "engine.pruning.paid_vectors",
    "first_issues": "recommendations.first_issues.prune",
    "sessions": "engine.pruning.sessions",
    "vectors": "engine.embeddings.changing.prune",
    "snapshots": "engine.snapshots.prune",
}
# Which embedding models readers still need though they are retired: functions that give their ids. And what the page of
# the models shows besides: functions that give a table each (engine/versions.py).
MODEL_READERS = ("recommendations.generations.models_read", "issues.clusterings.models_read")
# The staff's pages, in the order of the bar above them: name -> name of the address in the admin, permission.
STAFF_PAGES = {
    "Overview": ("engine_run_overview", "engine.view_run"),
    "Runs": ("engine_run_changelist", "engine.view_run"),
    "Assets": ("engine_run_assets", "engine.view_run"),
    "Sources": ("engine_source_changelist", "engine.view_source"),
    "Models": ("engine_embeddingmodel_changelist", "engine.view_embeddingmodel"),
    "Embeddings": ("engine_run_embeddings", "engine.view_run"),
    "Latency": ("engine_run_latency", "engine.view_run"),
    "Calls": ("engine_run_calls", "engine.view_run"),
    "Sizes": ("engine_run_sizes", "engine.view_run"),
    "Anomalies": ("engine_anomaly_changelist", "engine.view_anomaly"),
    "Engagement": ("recommendations_impression_engagement", "recommendations.measure_impression"),
    "Audit": ("engine_audit_changelist", "engine.view_audit"),
}
VERSIONS = ("recommendations.versions.taxonomy", "recommendations.versions.weights")
# What a schedule may name besides, name -> function that says what it did; and figures for /metrics of tables of ours.
CHORES = {
    "publish": "issues.relaying.by_clock",
    "resync": "issues.relaying.resync_by_clock",
    "purge": "issues.purging.by_clock",
    "stars": "recommendations.stars.by_clock",
    "intents": "recommendations.intents.by_clock",
    "indexes": "engine.embeddings.indexes.by_clock",
    "agreement": "engine.embeddings.comparing.by_clock",
    "snapshot": "engine.snapshots.by_clock",
    "anomalies": "engine.noticing.by_clock",
}
FIGURES = ("engine.standing.figures", "issues.publishing.figures", "recommendations.serving.figures")
# What all processes add up in the table of tallies, for /metrics.
TALLIES = (
    "engine.embeddings.counting.TALLIES",
    "engine.runs.TALLIES",
    "issues.labelling.TALLIES",
    "recommendations.serving.TALLIES",
    "recommendations.showing.TALLIES",
    "ostsite.latency.TALLIES",
)
# Of which tallies, with the labels `of` and `outcome`, which outcomes are misses; more of them than usual is noticed.
MISSES = {"ost_recommendation_answers_total": ("no_vector", "no_neighbour")}
SCHEDULES = "ostsite.schedules.SCHEDULES"
TIMING = Timing()
RUN_FOLDER = database.run_folder()  # locks, and the records by which a starting worker knows its predecessors

CLUSTER_METHOD = environment.choice("CLUSTER_METHOD", "graph", ("graph", "reference"))
CLUSTER_WINDOW_DAYS = environment.whole("CLUSTER_WINDOW_DAYS", 1, 1, 31)
# Who labels clusters: a model, and the one behind it. With none, labels are taken from the posts themselves.
LLM_MODEL = environment.model("LLM_MODEL")
LLM_API_BASE = environment.base("LLM_API_BASE")
LLM_FALLBACK_MODEL = environment.model("LLM_FALLBACK_MODEL")
LLM_FALLBACK_API_BASE = environment.base("LLM_FALLBACK_API_BASE")
LLM_API_KEY = environment.key("LLM_API_KEY")
LLM_DAILY_CALLS = environment.whole("LLM_DAILY_CALLS", 500, 0, 1_000_000)
GROQ_API_KEY = environment.key("GROQ_API_KEY")
ANTHROPIC_API_KEY = environment.key("ANTHROPIC_API_KEY")
OPENAI_API_KEY = environment.key("OPENAI_API_KEY")

# Where visible issues are published, if anywhere.
POCKETBASE_URL = environment.base("POCKETBASE_URL")
POCKETBASE_EMAIL = environment.text("POCKETBASE_EMAIL")
POCKETBASE_PASSWORD = environment.secret("POCKETBASE_PASSWORD")
if POCKETBASE_URL and not (POCKETBASE_EMAIL and POCKETBASE_PASSWORD):
    raise ImproperlyConfigured(
        "POCKETBASE_URL is set without POCKETBASE_EMAIL or POCKETBASE_PASSWORD; allowed: all three, or not the first"
    )

# Where is collected from, and as whom. What comes from there never says where a request goes.
ALLOW_PRIVATE_UPSTREAMS = environment.yes_or_no("ALLOW_PRIVATE_UPSTREAMS", False)
GITHUB_API_URL = environment.upstream("GITHUB_API_URL", "https://api.github.com", ALLOW_PRIVATE_UPSTREAMS)
GITHUB_GRAPHQL_URL = environment.upstream(
    "GITHUB_GRAPHQL_URL", "https://api.github.com/graphql", ALLOW_PRIVATE_UPSTREAMS
)
GITHUB_ACCESS_TOKEN = environment.key("GITHUB_ACCESS_TOKEN")
STACKEXCHANGE_API_URL = environment.upstream(
    "STACKEXCHANGE_API_URL", "https://api.stackexchange.com/2.3", ALLOW_PRIVATE_UPSTREAMS
)
STACKEXCHANGE_KEY = environment.key("STACKEXCHANGE_KEY")
REDDIT_API_URL = environment.upstream("REDDIT_API_URL", "https://oauth.reddit.com", ALLOW_PRIVATE_UPSTREAMS)
REDDIT_TOKEN_URL = environment.upstream(
    "REDDIT_TOKEN_URL", "https://www.reddit.com/api/v1/access_token", ALLOW_PRIVATE_UPSTREAMS
)
REDDIT_CLIENT_ID = environment.header("REDDIT_CLIENT_ID")
environment.secrets.add(REDDIT_CLIENT_ID)
REDDIT_CLIENT_SECRET = environment.key("REDDIT_CLIENT_SECRET")
if bool(REDDIT_CLIENT_ID) != bool(REDDIT_CLIENT_SECRET):
    raise ImproperlyConfigured(
        "REDDIT_CLIENT_ID and REDDIT_CLIENT_SECRET belong together; allowed: both of them, or neither"
    )
HACKERNEWS_API_URL = environment.upstream(
    "HACKERNEWS_API_URL", "https://hn.algolia.com/api/v1", ALLOW_PRIVATE_UPSTREAMS
)
HACKERNEWS_FIREBASE_URL = environment.upstream(
    "HACKERNEWS_FIREBASE_URL", "https://hacker-news.firebaseio.com/v0", ALLOW_PRIVATE_UPSTREAMS
)
USER_AGENT = f"ost-engine/1 (+{SITE_URL})"
REDDIT_USER_AGENT = environment.header("REDDIT_USER_AGENT", f"linux:{USER_AGENT}")

REDIS_URL = environment.redis("REDIS_URL") or environment.redis("REDIS_CACHE_URL")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"socket_connect_timeout": 2, "socket_timeout": 2},  # one that went silent holds no thread
    }
    if REDIS_URL
    else {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "ost_cache",
        "OPTIONS": {"MAX_ENTRIES": 20_000},  # of 300 the counters of sign-ins would be thrown out
    },
    # What django-q tells of itself twice a second: the ledger and the watchdog know better, nobody reads it.
    "queue": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
}

Q_BROKER = environment.choice("Q_BROKER", "orm", ("orm", "redis"))
if Q_BROKER == "redis" and not REDIS_URL:
    raise ImproperlyConfigured("Q_BROKER is redis, but REDIS_URL is not set; allowed: orm, or both of them")
WORKER_PROCESSES = environment.whole("WORKER_PROCESSES", 2, 1, 64)
Q_CLUSTER = {
    "name": "ost",
    **{
        "orm": {"orm": "default", "broker_class": "engine.brokers.DatabaseBroker"},
        "redis": {"redis": REDIS_URL, "broker_class": "engine.brokers.RedisBroker"},
    }[Q_BROKER],
    "workers": WORKER_PROCESSES,
    "bulk": 1,
    "queue_limit": 1,  # what waits inside a cluster no other cluster can take
    "timeout": TIMING.timeout,
    "retry": 3 * TIMING.timeout + 60,  # far above any job: the reconciler rings again long before
    "ack_failures": True,
    "max_attempts": 1,
    "save_limit": -1,  # the ledger tells what ran
    "guard_cycle": 0.5,
    "poll": 0.25,  # of two keys in turn
    "recycle": 0,
    "catch_up": False,
    "scheduler": False,  # engine.jobs runs it, once it has looked at the rows: a bad one would stop them all
    "cache": "queue",
}

EMBEDDING_PROVIDERS = {
    "local": "engine.embeddings.local.LocalEmbedder",
    "ollama": "engine.embeddings.providers.ollama",
    "openai": "engine.embeddings.providers.openai",
    "together": "engine.embeddings.providers.together",
}
EMBEDDING_PROVIDER = environment.choice("EMBEDDING_PROVIDER", "local", tuple(EMBEDDING_PROVIDERS))
MODEL_NAME = environment.text("MODEL_NAME", "sentence-transformers/all-MiniLM-L6-v2")
REMOTE_MODELS = {
    "ollama": "nomic-embed-text",
    "openai": "text-embedding-3-small",
    "together": "BAAI/bge-base-en-v1.5",
}
EMBEDDING_MODEL = environment.model("EMBEDDING_MODEL") or REMOTE_MODELS.get(EMBEDDING_PROVIDER, "")
wanted_model = MODEL_NAME if EMBEDDING_PROVIDER == "local" else EMBEDDING_MODEL
MODEL_DIMENSIONS = environment.whole(
    "MODEL_DIMENSIONS", known.USUAL.get(wanted_model, 384), 1, 2000  # an index takes no more than 2,000
)  # fmt: skip
if not known.fits(wanted_model, MODEL_DIMENSIONS):
    raise ImproperlyConfigured(
        f"MODEL_DIMENSIONS is {MODEL_DIMENSIONS}; allowed: {known.USUAL[wanted_model]}, the width of {wanted_model}"
    )
OLLAMA_URL = environment.base("OLLAMA_URL") or "http://127.0.0.1:11434"
OPENAI_BASE_URL = environment.base("OPENAI_BASE_URL") or "https://api.openai.com/v1"
TOGETHER_API_KEY = environment.key("TOGETHER_API_KEY")
TOGETHER_BASE_URL = environment.base("TOGETHER_BASE_URL") or "https://api.together.xyz/v1"
for provider, name, key in (
    ("openai", "OPENAI_API_KEY", OPENAI_API_KEY), ("together", "TOGETHER_API_KEY", TOGETHER_API_KEY),
):  # fmt: skip
    if provider == EMBEDDING_PROVIDER and not key:
        raise ImproperlyConfigured(f"EMBEDDING_PROVIDER is {provider} without {name}; allowed: both, or another one")
RETRY_ATTEMPTS = environment.whole("RETRY_ATTEMPTS", 3, 1, 4)  # with a fifth fault in a row the gate closes
BATCH_DELAY_MS = environment.whole("BATCH_DELAY_MS", 0, 0, 60_000)
EMBEDDING_DEVICE = environment.choice("EMBEDDING_DEVICE", "auto", ("auto", "cpu", "cuda"))
CPUINFO = Path("/proc/cpuinfo")  # of Linux; elsewhere nothing is known of the processor
EMBEDDING_PRECISION = environment.choice(
    "EMBEDDING_PRECISION", precision.usual(CPUINFO.read_text() if CPUINFO.exists() else ""), precision.PRECISIONS
)
EMBEDDING_CACHE = environment.text("EMBEDDING_CACHE", str(database.base_folder() / "exported"))
BATCH_SIZE = environment.whole("BATCH_SIZE", 256, 1, 512)

# Whether a web process has what people type embedded. Theirs leaves this machine only where the operator says so.
READ_TEXTS = environment.yes_or_no("READ_TEXTS", EMBEDDING_PROVIDER == "local")

# Which text of a project is embedded: its meaning alone, or the text of embed_star with its stars.
PROJECT_TEXT = environment.choice("PROJECT_TEXT", "meaning", ("meaning", "embed_star"))

# The first version of the weights. Afterwards the live row rules, and ost.W001 names what differs.
RECOMMENDATION_SEMANTIC_WEIGHT = environment.number("RECOMMENDATION_SEMANTIC_WEIGHT", 0.65, 0, 1000)
RECOMMENDATION_CATEGORY_WEIGHT = environment.number("RECOMMENDATION_CATEGORY_WEIGHT", 0.1, 0, 1000)
RECOMMENDATION_TECH_WEIGHT = environment.number("RECOMMENDATION_TECH_WEIGHT", 0.1, 0, 1000)
RECOMMENDATION_POPULARITY_WEIGHT = environment.number("RECOMMENDATION_POPULARITY_WEIGHT", 0.15, 0, 1000)
RECOMMENDATION_POPULARITY_THRESHOLD = environment.whole("RECOMMENDATION_POPULARITY_THRESHOLD", 100_000, 1, 10**9)
IMPRESSION_DAYS = environment.whole("IMPRESSION_DAYS", 180, 60, 3_650)
RECOMMENDATION_TOP_N = environment.whole("RECOMMENDATION_TOP_N", 5, 1, 50)
RECOMMENDATION_MIN_SIMILARITY = environment.number("RECOMMENDATION_MIN_SIMILARITY", 0.1, 0, 1)
if not RECOMMENDATION_SEMANTIC_WEIGHT + RECOMMENDATION_POPULARITY_WEIGHT:
    raise ImproperlyConfigured(
        "RECOMMENDATION_SEMANTIC_WEIGHT and RECOMMENDATION_POPULARITY_WEIGHT are both 0; allowed: at least one above 0"
    )

# Seconds for which an answer is given again while nothing changed that it is made from; 0: never.
RECOMMENDATION_CACHE_TTL = environment.whole("RECOMMENDATION_CACHE_TTL", 3600, 0, 86_400)

# No model hub is asked at run time: the weights of the default model come with a package.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

LOG_LEVEL = environment.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOG_FORMAT = environment.choice("LOG_FORMAT", "text", logs.FORMATS)
METRICS_TOKEN = environment.secret("METRICS_TOKEN")
# Where traces go, if anywhere.
OTEL_EXPORTER_OTLP_ENDPOINT = environment.base("OTEL_EXPORTER_OTLP_ENDPOINT")
OTEL_EXPORTER_OTLP_HEADERS = environment.headers("OTEL_EXPORTER_OTLP_HEADERS")
OTEL_SERVICE_NAME = environment.header("OTEL_SERVICE_NAME", "ost-engine")
tracing.configure(OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME)
logs.configure(environment.secrets)  # last, when every secret is read
LOGGING = logs.logging_config(LOG_FORMAT, LOG_LEVEL, ours=("ostsite", "engine", "recommendations", "issues"))
