"""What the API takes and gives."""

from typing import Any

from rest_framework import serializers

from engine.api.serializers import PLAIN_WORDS, Asked, Choice, PageAsked, StrictSerializer, Text, Whole
from engine.urls import web_address
from recommendations.acts import PAGE_ACTS
from recommendations.facts import subject
from recommendations.filters import DAYS, ORDERS
from recommendations.first_labels import LONGEST as LONGEST_LABEL
from recommendations.models import Fact, Profile, Project
from recommendations.profile_forms import BIO_AT_MOST, CATEGORIES_AT_MOST, INTERESTS_AT_MOST, STACKS_AT_MOST
from recommendations.search import LONGEST

FULL_NAME = r"^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}$"
KINDS = [kind.value for kind in PAGE_ACTS]
LARGEST = 2**31 - 1


class Term(Text):
    """The name of a category or a stack. kind: whose names the schema lists, as they stand in the table."""

    def __init__(self, kind: str, **kwargs: Any) -> None:
        super().__init__(max_length=80, **kwargs)
        self.kind = kind


# What is asked for


class TopAsked(Asked):
    top = Whole(min_value=1, max_value=50, default=5, help_text="How many.")


class CountAsked(Asked):
    count = Whole(min_value=1, max_value=20, default=6, help_text="How many.")


class ProjectsAsked(PageAsked):
    """The filters of the page of projects; recommendations/filters.py applies them."""

    q = Text(
        max_length=LONGEST,
        required=False,
        trim_whitespace=False,
        help_text="Words or a whole sentence; found by name, words and meaning.",
    )
    category = Term("categories", required=False, help_text="The name of a category.")
    stack = serializers.ListField(
        child=Term("stacks"), required=False, help_text="The name of a tech stack; with several, made with all of them."
    )
    language = Text(max_length=60, required=False, trim_whitespace=False, help_text="The main language, in any case.")
    stars_min = Whole(min_value=0, max_value=LARGEST, required=False, help_text="Stars from.")
    stars_max = Whole(min_value=0, max_value=LARGEST, required=False, help_text="Stars to.")
    active = Choice([str(days) for days, _ in DAYS], required=False, help_text="Pushed to within so many days.")
    order = Choice(
        [name for name, _ in ORDERS],
        required=False,
        help_text="Most stars first, unless asked otherwise; by relevance with `q`. `trending`, and all with `q`, ends"
        " after 200.",
    )
    newcomers = Choice(["true", "false"], required=False, help_text="Whether it asks for newcomers.")


class FirstIssuesAsked(PageAsked):
    """The filters of the page of first issues; recommendations/issue_filters.py applies them."""

    q = Text(max_length=LONGEST, required=False, trim_whitespace=False, help_text="Words of the title or the project.")
    stack = serializers.ListField(
        child=Term("stacks"), required=False, help_text="Its project is made with it; with several, with all of them."
    )
    category = Term("categories", required=False, help_text="The category of its project.")
    language = Text(max_length=60, required=False, trim_whitespace=False, help_text="Its project's main language.")
    label = Text(  # type: ignore[assignment]  # a field has an attribute of that name too
        max_length=LONGEST_LABEL,
        required=False,
        trim_whitespace=False,
        help_text="A label, in any spelling: `Good First Issue :rocket:` is `good first issue`.",
    )
    project = Text(FULL_NAME, required=False, help_text="owner/name")


class FeedbackAsked(PageAsked):
    kind = Choice(KINDS, required=False, help_text="Only of this kind.")


class RunsAsked(PageAsked):
    pipeline = Text(max_length=60, required=False, help_text="Only of this pipeline.")
    state = Choice(["waiting", "running", "done", "partly", "quarantined"], required=False, help_text="Only these.")


class FeedbackSaid(StrictSerializer):
    project = Text(FULL_NAME, help_text="owner/name")
    kind = Choice(KINDS, help_text="`dismiss` hides it and takes a like or a save back.")
    request = serializers.UUIDField(
        required=False, help_text="The `request` of the recommendations it answers; one that is not yours says nothing."
    )


class Confirmed(StrictSerializer):
    confirm = Text(max_length=150, help_text="Your username.")


