from django.apps import AppConfig, apps
from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.db.models.signals import post_migrate


class OstsiteConfig(AppConfig):
    name = "ostsite"
    default = True

    def ready(self) -> None:
        # Late: they import models, which are there by now.
        from ostsite import accounts, checks  # noqa: F401  importing registers them
        from ostsite.roles import make_roles

        # The last of the apps whose permissions the roles have: those of the others are there by then.
        post_migrate.connect(make_roles, sender=apps.get_app_config("issues"), dispatch_uid="ostsite.roles")


class AdminConfig(SimpleAdminConfig):
    """Django's admin with a site of ours, which asks for a second factor."""

    default = False
    default_site = "ostsite.admin.Site"

    def ready(self) -> None:
        super().ready()
        admin.autodiscover()
        from ostsite.second_factors import hide_secrets  # it needs what was found

        hide_secrets(admin.site)
