"""Where each app is mounted. The probes of ostsite/health.py answer before any address is looked up."""

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
