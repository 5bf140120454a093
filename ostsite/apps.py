from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig


class OstsiteConfig(AppConfig):
    name = "ostsite"
    default = True

    def ready(self) -> None:
        from ostsite import checks  # noqa: F401  importing registers them


class AdminConfig(SimpleAdminConfig):
    """Django's admin with a site of ours, which asks for a second factor."""

    default = False
    default_site = "ostsite.admin.Site"

    def ready(self) -> None:
        super().ready()
        self.module.autodiscover()
