"""What every template may use."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, Any]:
    return {"site_name": "OST Engine", "github_sign_in": bool(settings.GITHUB_OAUTH_CLIENT_ID)}