class MeSaid(StrictSerializer):
    """What is given replaces what is there; what is not given stays."""

    bio = Text(max_length=BIO_AT_MOST, required=False, allow_blank=True)
    job_title = Text(max_length=200, required=False, allow_blank=True)
    location = Text(max_length=200, required=False, allow_blank=True)
    company = Text(max_length=200, required=False, allow_blank=True)
    interests = serializers.ListField(
        child=Text(PLAIN_WORDS, max_length=60), max_length=INTERESTS_AT_MOST, required=False
    )
    tech_stacks = serializers.ListField(child=Term("stacks"), min_length=1, max_length=STACKS_AT_MOST, required=False)
    categories = serializers.ListField(
        child=Term("categories"), min_length=1, max_length=CATEGORIES_AT_MOST, required=False
    )


# What is given


class ProjectFacts(serializers.Serializer[Any]):
    """A project as lists show it. Unknown counts and dates are null."""

    full_name = serializers.CharField()
    url = serializers.URLField(help_text="Where it lives.")
    description = serializers.CharField()
    language = serializers.CharField()
    topics = serializers.ListField(child=serializers.CharField())
    stars = serializers.IntegerField(allow_null=True)
    forks = serializers.IntegerField(allow_null=True)
    open_issues = serializers.IntegerField(allow_null=True)
    license = serializers.CharField()
    created_at = serializers.DateTimeField(allow_null=True)
    pushed_at = serializers.DateTimeField(allow_null=True)
    archived = serializers.BooleanField(source="is_archived")
    asks_newcomers = serializers.BooleanField()
    categories = serializers.SerializerMethodField()
    tech_stacks = serializers.SerializerMethodField()

    def get_categories(self, project: Project) -> list[str]:
        return sorted(link.category.name for link in project.category_links.all() if link.applies)

    def get_tech_stacks(self, project: Project) -> list[str]:
        return sorted(link.stack.name for link in project.stack_links.all() if link.applies)


class ProjectDetail(ProjectFacts):
    languages = serializers.DictField(child=serializers.IntegerField(), help_text="Bytes by language; 0 when unknown.")
    watchers = serializers.IntegerField(allow_null=True)
    homepage = serializers.SerializerMethodField(help_text="A web address that its owners gave, or nothing.")
    fork = serializers.BooleanField(source="is_fork")
    disabled = serializers.BooleanField(source="is_disabled")
    updated_at = serializers.DateTimeField(allow_null=True)

    def get_homepage(self, project: Project) -> str:
        return web_address(project.homepage)


class ReadinessPart(serializers.Serializer[Any]):
    """One share of the score. value in [0, 1]; adds: share times value."""

    name = serializers.CharField()
    share = serializers.FloatField()
    value = serializers.FloatField()
    adds = serializers.FloatField()
    says = serializers.CharField(help_text="Why, in a sentence.")


class ReadinessFacts(serializers.Serializer[Any]):
    """How ready it is for somebody new, as it stood at `checked_at`: `adds` of the parts sum to `score`."""

    score = serializers.FloatField()
    verdict = serializers.CharField(help_text="In a few words.")
    parts = ReadinessPart(many=True)


class FirstIssueFacts(serializers.Serializer[Any]):
    """An issue that somebody new can take."""

    title = serializers.CharField()
    number = serializers.IntegerField()
    url = serializers.URLField(help_text="Where it is.")
    labels = serializers.ListField(child=serializers.CharField(), help_text="As its project spells them.")
    comments = serializers.IntegerField()
    claimed_at = serializers.DateTimeField(
        allow_null=True, help_text="When somebody last said in a comment that they take it."
    )
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    checked_at = serializers.DateTimeField(help_text="When GitHub was last asked how it stands; two days ago at most.")
    readiness = ReadinessFacts(source="ready")
    project = ProjectFacts()


class SimilarFacts(serializers.Serializer[Any]):
    project = ProjectFacts()
    similarity = serializers.FloatField(help_text="The cosine of their meanings.")


class SimilarList(serializers.Serializer[Any]):
    results = SimilarFacts(many=True)


