from django.apps import AppConfig


class EmbeddedConfig(AppConfig):
    name = "lunatasks.luna_services.embedded"
    label = "embedded"
    verbose_name = "Faces"
