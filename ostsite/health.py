"""/livez, /health and /metrics of the web process. Only /metrics asks who you are."""

from collections.abc import Callable

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from engine import metrics
from ostsite.middleware import RETRY_SECONDS, noted


class Probes:
    """Answers these addresses before anything looks at the Host: who asks knows the machine, not the site's name."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.views = {"/livez": livez, "/health": health, "/metrics": exposition}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.views.get(request.path_info, self.get_response)(request)


@require_safe
@never_cache
def livez(request: HttpRequest) -> HttpResponse:
    """The process answers; nothing else is asked."""
    return JsonResponse({"status": "alive"})


@require_safe
@never_cache
def health(request: HttpRequest) -> HttpResponse:
    """503 without a database. A late queue, or none who works on it, is `degraded`: pages are still served."""
    try:
        metrics.database_answers()
        queue = metrics.queue()
        last = {name: moment.isoformat() for name, moment in metrics.last_success().items()}
    except (OperationalError, InterfaceError) as error:
        noted(request, error)
        headers = {"Retry-After": str(RETRY_SECONDS)}
        return JsonResponse({"status": "unavailable", "database": "away"}, status=503, headers=headers)
    degraded = queue.late or not queue.workers
    return JsonResponse({
        "status": "degraded" if degraded else "ok",
        "database": "ok",
        "queue": {"due": queue.due, "oldest_seconds": round(queue.oldest, 1), "workers": queue.workers},
        "last_success": last,
    })  # fmt: skip


@require_safe
@never_cache
def exposition(request: HttpRequest) -> HttpResponse:
    """What Prometheus scrapes, for whoever brings METRICS_TOKEN; without one there is no such page."""
    if not settings.METRICS_TOKEN:
        raise Http404
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not constant_time_compare(token.strip(), settings.METRICS_TOKEN):
        return HttpResponse(status=401, headers={"WWW-Authenticate": 'Bearer realm="metrics"'})
    return HttpResponse(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)