class TermFacts(serializers.Serializer[Any]):
    name = serializers.CharField()
    aliases = serializers.ListField(child=serializers.CharField())
    projects = serializers.IntegerField(help_text="How many are placed under it.")


class CategoryFacts(TermFacts):
    description = serializers.CharField()


class StackFacts(TermFacts):
    kind = serializers.CharField(help_text="LANGUAGE or TECH.")


class FeedbackFacts(serializers.Serializer[Any]):
    project = serializers.CharField(source="project.full_name")
    kind = serializers.CharField()
    at = serializers.DateTimeField()


class RunFacts(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    pipeline = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # a field has an attribute of that name too
    day = serializers.DateField(allow_null=True)
    state = serializers.CharField()
    attempts = serializers.IntegerField()
    counts = serializers.DictField()
    error = serializers.CharField()
    created_at = serializers.DateTimeField()
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class HeardFacts(serializers.Serializer[Any]):
    """What was understood of what you wrote."""

    kind = serializers.SerializerMethodField(help_text="stack, category, project or interest.")
    name = serializers.SerializerMethodField()
    sentence = serializers.CharField(help_text="What you wrote.")
    state = serializers.CharField(help_text="heard, muted (counts for nothing) or pinned (counts as if said here).")
    confidence = serializers.FloatField()
    said_at = serializers.DateTimeField()

    def get_kind(self, fact: Fact) -> str:
        return subject(fact)[0]

    def get_name(self, fact: Fact) -> str:
        return subject(fact)[1]


class MeFacts(serializers.Serializer[Any]):
    """What is known of you; `me/export/` has every row of it."""

    username = serializers.CharField(source="user.username")
    email = serializers.CharField(source="user.email")
    bio = serializers.CharField()
    job_title = serializers.CharField()
    location = serializers.CharField()
    company = serializers.CharField()
    interests = serializers.ListField(child=serializers.CharField())
    tech_stacks = serializers.SerializerMethodField()
    categories = serializers.SerializerMethodField()
    refused = serializers.SerializerMethodField(help_text="What you said is not yours.")
    acts = serializers.SerializerMethodField(help_text="How many of each kind.")
    heard = HeardFacts(many=True, help_text="Of your messages, the newest 100.")
    changed_at = serializers.DateTimeField()

    def get_tech_stacks(self, profile: Profile) -> list[str]:
        return sorted(link.stack.name for link in profile.stack_links.all() if link.applies)

    def get_categories(self, profile: Profile) -> list[str]:
        return sorted(link.category.name for link in profile.category_links.all() if link.applies)

    def get_refused(self, profile: Profile) -> list[str]:
        stacks = [link.stack.name for link in profile.stack_links.all() if not link.applies]
        return sorted([*stacks, *(link.category.name for link in profile.category_links.all() if not link.applies)])

    def get_acts(self, profile: Profile) -> dict[str, int]:
        counts: dict[str, int] = self.context["acts"]
        return counts


class Figures(serializers.Serializer[Any]):
    """One figure a component, in [0, 1]."""

    semantic = serializers.FloatField()
    category = serializers.FloatField()
    tech = serializers.FloatField()
    popularity = serializers.FloatField()


class Parts(Figures):
    """What each component adds to the score; they sum to it."""


class RecommendationFacts(serializers.Serializer[Any]):
    """score, raw_score, components and parts are null when nothing is known of the person (cold_start)."""

    full_name = serializers.CharField()
    rank = serializers.IntegerField()
    score = serializers.FloatField(allow_null=True)
    raw_score = serializers.FloatField(allow_null=True, help_text="The reference formula.")
    components = Figures(allow_null=True)
    parts = Parts(allow_null=True)
    reasons = serializers.ListField(child=serializers.CharField())
    cold_start = serializers.BooleanField()


class RecommendationList(serializers.Serializer[Any]):
    user_id = serializers.CharField(help_text="The username.")
    recommendations = RecommendationFacts(many=True)
    generated_at = serializers.DateTimeField(allow_null=True)
    weights = serializers.IntegerField(allow_null=True, help_text="The version of the weights.")
    request = serializers.UUIDField(
        allow_null=True, help_text="The number of this list on this day, to give with feedback; null of an empty one."
    )
