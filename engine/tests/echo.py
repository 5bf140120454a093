"""A small API to try the machinery on: what is written comes back, and runs are listed."""

from typing import Any

from django.contrib.auth.models import User
from django.db import DataError
from django.db.models import F
from django.urls import path
from rest_framework import serializers
from rest_framework.response import Response

from engine.api import paging
from engine.api.parameters import CURSOR
from engine.api.serializers import PageAsked, StrictSerializer, Text, Whole
from engine.api.views import View
from engine.models import ApiKey, Run

done: list[Any] = []  # what Echo was asked to do


class Said(StrictSerializer):
    text = Text(max_length=10)
    number = Whole(required=False)
    tags = serializers.ListField(child=Text(max_length=3), required=False)


class Echo(View):
    def get(self, request):
        return Response({"user": request.user.username})

    def post(self, request):
        said = Said(data=request.data)
        said.is_valid(raise_exception=True)
        done.append(said.validated_data)
        if said.validated_data["text"] == "burn":
            raise RuntimeError("burnt")
        if said.validated_data["text"] == "widen":
            raise DataError("too wide")
        return Response({**said.validated_data, "time": len(done)}, status=201)

    def delete(self, request):
        done.append("delete")
        return Response(status=204)


class Conversations(View):
    required_scope = "conversations:write"
    required_permission = "engine.view_run"

    def post(self, request):
        return Response({}, status=201)


class RunsAsked(PageAsked):
    stack = serializers.ListField(child=serializers.CharField(), required=False)


class Runs(View):
    public = True
    asks = RunsAsked
    asks_also = (CURSOR,)
    by = paging.Order(F("attempts"))

    def get(self, request):
        rows = Run.objects.all()
        size = self.asked["page_size"]
        return Response(paging.by_key(request, rows, self.by, size, lambda found: [each.pk for each in found]))


class Ranking(View):
    public = True
    asks = PageAsked
    asks_also = (CURSOR,)

    def get(self, request):
        return Response(paging.by_rank(request, [3, 1, 4, 15, 9], list, self.asked["page_size"]))


urlpatterns = [
    path("api/echo/", Echo.as_view()),
    path("api/conversations/", Conversations.as_view()),
    path("api/runs/", Runs.as_view()),
    path("api/ranking/", Ranking.as_view()),
]


def make_key(*scopes, username="alice_ml", **facts):
    """The text of a new key of that person."""
    user, _ = User.objects.get_or_create(username=username, defaults=facts)
    return ApiKey.objects.issue(user, "a program", list(scopes or ("read", "write")), 30)[1]


def signed(text):
    return {"HTTP_AUTHORIZATION": f"Bearer {text}"}
