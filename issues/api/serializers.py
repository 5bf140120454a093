"""What the API of problems takes and gives."""

from typing import Any

from rest_framework import serializers

from engine.api.serializers import PLAIN_WORDS, Choice, PageAsked, StrictSerializer, Text
from issues.filters import ALLOWED, LONGEST
from issues.pages.similar import TEXT_AT_MOST, TITLE_AT_MOST
from issues.schemas import SOURCE

# What is asked for


class IssuesAsked(PageAsked):
    """The filters of the page of problems; issues/filters.py applies them."""

    q = Text(
        max_length=LONGEST,
        required=False,
        trim_whitespace=False,
        help_text="Words or a sentence, found by words and meaning; also quotes, -word, and filters (impact:high).",
    )
    category = Choice(ALLOWED["category"], required=False, help_text="The field of work.")
    impact = Choice(ALLOWED["impact"], required=False, help_text="What it does to people.")
    pay = Choice(ALLOWED["pay"], required=False, help_text="Whether somebody would pay.")
    source = Text(  # type: ignore[assignment]  # a field has an attribute of that name too
        SOURCE, max_length=40, required=False, help_text="Where at least one of its posts is from."
    )
    state = Choice(ALLOWED["state"], required=False, help_text="What the newest day made of it.")
    days = Choice(ALLOWED["days"], required=False, help_text="Seen within so many days, the newest day included.")
    order = Choice(
        ALLOWED["order"], required=False, help_text="Most posts first, unless asked otherwise; with `q` by relevance."
    )


class Draft(StrictSerializer):
    """What somebody is about to post. It is not stored."""

    title = Text(PLAIN_WORDS, max_length=TITLE_AT_MOST)
    text = Text(max_length=TEXT_AT_MOST, required=False, default="", allow_blank=True)


# What is given


class DayFacts(serializers.Serializer[Any]):
    day = serializers.DateField()
    posts = serializers.IntegerField()


class IssueFacts(serializers.Serializer[Any]):
    """A problem as lists show it."""

    id = serializers.IntegerField()
    url = serializers.CharField(help_text="Its page.")
    title = serializers.CharField()
    category = serializers.CharField()
    description = serializers.CharField()
    would_pay = serializers.BooleanField()
    impact = serializers.CharField()
    state = serializers.CharField(help_text="new, growing, steady or quiet.")
    first_seen = serializers.DateField()
    last_seen = serializers.DateField()
    posts = serializers.IntegerField()
    people = serializers.IntegerField(help_text="Known authors, each once.")
    sources = serializers.ListField(child=serializers.CharField())
    quote = serializers.CharField(help_text="Verbatim from a post, cut short.")
    trend = DayFacts(many=True, help_text="The last 14 days.")


class Claim(serializers.Serializer[Any]):
    field = serializers.CharField(help_text="would_pay or impact.")
    item = serializers.IntegerField(help_text="The number of the exemplar.")
    words = serializers.CharField(help_text="Verbatim from it.")


class DayCounts(serializers.Serializer[Any]):
    day = serializers.DateField()
    items = serializers.IntegerField()
    authors = serializers.IntegerField()
    sources = serializers.ListField(child=serializers.CharField())


class LineageFacts(serializers.Serializer[Any]):
    day = serializers.DateField()
    kind = serializers.CharField(help_text="born, known, split or merged.")
    other = serializers.IntegerField(allow_null=True)
    why = serializers.CharField()


class IssueDetail(IssueFacts):
    """All that is known of a problem; its posts are a list of their own."""

    claims = Claim(many=True, help_text="What would_pay and impact rest on.")
    label_state = serializers.CharField()
    label_source = serializers.CharField(help_text="llm or extract.")
    reason = serializers.CharField()
    days = DayCounts(many=True, help_text="Every day it was seen.")
    lineage = LineageFacts(many=True)
    merged = serializers.ListField(child=serializers.IntegerField(), help_text="Problems that are merged into it.")
    evidence = serializers.CharField(help_text="The address of its posts.")


class PostFacts(serializers.Serializer[Any]):
    """A post, as its source gave it; its words in one line of plain text."""

    url = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # a field has an attribute of that name too
    title = serializers.CharField()
    snippet = serializers.CharField()
    author = serializers.CharField(help_text="Only where the licence asks for the name.")
    licence = serializers.CharField()
    created_at = serializers.DateTimeField(allow_null=True)
    votes = serializers.IntegerField(allow_null=True)
    comments = serializers.IntegerField(allow_null=True)


class EvidenceFacts(PostFacts):
    membership = serializers.FloatField(help_text="How surely it belongs, 0 to 1.")
    day = serializers.DateField(help_text="The day it counts for.")


class NearIssue(serializers.Serializer[Any]):
    issue = IssueFacts()
    distance = serializers.FloatField(help_text="Cosine distance: 0 the same, 1 nothing in common.")


class NearPost(serializers.Serializer[Any]):
    post = PostFacts()
    distance = serializers.FloatField()


class AlikeFacts(serializers.Serializer[Any]):
    read = serializers.BooleanField(help_text="false while the model is loading: ask again in a few seconds.")
    looks_new = serializers.BooleanField(help_text="Nothing that is known is near.")
    issues = NearIssue(many=True)
    posts = NearPost(many=True)
