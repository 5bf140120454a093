"""Weights as versions: their history, the editor with its live before and after, publishing and going back."""

from functools import wraps
from itertools import zip_longest
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.paginator import InvalidPage, Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.cache import patch_vary_headers
from django_htmx.http import replace_url

from engine.admin import Admin
from engine.models import Run
from recommendations import weighing
from recommendations.admin.weight_forms import Figures, Publication, Return, names_in
from recommendations.models import Generation, Weights
from recommendations.weighing import PEOPLE

TEMPLATES = "admin/recommendations/weights"


def for_publishers(view: Any) -> Any:
    """Only those who may add a version."""

    @wraps(view)
    def checked(self: "WeightsAdmin", request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return cast(HttpResponse, view(self, request, *args, **kwargs))

    return checked


@admin.register(Weights)
class WeightsAdmin(Admin):
    def has_change_permission(self, request: HttpRequest, obj: Weights | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Weights | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        name, view = "recommendations_weights", self.admin_site.admin_view
        return [
            path("preview/", view(self.preview_view), name=f"{name}_preview"),
            path("<int:pk>/back/", view(self.back_view), name=f"{name}_back"),
            *super().get_urls(),
        ]

    def shown(
        self, request: HttpRequest, template: str, title: str, trail: str = "", status: int = 200, **context: Any
    ) -> TemplateResponse:
        """A page of this admin."""
        frame = {**self.admin_site.each_context(request), "opts": self.opts, "title": title, "trail": trail}
        frame["may_publish"] = self.has_add_permission(request)
        return TemplateResponse(request, f"{TEMPLATES}/{template}.html", {**frame, **context}, status=status)

    # History

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        newest, live = Weights.objects.current(), live_version()
        versions = Weights.objects.select_related("author").order_by("-version")
        try:
            page = Paginator(versions, 25).page(request.GET.get("page", 1))
        except InvalidPage as error:
            raise Http404("there is no such page of versions") from error
        rows = [row_of(version, newest, live) for version in page]
        context: dict[str, Any] = {"page": page, "rows": rows, "newest": newest, "run": weighing.begun_run()}
        return self.shown(request, "history", "Weights", **context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """One version beside the live one, for the people of the address."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        version = self.get_object(request, object_id)
        if version is None:
            raise Http404(f"there are no weights {object_id!r}")
        newest, live = Weights.objects.current(), live_version()
        people = request.GET.get("people", "").replace("\0", "")[:800]
        figures = weighing.figures_of(version)
        context = {
            "version": version,
            "row": row_of(version, newest, live),
            "newest": newest,
            "live": live or newest,
            "people": people,
            "changes": weighing.changes(weighing.figures_of(live or newest), figures),
            "replay": weighing.preview(figures, weighing.chosen(names_in(people)[:PEOPLE])),
        }
        return self.shown(
            request, "version", f"Weights, version {version.version}", f"Version {version.version}", **context
        )

    @for_publishers
    def back_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Make an old version's figures the newest."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        old, form = get_object_or_404(Weights, pk=pk), Return(request.POST)
        here = redirect("admin:recommendations_weights_changelist")
        if not form.is_valid():
            messages.error(request, "Nothing was changed: the page did not say which version it showed as the newest.")
            return here
        try:
            made = weighing.roll_back(
                old, author=cast(User, request.user), started_from=form.cleaned_data["started_from"]
            )
        except weighing.Newer as late:
            messages.error(request, f"Nothing was changed: {late}, by {author_of(late.newest)}. Look at it first.")
        except weighing.Unchanged:
            messages.warning(request, f"Nothing was changed: the newest version has the figures of {old.version}.")
        else:
            messages.success(request, published(*made))
        return here

    # The editor

    @for_publishers
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The editor; a POST publishes."""
        if request.method != "POST":
            return self.fresh_editor(request)
        form = Publication(request.POST)
        if not form.is_valid():
            return self.editor(request, form, status=400)
        try:
            made = weighing.publish(
                form.figures,
                author=cast(User, request.user),
                reason=form.cleaned_data["reason"],
                started_from=form.seen,
            )
        except weighing.Newer as late:
            return self.conflict(request, form, late.newest)
        except weighing.Unchanged:
            form.add_error(None, "These are the figures of the newest version: there is nothing to publish.")
            return self.editor(request, form, status=400)
        messages.success(request, published(*made))
        return redirect("admin:recommendations_weights_changelist")

    @for_publishers
    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """Before and after for what the form holds: the right side alone for HTMX, else the whole editor."""
        if request.method != "POST":
            return redirect(f"{reverse('admin:recommendations_weights_add')}?{request.GET.urlencode()}")
        figures = Figures(request.POST)
        if not request.htmx:  # type: ignore[attr-defined]  # django_htmx's middleware sets it
            return self.editor(request, unpublished(request), status=200 if figures.is_valid() else 400)
        response = self.shown(request, "_preview", "Preview", **previewed(figures))
        patch_vary_headers(response, ["HX-Request"])
        if not figures.is_valid():
            return response
        return cast(HttpResponse, replace_url(response, address_for(figures["people"].value() or "")))

    def fresh_editor(self, request: HttpRequest) -> HttpResponse:
        """Begun from the newest version, or with the figures of the one that the address names."""
        newest = Weights.objects.current()
        start, wanted = newest, request.GET.get("from", "")
        if wanted:
            if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 10):
                raise Http404("from: a version")
            start = get_object_or_404(Weights, version=int(wanted))
        begun = {**weighing.figures_of(start), "people": request.GET.get("people", "")[:800]}
        figures = Figures(begun)
        form = Publication(initial={**begun, "started_from": newest.version})
        return self.editor(request, form, figures=figures)

    def editor(
        self,
        request: HttpRequest,
        form: Publication,
        status: int = 200,
        figures: Figures | None = None,
        **context: Any,
    ) -> TemplateResponse:
        shown = previewed(figures or Figures(request.POST))
        shown["sliders"] = list(zip_longest(form.weights, shown.get("shares", ())))
        return self.shown(request, "editor", "Change the weights", "Change", status, form=form, **shown, **context)

    def conflict(self, request: HttpRequest, form: Publication, newest: Weights) -> TemplateResponse:
        """Somebody was faster: say what changed, publish nothing."""
        seen = Weights.objects.filter(version=form.seen).first() or newest
        theirs = weighing.changes(weighing.figures_of(seen), weighing.figures_of(newest))
        context: dict[str, Any] = {"newest": newest, "seen": seen, "theirs": theirs, "author": author_of(newest)}
        return self.editor(request, form, status=409, **context)


def address_for(people: str) -> str:
    """The editor's address for those people."""
    query = urlencode({"people": ",".join(names_in(people))})
    return reverse("admin:recommendations_weights_add") + (f"?{query}" if people.strip() else "")


def unpublished(request: HttpRequest) -> Publication:
    """The form with what was typed, and without a word on what only publishing needs."""
    form = Publication(request.POST)
    for name in ("reason", "started_from", "over"):
        form.errors.pop(name, None)
    return form


def previewed(figures: Figures) -> dict[str, Any]:
    """What the right side shows. problems: label and what is wrong, of each field that cannot be read."""
    if not figures.is_valid():
        found = figures.errors.items()
        return {"problems": [(figures[name].label if name in figures.fields else "", told) for name, told in found]}
    people = figures.cleaned_data["people"]
    return {
        "shares": weighing.shares_of(Weights(**figures.figures)),
        "replay": weighing.preview(figures.figures, people) if people else None,
        "nobody": not people,
    }


def live_version() -> Weights | None:
    """The version that readers' lists were made with."""
    live = Generation.objects.live()
    return live.weights if live else None


def row_of(version: Weights, newest: Weights, live: Weights | None) -> dict[str, Any]:
    """A version as the history shows it."""
    state = weighing.state_of(version, newest.pk, live.pk if live else None)
    return {
        "version": version,
        "shares": weighing.shares_of(version),
        "state": state,
        "author": author_of(version),
        "newest": version.pk == newest.pk,
    }


def author_of(version: Weights) -> str:
    """Whose it is; the first version is made from the settings."""
    if version.author:
        return version.author.username
    return "The settings" if version.version == 1 else "Somebody whose account is gone"


def published(made: Weights, run: Run) -> str:
    if run.state == Run.State.RUNNING:
        return f"Version {made.version} is published. A run is at work; if it is past scoring, the next brings it."
    return f"Version {made.version} is published. It is live as soon as run {run.pk} has scored everyone."
