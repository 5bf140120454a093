"""Where each app is mounted."""

from django.urls import URLPattern, URLResolver, path

from ostsite import health

urlpatterns: list[URLPattern | URLResolver] = [
    path("livez", health.livez),
    path("health", health.health),
    path("metrics", health.exposition),
]
