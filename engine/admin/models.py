"""Which embedding models there are, how far each is, and which one serves; beside them the versions that apps have."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.dateparse import parse_datetime
from django.utils.module_loading import import_string

from engine.admin.base import ReadOnly
from engine.embeddings import changing, comparing, pausing, registering
from engine.embeddings.comparing import Progress
from engine.ledger import NotAllowed
from engine.models import EmbeddingModel

State = EmbeddingModel.State
HERE = "admin:engine_embeddingmodel_changelist"
TEMPLATES = "admin/engine/embeddingmodel"


@dataclass(frozen=True)
class Verb:
    """What may be done with a model. done: said afterwards; what: said before, so that a person knows what they do."""

    label: str
    what: str
    done: str
    do: Callable[[EmbeddingModel, str], object]
    fits: Callable[["Row"], bool]


def compare(model: EmbeddingModel, by: str) -> None:
    registering.audit(by, "compare model", model)
    comparing.compare(model, EmbeddingModel.objects.live())


VERBS = {
    "compare": Verb(
        "Compare with live",
        "The nearest neighbours of a sample of each subject are compared with those by the live model. Nothing that is"
        " served changes; it takes some seconds.",
        "was compared with the live model",
        compare,
        lambda row: row.model.state == State.FILLING,
    ),
    "live": Verb(
        "Put live",
        "Search compares by it at once, recommendations from their next run on. The model that is live now stays fresh,"
        " to go back to.",
        "is live",
        changing.put_live,
        lambda row: row.model.state == State.FILLING and not row.model.paused_at and not row.back,
    ),
    "back": Verb(
        "Go back to it",
        "It was live before the present one, and its vectors were kept fresh. Search compares by it at once,"
        " recommendations from their next run on.",
        "is live again",
        changing.put_live,
        lambda row: row.back and not row.model.paused_at,
    ),
    "pause": Verb(
        "Pause",
        "Nobody embeds with it until it is resumed. Its texts wait meanwhile; the vectors that it has go on serving.",
        "is paused",
        pausing.pause,
        lambda row: row.model.state != State.RETIRED and not row.model.paused_at,
    ),
    "resume": Verb(
        "Resume",
        "The texts that wait get their vectors.",
        "goes on",
        pausing.resume,
        lambda row: bool(row.model.paused_at),
    ),
    "retire": Verb(
        "Retire",
        "It gets no more vectors, and nobody can go back to it. Those that it has are deleted at night, once no"
        " recommendations and no day of problems are read with them. To register it again begins anew.",
        "is retired",
        changing.retire,
        lambda row: row.model.state == State.FILLING,
    ),
}


@dataclass(frozen=True)
class Row:
    """One model on the page. back: it was live before the present one, and is kept fresh."""

    model: EmbeddingModel
    progress: Sequence[Progress]
    back: bool

    @property
    def verbs(self) -> list[tuple[str, str]]:
        return [(name, verb.label) for name, verb in VERBS.items() if verb.fits(self)]

    @property
    def made(self) -> tuple[datetime | None, datetime | None]:
        """When the first and the last of its vectors were made."""
        moments = [moment for each in self.progress for moment in each.made if moment]
        return (min(moments), max(moments)) if moments else (None, None)

    @property
    def agreement(self) -> dict[str, Any] | None:
        found = self.model.figures.get("agreement")
        if not found:
            return None
        shares = [(name, round(100 * each["share"]), each) for name, each in found["subjects"].items()]
        return {**found, "at": parse_datetime(found["at"]), "shares": shares}


class Registration(forms.Form):
    """A model to be kept fresh beside the live one."""

    name = forms.CharField(max_length=200, help_text="As its provider calls it, for example all-roberta-large-v1.")
    provider = forms.ChoiceField(required=False, help_text="Known by name for the usual ones.")
    dimensions = forms.IntegerField(
        required=False, min_value=1, max_value=2_000, help_text="The width of its vectors; known for the usual ones."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", "the usual one"), *((name, name) for name in settings.EMBEDDING_PROVIDERS)]
        self.fields["provider"].choices = choices  # type: ignore[attr-defined]  # it is a choice

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                cleaned["model"] = registering.named(cleaned["name"], cleaned["provider"], cleaned["dimensions"])
            except ValueError as error:
                raise forms.ValidationError(f"{str(error).capitalize()}.") from error
        return cleaned


@admin.register(EmbeddingModel)
class EmbeddingModelAdmin(ReadOnly):
    """The list is the page of all that has versions."""

    fields = (
        "name", "provider", "dimensions", "state", "created_at", "used_at", "paused_at", "live_since", "put_live_by",
        "replaced", "checksum", "parameters", "figures",
    )  # fmt: skip

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("engine.change_embeddingmodel")

    def get_urls(self) -> list[URLPattern]:
        name, view = "engine_embeddingmodel", self.admin_site.admin_view
        return [
            path("register/", view(self.register), name=f"{name}_register"),
            path("<int:pk>/<slug:verb>/do/", view(self.act), name=f"{name}_act"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        return self.page(request, Registration())

    def page(self, request: HttpRequest, form: Registration, status: int = 200) -> TemplateResponse:
        tables = [import_string(path)() for path in settings.VERSIONS]
        return self.shown(request, "change_list", "Models", status, rows=rows(), tables=tables, form=form)

    def shown(
        self, request: HttpRequest, template: str, title: str, status: int = 200, **context: Any
    ) -> TemplateResponse:
        frame = {**self.admin_site.each_context(request), "opts": self.opts, "title": title}
        frame["operates"] = self.has_operate_permission(request)
        return TemplateResponse(request, f"{TEMPLATES}/{template}.html", {**frame, **context}, status=status)

    def register(self, request: HttpRequest) -> HttpResponse:
        """Begin to fill another model."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form = Registration(request.POST)
        if not form.is_valid():
            return self.page(request, form, status=400)
        model = registering.register(form.cleaned_data["model"], request.user.get_username())
        messages.success(
            request, f"{model} is {model.get_state_display().lower()}: {model.provider} makes its vectors."
        )
        return redirect(HERE)

    def act(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        """GET says what would happen, POST does it."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        if verb not in VERBS:
            raise Http404("there is no such thing to do with a model")
        model, chosen = get_object_or_404(EmbeddingModel, pk=pk), VERBS[verb]
        if request.method in ("GET", "HEAD"):
            return self.shown(request, "confirm", chosen.label, verb=verb, chosen=chosen, model=model)
        if request.method != "POST":
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        try:
            chosen.do(model, request.user.get_username())
        except NotAllowed as refusal:
            messages.error(request, f"Not done: {refusal}.")
        else:
            messages.success(request, f"{model} {chosen.done}.")
        return redirect(HERE)


def rows() -> list[Row]:
    """The live model first, then those that are kept fresh, then the retired ones."""
    order = {State.LIVE: 0, State.FILLING: 1, State.RETIRED: 2}
    found = list(EmbeddingModel.objects.select_related("replaced").order_by("-pk"))
    before = next((each.replaced_id for each in found if each.state == State.LIVE), None)
    progress = comparing.progress()
    made = [Row(each, progress.get(each.pk, ()), each.pk == before and each.state == State.FILLING) for each in found]
    return sorted(made, key=lambda row: order[State(row.model.state)])
