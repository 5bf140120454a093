"""What operators promote, and who took it up."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.db.models import Count, Max, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, Lower
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from engine.admin.base import Admin, Guarded, ReadOnly
from engine.slots import fill
from recommendations.models import Campaign, Category, Engagement, Project, TechStack

Kind = Campaign.Kind
Subject = tuple[int, str, str]  # id, name, address or ""
LONGEST = 200
TABLE = (
    '<table><tr><th scope="col">Intent</th><th scope="col">People</th><th scope="col">Times</th>'
    '<th scope="col">Last</th></tr>{}</table>'
)
LARGEST = 2**63 - 1
TABLES: dict[str, tuple[Any, str]] = {
    Kind.PROJECT: (Project, "full_name"),
    Kind.CATEGORY: (Category, "name"),
    Kind.STACK: (TechStack, "name"),
}


def subjects(kind: str, ids: Iterable[int]) -> dict[int, Subject]:
    """Those of a kind by their ids; of issues whoever fills the slot knows."""
    if kind not in TABLES:
        return dict(fill("subjects", kind, list(ids)) or {})
    model, name = TABLES[kind]
    rows = model._default_manager.filter(pk__in=list(ids)).values_list("pk", name)
    return {pk: (pk, words, f"/projects/{words}/" if kind == Kind.PROJECT else "") for pk, words in rows}


def found(kind: str, words: str) -> list[Subject]:
    """Those that an id or a name may mean; the one of just that name alone, where there is one."""
    if words.isascii() and words.isdigit() and int(words) <= LARGEST:
        return list(subjects(kind, [int(words)]).values())
    if kind not in TABLES:
        return list(fill("subjects_named", kind, words) or [])
    model, name = TABLES[kind]
    rows = model._default_manager.annotate(lower=Lower(name))
    ids = list(rows.filter(lower=words.lower()).values_list("pk", flat=True)[:1])
    some = ids or rows.filter(lower__contains=words.lower()).order_by("pk").values_list("pk", flat=True)[:5]
    return list(subjects(kind, some).values())


class CampaignForm(Guarded):
    find = forms.CharField(max_length=LONGEST, label="What is promoted", help_text="Its name, or its id.")

    class Meta:
        model = Campaign
        fields = ("name", "kind", "find", "begins_at", "ends_at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "find" in self.fields:
            self.initial["find"] = str(self.instance.subject)
        if "begins_at" in self.fields:
            self.initial.setdefault("begins_at", timezone.now())
        name_halves(self.fields)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        begins, ends = cleaned.get("begins_at"), cleaned.get("ends_at")
        if begins and ends and ends <= begins:
            self.add_error("ends_at", "It ends after it begins.")
        if cleaned.get("kind") and cleaned.get("find"):
            self.resolve(cleaned["kind"], cleaned["find"])
        return cleaned

    def resolve(self, kind: str, words: str) -> None:
        some = found(kind, words.strip())
        if len(some) == 1:
            self.instance.subject = some[0][0]
            return
        names = "; ".join(f"{name} ({pk})" for pk, name, _ in some)
        told = f"Which of these? {names}" if some else f"There is no {kind} of that name or id."
        self.add_error("find", ValidationError(told))


def name_halves(fields: Mapping[str, Any]) -> None:
    """A moment is two boxes under one label: each says besides which half it is."""
    for field in fields.values():
        halves = getattr(field.widget, "widgets", ())
        for half, name in zip(halves, ("day", "time"), strict=False):
            half.attrs["aria-label"] = f"{field.label}: {name}"


def counted(field: str, kind: Any) -> Coalesce:
    mine = Engagement.objects.filter(campaign=OuterRef("pk")).order_by().values("campaign")
    return Coalesce(Subquery(mine.annotate(found=kind).values("found")), 0)


class Named(ChangeList):
    """With the names of what the campaigns of the page promote, by a query a kind."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        name_subjects(list(self.result_list))


def name_subjects(campaigns: Sequence[Any]) -> None:
    for kind in {campaign.kind for campaign in campaigns}:
        some = [campaign for campaign in campaigns if campaign.kind == kind]
        names = subjects(kind, [campaign.subject for campaign in some])
        for campaign in some:
            campaign.named = names.get(campaign.subject)


@admin.register(Campaign)
class CampaignAdmin(Admin):
    form = CampaignForm
    list_display = ("name", "kind", "promoted", "stands", "begins_at", "ends_at", "people", "taken_up")
    list_filter = ("kind",)
    search_fields = ("name__istartswith",)
    search_help_text = "how its name begins"
    readonly_fields = ("promoted", "by_intent", "promoted_by")
    fields = ("name", "kind", "find", "promoted", "begins_at", "ends_at", "by_intent", "promoted_by")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        shown = super().get_fields(request, obj)
        return shown if obj else [name for name in shown if name not in self.readonly_fields]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return Named

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        counts = {"people_count": counted("user", Count("user", distinct=True)), "sum": counted("count", Sum("count"))}
        return super().get_queryset(request).annotate(**counts)

    def save_model(self, request: HttpRequest, obj: Campaign, form: Any, change: bool) -> None:
        obj.promoted_by = obj.promoted_by or request.user.get_username()
        super().save_model(request, obj, form, change)

    @admin.display(description="what")
    def promoted(self, campaign: Any) -> str:
        if not hasattr(campaign, "named"):
            name_subjects([campaign])
        if not campaign.named:
            return f"gone (id {campaign.subject})"
        _, name, address = campaign.named
        return format_html('<a href="{}">{}</a>', address, name) if address else name

    @admin.display(description="state")
    def stands(self, campaign: Campaign) -> str:
        now = timezone.now()
        if campaign.begins_at > now:
            return "ahead"
        return "over" if campaign.ends_at and campaign.ends_at <= now else "running"

    @admin.display(description="people", ordering="people_count")
    def people(self, campaign: Any) -> int:
        return int(campaign.people_count)

    @admin.display(description="taken up", ordering="sum")
    def taken_up(self, campaign: Any) -> int:
        return int(campaign.sum)

    @admin.display(description="taken up, by intent")
    def by_intent(self, campaign: Campaign) -> str:
        edges = campaign.engagements.order_by().values("intent__name")
        told = edges.annotate(people=Count("user", distinct=True), times=Sum("count"), last=Max("last_at"))
        rows = told.order_by("-times", "intent__name")
        lines = (
            (row["intent__name"] or "no intent", row["people"], row["times"], f"{row['last']:%Y-%m-%d %H:%M} UTC")
            for row in rows
        )
        drawn = format_html_join("", "<tr><th scope='row'>{}</th><td>{}</td><td>{}</td><td>{}</td></tr>", lines)
        return format_html(TABLE, drawn) if drawn else "by nobody yet"


@admin.register(Engagement)
class EngagementAdmin(ReadOnly):
    list_display = fields = ("user", "intent", "campaign", "count", "last_at")
    list_select_related = ("user", "intent", "campaign")
    search_fields = ("user__username__exact", "campaign__name__exact")
    search_help_text = "a user name or a campaign, in full"
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("user__password", "intent__prototype")
