from django.apps import AppConfig
from django.core.signals import request_started

from lunatasks.api import request_id


class ApiConfig(AppConfig):
    name = "lunatasks.api"
    label = "api"
    verbose_name = "REST API"

    def ready(self) -> None:
        from lunatasks.api import checks  # noqa: F401  registers them

        # earlier than any middleware, so that the lines of refused host names carry the id too
        request_started.connect(request_id.start_request, dispatch_uid="request_id")
