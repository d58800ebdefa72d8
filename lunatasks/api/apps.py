from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "lunatasks.api"
    label = "api"
    verbose_name = "REST API"
