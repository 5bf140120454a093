"""What the caller said and did, to read, change, take back, take along and delete."""

from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count, F
from django.http import Http404
from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from engine.api.errors import Refusal
from engine.api.paging import Order
from engine.api.schema import described, page, page_of
from engine.api.serializers import drawn
from engine.api.views import View
from recommendations import acts, my_data, profiles, showing
from recommendations import facts as heard
from recommendations.api import examples
from recommendations.api import serializers as facts
from recommendations.api.views import ListView, caller
from recommendations.models import Category, Interaction, Profile, Project, TechStack

HEARD = 100  # facts of somebody's messages that are told


# Feedback


class Feedback(ListView):
    asks = facts.FeedbackAsked

    @described(
        "feedback",
        "What you liked, saved and hid, newest first.",
        {200: (page_of(facts.FeedbackFacts), page(examples.FEEDBACK))},
        403,
    )
    def get(self, request: Request) -> Response:
        mine = Interaction.objects.filter(user=caller(request), kind__in=self.kinds).select_related("project")
        named = mine.only("kind", "at", "project__full_name")
        return self.walked(named, Order(F("at")), lambda rows: drawn(facts.FeedbackFacts, rows))

    @property
    def kinds(self) -> list[str]:
        return [self.asked["kind"]] if "kind" in self.asked else facts.KINDS

    @described(
        "give_feedback",
        "Like, save or hide a project. The next recommendations know it.",
        {201: (facts.FeedbackFacts, examples.FEEDBACK), 200: (facts.FeedbackFacts, examples.FEEDBACK)},
        404,
        told="201 the first time; 200 when it was said before, and nothing changes.",
        request=facts.FeedbackSaid,
        body=examples.FEEDBACK_SAID,
    )
    def post(self, request: Request) -> Response:
        said = facts.FeedbackSaid(data=request.data)
        said.is_valid(raise_exception=True)
        owner, _, name = said.validated_data["project"].partition("/")
        project = get_object_or_404(Project.objects.lean().named(owner, name))
        given: dict[str, Any] = {"user": caller(request), "project": project, "kind": said.validated_data["kind"]}
        new = acts.act(**given)
        showing.answered(**given, request=said.validated_data.get("request"))
        kept = get_object_or_404(Interaction.objects.select_related("project"), **given)
        return Response(facts.FeedbackFacts(kept).data, status=201 if new else 200)


class OneFeedback(View):
    @described("take_feedback_back", "Take a like, a save or a hiding back.", {204: (None, None)}, 404)
    def delete(self, request: Request, owner: str, name: str, kind: str) -> Response:
        project = get_object_or_404(Project.objects.lean().named(owner, name))
        if kind not in facts.KINDS or not acts.undo(user=caller(request), project=project, kind=kind):
            raise Http404
        return Response(status=204)


# The caller


class Me(View):
    confirmed_by = facts.Confirmed

    @described("me", "What is known of you.", {200: (facts.MeFacts, examples.ME)}, 403)
    def get(self, request: Request) -> Response:
        return Response(known_of(caller(request)))

    @described(
        "change_me",
        "Say something of yourself.",
        {200: (facts.MeFacts, examples.ME)},
        told="What is given replaces what is there: of a list the whole of it.",
        request=facts.MeSaid,
        body=examples.ME_SAID,
    )
    def patch(self, request: Request) -> Response:
        said = facts.MeSaid(data=request.data)
        said.is_valid(raise_exception=True)
        given: dict[str, Any] = dict(said.validated_data)
        given["stacks"] = ids_of(TechStack, given.pop("tech_stacks", None), "tech_stacks")
        given["categories"] = ids_of(Category, given.pop("categories", None), "categories")
        profiles.say(caller(request), **given)
        return Response(known_of(caller(request)))

    @described(
        "delete_me",
        "Delete your account and all that is yours, for good.",
        {204: (None, None)},
        told="`confirm` is your username. Staff accounts are not deleted here.",
        request=facts.Confirmed,
        body={"confirm": "alice_ml"},
    )
    def delete(self, request: Request) -> Response:
        said = facts.Confirmed(data=request.data)
        said.is_valid(raise_exception=True)
        user = caller(request)
        if user.is_staff or user.is_superuser:
            raise Refusal(403, "staff_account", "A staff account is not deleted here; ask another administrator.")
        if said.validated_data["confirm"] != user.username:
            raise Refusal(403, "not_confirmed", "It is not your username; nothing is deleted.", "confirm")
        my_data.forget(user)
        return Response(status=204)


def known_of(user: User) -> dict[str, Any]:
    whole = Profile.objects.select_related("user").prefetch_related("category_links__category", "stack_links__stack")
    profile = whole.get(pk=profiles.of(user).pk)
    counted = Interaction.objects.filter(user=user).values_list("kind").annotate(count=Count("pk")).order_by("kind")
    profile.heard = heard.shown(user)[:HEARD]  # type: ignore[attr-defined]  # the serializer reads it there
    return dict(facts.MeFacts(profile, context={"acts": dict(counted)}).data)


def ids_of(model: type[Category | TechStack], names: list[str] | None, field: str) -> set[int] | None:
    """The terms of those names, in any case; an unknown name is refused."""
    if names is None:
        return None
    known = {name.lower(): pk for pk, name in model._default_manager.values_list("pk", "name")}
    for at, name in enumerate(names):
        if name.lower() not in known:
            raise Refusal(400, "unknown_name", f"There is no {name[:60]!r} among them.", f"{field}.{at}")
    return {known[name.lower()] for name in names}


class Export(View):
    caching = "no-store"

    @described("export_me", "Everything that is stored of you, table by table.",
               {200: (dict[str, Any], {"account": {"username": "alice_ml"}, "Interaction": []})}, 403)  # fmt: skip
    def get(self, request: Request) -> Response:
        return Response(my_data.everything(caller(request)))
