"""Authors, counted and not named."""

import hashlib
import hmac

from django.conf import settings


def author_hash(source: str, author: str | None) -> str:
    """Keyed, so that nobody can find a name by trying names; "" for nobody."""
    if not author:
        return ""
    return hmac.new(settings.SECRET_KEY.encode(), f"{source}:{author}".encode(), hashlib.sha256).hexdigest()
