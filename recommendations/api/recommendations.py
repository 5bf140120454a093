"""What somebody is recommended, with reasons: an answer is made once and kept as bytes."""

import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple, cast

from django.conf import settings
from django.contrib.auth.models import User
from django.http import Http404, HttpResponse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from engine.api.schema import described
from engine.api.views import View, etag_of
from engine.models import ApiKey, Audit
from engine.models.access import Along
from engine.postgresql import prepared
from engine.recent import Recent
from recommendations import answers, serving, showing
from recommendations.api import examples
from recommendations.api import serializers as facts
from recommendations.api.views import caller
from recommendations.models import Recommendation

Rendered = tuple[bytes, str, showing.List | None]
# The key holds all that an answer is made from: of whom, by what name, as known when, by which generation (its model,
# its weights), how many, on which day. What moves a list moves changed_at with it, so that nothing has to be thrown
# away.
RENDERED: Recent[tuple[Any, ...], Rendered] = Recent(2000, lasts=lambda: settings.RECOMMENDATION_CACHE_TTL)


class Recommendations(View):
    """Of one person, for that person and for staff who may; to others there is no such thing."""

    asks = facts.TopAsked

    @described(
        "recommendations",
        "What a person is recommended, and why.",
        {200: (facts.RecommendationList, examples.RECOMMENDATIONS)},
        403,
        404,
        told="Read by that person, with their key, and by staff with the permission `view_recommendation`.",
    )
    def get(self, request: Request, username: str) -> HttpResponse:
        along = request.auth.along if isinstance(request.auth, ApiKey) else None
        asked = Asked(*along) if along else asked_for(username)
        allow_reading(caller(request), asked.person, username)
        key = (asked.person, username, asked.changed_at, asked.generation, self.asked["top"], showing.today())
        body, etag, shown = RENDERED.get(key) or self.rendered(key, asked, username)
        if caller(request).pk == asked.person and showing.really(request):
            showing.show(shown, soon=False)
        return HttpResponse(body, content_type="application/json", headers={"ETag": etag})

    def read_along(self) -> Along:
        return Along(COLUMNS, f"LEFT JOIN auth_user person ON {PERSON} {JOINS}", (self.kwargs["username"],))

    def rendered(self, key: tuple[Any, ...], asked: "Asked", username: str) -> Rendered:
        """The answer as bytes; kept as long as nothing changes that it is made from."""
        began, found, top = time.monotonic(), None, self.asked["top"]
        made_at, weights, pk = asked.published_at, asked.weights, cast(int, asked.person)
        turn, rows = answers.turn(pk), list[answers.Stored]()
        if asked.generation and asked.stands:
            rows = turn.of(answers.stored(asked.generation, pk, turn.needs(top)), top)
        if not rows:
            person, live = User(pk=pk, username=username), serving.generation(asked.generation)
            found = serving.ranking_of(person, live, asked.changed_at)
            if found:
                rows = turn.of(answers.unstored(found.rows[: turn.needs(top) + serving.SPARE]), top)
            made_at, weights = (found.computed_at, found.weights.version) if found else (None, None)
        if rows:
            serving.took(began, bool(found), bool(found and found.rows[0]["cold_start"]))
        serving.answered("list", not (rows and rows[0].cold_start), bool(rows))
        made = found.generation if found else asked.generation
        shown = showing.list_of(pk, "api", [row.project_id for row in rows], made, weights)
        body = JSONRenderer().render(facts_of(username, rows, made_at, weights, shown))
        kept = body, etag_of(body), shown
        if rows and (not found or found.keeps(asked.generation)):
            RENDERED.put(key, kept)
        return kept


@extend_schema_view(get=extend_schema(operation_id="recommendations_of"))
class RecommendationsOf(Recommendations):
    """The same at the address of the system before."""


@extend_schema(exclude=True)
class RecommendationsOfWithSlash(Recommendations):
    """The same with a slash at the end."""


class Asked(NamedTuple):
    """Who is asked about, when what is known of them changed, and the live generation; person None: there is nobody."""

    person: int | None
    changed_at: datetime | None
    generation: int | None
    inputs_at: datetime | None
    published_at: datetime | None
    weights: int | None

    @property
    def stands(self) -> bool:
        """Whether the rows of the live generation are still true of them."""
        return bool(self.changed_at and self.inputs_at and self.changed_at <= self.inputs_at)


COLUMNS = "person.id, profile.changed_at, live.id, live.inputs_at, live.published_at, weights.version"
PERSON = "person.username = %s AND person.is_active"
JOINS = """
LEFT JOIN recommendations_profile profile ON profile.user_id = person.id
LEFT JOIN recommendations_generation live ON live.state = 'live'
LEFT JOIN recommendations_weights weights ON weights.id = live.weights_id
"""


def asked_for(username: str) -> Asked:
    """Written out: to build this query anew each time takes longer than to answer it."""
    with prepared() as cursor:
        cursor.execute(f"SELECT {COLUMNS} FROM auth_user person {JOINS} WHERE {PERSON}", [username])  # noqa: S608
        found = cursor.fetchone()
    return Asked(*found) if found else Asked(None, None, None, None, None, None)


def allow_reading(reader: User, person: int | None, username: str) -> None:
    """404 unless they may; what staff reads of others is written down."""
    if person and reader.pk == person:
        return
    if not person or not (reader.is_staff and reader.has_perm("recommendations.view_recommendation")):
        raise Http404
    Audit.objects.create(actor=reader.username, action="read recommendations", subject=username)


def facts_of(
    username: str,
    rows: Iterable[Recommendation | answers.Stored],
    made_at: datetime | None,
    weights: int | None,
    shown: showing.List | None,
) -> dict[str, Any]:
    return {
        "user_id": username,
        "recommendations": [answers.answer(row) for row in rows],
        "generated_at": made_at and made_at.isoformat(),
        "weights": weights,
        "request": shown and str(shown.request),
    }
