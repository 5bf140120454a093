"""/livez, /health and /metrics of the web process. Only /metrics asks who you are."""

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from engine import metrics


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
    except DatabaseError:
        connection.close()
        return JsonResponse({"status": "unavailable", "database": "away"}, status=503, headers={"Retry-After": "5"})
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
