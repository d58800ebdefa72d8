from django.apps import AppConfig


class AdminSiteConfig(AppConfig):
    name = "lunatasks.admin_site"
    label = "admin_site"
    verbose_name = "Administration"
