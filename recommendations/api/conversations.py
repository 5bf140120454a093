"""Conversations handed in by a program: stored at once, understood by a worker."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from engine import jobs, ledger
from engine.api.errors import Refusal
from engine.api.schema import described
from engine.api.serializers import StrictSerializer
from engine.api.views import View
from engine.ledger import Busy, LeaseLost
from engine.lines import BadLine, GoodLine, record_of
from engine.pipeline import Scope
from engine.vectors import digest
from recommendations.api import examples
from recommendations.conversations import CONVERSATIONS, taken_in
from recommendations.schemas import MessageLine

RECORDS_AT_MOST = 1000


class ConversationsSaid(StrictSerializer):
    """Each of user_id (a username), message (up to 10,000 characters), timestamp, and message_id if it has one."""

    conversations = serializers.ListField(
        child=serializers.DictField(), min_length=1, max_length=RECORDS_AT_MOST, help_text="The messages."
    )


class Unread(serializers.Serializer[Any]):
    """Without a look at the records: each is checked by itself, so that one bad one keeps out none of the others."""

    conversations = serializers.ListField(
        child=serializers.JSONField(allow_null=True), min_length=1, max_length=RECORDS_AT_MOST, allow_empty=False
    )


class StageFacts(serializers.Serializer[Any]):
    state = serializers.CharField()
    seconds = serializers.FloatField()
    counts = serializers.DictField(child=serializers.IntegerField())


class RefusedFacts(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    first = serializers.ListField(
        child=serializers.DictField(), help_text="The first hundred: `record`, counted from 1, and `reason`."
    )


class IngestFacts(serializers.Serializer[Any]):
    """What became of it. A worker reads what is stored, and embeds it."""

    run_id = serializers.IntegerField()
    status = serializers.CharField(help_text="done, or partly where records were refused.")
    stages = serializers.DictField(child=StageFacts())
    refused = RefusedFacts(required=False)


class Conversations(View):
    http_method_names = ["post"]
    required_scope = "conversations:write"
    required_permission = "recommendations.add_message"

    @described(
        "conversations",
        "Hand messages in. A message that is here already changes nothing.",
        {202: (IngestFacts, examples.INGESTED)},
        403,
        told="For staff with the permission `add_message`, or a key of theirs with the scope `conversations:write`."
        " 422 `no_good_record` when every record is refused. Users who are not here are made, without a password.",
        request=ConversationsSaid,
        body=examples.CONVERSATIONS,
    )
    def post(self, request: Request) -> Response:
        said = Said(data=request.data)
        said.is_valid(raise_exception=True)
        told = self.ingested(said.validated_data["conversations"])
        if told["status"] == "failed":
            raise refusal_of(told)
        jobs.ring(ledger.open_run(CONVERSATIONS.name, Scope()))
        return Response(told, status=202)

    def ingested(self, records: Sequence[Any]) -> dict[str, Any]:
        try:
            return taken_in(lines_of(records), digest(json.dumps(records)), only=["ingest"])
        except (Busy, LeaseLost):
            raise Refusal(409, "at_work", "The same is being handed in.", retry_after=1) from None


class Said(StrictSerializer, Unread):
    """What is taken: just the one key."""


def lines_of(records: Sequence[Any]) -> Iterator[GoodLine[MessageLine] | BadLine]:
    for number, record in enumerate(records, start=1):
        yield record_of(number, record, MessageLine)


def refusal_of(told: dict[str, Any]) -> Refusal:
    """Nothing was stored: because of the records, or because of us."""
    if "refused" not in told:
        return Refusal(409, "not_stored", "It could not be stored; try again.", retry_after=10)
    first = told["refused"]["first"][0]
    return Refusal(422, "no_good_record", first["reason"], f"conversations.{first['record'] - 1}")
