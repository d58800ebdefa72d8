from django.apps import AppConfig
from django.contrib.admin import apps as django_admin
from django.db.models.signals import post_migrate


class AdminSiteConfig(AppConfig):
    default = True
    name = "lunatasks.admin_site"
    label = "admin_site"
    verbose_name = "Administration"

    def ready(self) -> None:
        from lunatasks.admin_site.roles import create_roles

        post_migrate.connect(create_roles, dispatch_uid="lunatasks.admin_site.roles")


class LunaAdminConfig(django_admin.AdminConfig):
    """Django's admin with our site as `django.contrib.admin.site`."""

    default = False
    default_site = "lunatasks.admin_site.site.LunaAdminSite"
