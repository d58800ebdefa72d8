"""The service's settings, with the baseline's routes beside its own."""

from lunatasks.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.api_urls"
LOGGING_CONFIG = None
