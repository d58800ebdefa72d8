from django.apps import AppConfig
from django.conf import settings


class WorkersConfig(AppConfig):
    name = "workers"
    verbose_name = "Workers"

    def ready(self) -> None:
        if settings.LUNATASKS_FAULTS_DIR or settings.LUNATASKS_BUG or settings.LUNATASKS_CLOCK_OFFSET:
            from workers.torture import hooks

            hooks.install()
