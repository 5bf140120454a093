from django.apps import AppConfig


class OstsiteConfig(AppConfig):
    name = "ostsite"

    def ready(self) -> None:
        from ostsite import checks  # noqa: F401  importing registers them
