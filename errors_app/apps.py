from django.apps import AppConfig


class ErrorsConfig(AppConfig):
    name = "errors_app"
    verbose_name = "Task errors"
