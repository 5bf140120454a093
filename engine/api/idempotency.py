"""A write that comes twice with the same Idempotency-Key is done once, and answered twice alike."""

import hashlib
import re
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models.functions import Now
from django.http import HttpResponse
from rest_framework.request import Request

from engine.api.errors import Refusal
from engine.models import IdempotentReply

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEY = re.compile(r"[ -~]{1,200}")
KEPT = timedelta(hours=24)
AT_WORK = timedelta(seconds=60)  # a longer silence, and whoever was at work has died

CLAIM = """
INSERT INTO engine_idempotentreply AS reply (user_id, key, request_hash, body)
VALUES (%(user)s, %(key)s, %(hash)s, '')
ON CONFLICT (user_id, key) DO UPDATE
SET request_hash = excluded.request_hash, status = NULL, body = '', begun_at = now()
WHERE reply.begun_at < now() - %(kept)s
   OR (reply.status IS NULL AND reply.request_hash = excluded.request_hash AND reply.begun_at < now() - %(at_work)s)
RETURNING id, begun_at
"""


class Claim(NamedTuple):
    """That this request is at work for a key. begun_at: one that was taken over has another by now."""

    pk: int
    begun_at: datetime


class Replay(Exception):
    """The answer was given before."""

    def __init__(self, reply: IdempotentReply) -> None:
        self.reply = reply

    @property
    def response(self) -> HttpResponse:
        kept = self.reply
        response = HttpResponse(kept.body.encode(), status=kept.status, headers={REPLAYED: "true"})
        if kept.body:
            response["Content-Type"] = "application/json"
        else:
            del response["Content-Type"]
        return response


def begin(request: Request) -> Claim | None:
    """Claim the key of a write, if it has one. Raises Replay when it is done already."""
    key = request.headers.get(HEADER)
    if key is None or request.method in ("GET", "HEAD") or not request.user.is_authenticated:
        return None
    if not KEY.fullmatch(key):
        raise Refusal(400, "bad_idempotency_key", "Allowed: 1 to 200 printable ASCII characters.", HEADER)
    said = digest_of(request)
    claim = claimed(request.user.pk, key, said)
    if claim is None:
        answer(request.user.pk, key, said)
    return claim


def digest_of(request: Request) -> str:
    """Of method, address and body."""
    about = f"{request.method} {request.get_full_path()}\n".encode("utf-8", "surrogateescape")
    return hashlib.sha256(about + request._request.body).hexdigest()


def claimed(user: int, key: str, said: str) -> Claim | None:
    """A claim on a new key, on one whose answer is old, or on one whose worker died; None for any other."""
    values: dict[str, Any] = {"user": user, "key": key, "hash": said, "kept": KEPT, "at_work": AT_WORK}
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, values)
        row = cursor.fetchone()
    return Claim(*row) if row else None


def answer(user: int, key: str, said: str) -> None:
    """Raise what the other request with that key left."""
    kept = IdempotentReply.objects.filter(user=user, key=key).first()
    if kept and kept.request_hash != said:
        raise Refusal(422, "idempotency_key_reused", "The key belongs to another request.", HEADER)
    if kept is None or kept.status is None:
        raise Refusal(409, "at_work", "The first request with this key is still at work.", HEADER, retry_after=1)
    raise Replay(kept)


def end(claim: Claim, response: HttpResponse | None) -> None:
    """Keep the answer. One that a later try may better is not kept, nor is one that never came."""
    mine = IdempotentReply.objects.filter(pk=claim.pk, begun_at=claim.begun_at)
    if response is None or response.status_code >= 500 or response.status_code in (409, 429):
        mine.delete()
    else:
        mine.update(status=response.status_code, body=response.content.decode())


def prune(keep: int = 0) -> int:
    """Remove the answers that are older than a day, whatever `keep` says; how many went."""
    return IdempotentReply.objects.filter(begun_at__lt=Now() - KEPT).delete()[0]
