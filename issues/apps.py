from django.apps import AppConfig
from django.db.models.signals import post_migrate


class IssuesConfig(AppConfig):
    name = "issues"

    def ready(self) -> None:
        from issues.seeding import seed_when_empty

        post_migrate.connect(seed_when_empty, sender=self, dispatch_uid="issues.seeding")
