"""What is known of a person: each fact with its source, theirs to change, to take away, and to delete."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest, ValidationError
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import slugify
from django.views.decorators.http import require_http_methods, require_safe

from engine.pages import Wait, number
from recommendations import acts, my_data, profiles, stars
from recommendations.inferring import Term, kind_of, suggestions
from recommendations.models import (
    Category,
    Generation,
    Interaction,
    Profile,
    ProfileTechStack,
    Project,
    TechStack,
)
from recommendations.pages.facts import told_by
from recommendations.profile_forms import (
    CATEGORIES_AT_MOST,
    STACKS_AT_MOST,
    InterestForm,
    StarsForm,
    WordsForm,
    words_of,
)

ACTS_A_PAGE = 20
UNPROCESSABLE = 422


@dataclass(frozen=True)
class Fact:
    """That a term is theirs, or is not; by their own word, or as a run inferred it."""

    term: Term
    applies: bool
    own: bool
    confidence: float


@dataclass(frozen=True)
class Axis:
    """The stacks, or the categories, of a person, and all there are."""

    kind: str
    title: str
    facts: Sequence[Fact]
    terms: QuerySet[Any]
    most: int

    @property
    def said(self) -> list[Fact]:
        return [fact for fact in self.facts if fact.applies]

    @property
    def refused(self) -> list[Fact]:
        return [fact for fact in self.facts if not fact.applies]

    @property
    def full(self) -> bool:
        return len(self.said) >= self.most

    @property
    def choices(self) -> list[Term]:
        """What is neither said nor refused."""
        settled = {fact.term for fact in self.facts}
        return [term for term in self.terms if term not in settled]


@dataclass(frozen=True)
class Shelf:
    """One kind of act, and how many of it there are."""

    kind: str
    title: str
    verb: str
    undo: str
    count: int = 0


SHELVES = (
    Shelf("star", "Stars", "starred", "Remove"),
    Shelf("like", "Likes", "liked", "Remove"),
    Shelf("save", "Saves", "saved", "Remove"),
    Shelf("dismiss", "Hidden", "hidden", "Show again"),
)


# The page


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    user = cast(User, request.user)
    if request.method != "POST":
        return drawn(request, user)
    section, deed = DEEDS.get(request.POST.get("do", ""), ("", None))
    if deed is None:
        raise BadRequest("What is to be done?")
    try:
        with transaction.atomic():
            told = deed(user, request.POST)
    except ValidationError as error:
        return drawn(request, user, error)
    messages.success(request, told)
    return redirect(f"{request.get_full_path()}#{section}")


def drawn(request: HttpRequest, user: User, error: ValidationError | None = None) -> HttpResponse:
    """The page; after an error with what was typed."""
    person = profiles.of(user)
    generation = Generation.objects.live()
    axes = axes_of(person)
    links = [(axis.kind, fact.term.pk, fact.applies) for axis in axes for fact in axis.facts]
    typed = {request.POST["do"]: request.POST} if error else {}
    listed = stars.of(user)
    context = {
        "person": person,
        "stars": listed,
        "stars_form": StarsForm(typed.get("stars"), initial={"login": listed.login if listed else ""}),
        "wait": Wait.of(request),
        "words": WordsForm(typed.get("words"), initial=words_of(person)),
        "interest": InterestForm(typed.get("interest"), profile=person),
        "axes": axes,
        "suggestions": inferred(person, axes),
        "generation": generation,
        "changed": generation is not None and person.changed_at > generation.inputs_at,
        "error": error,
        "told": told_by(user, links, request.GET.get("heard"), request.GET.get("gone")),
        **activity(user, request.GET),
    }
    return render(request, "recommendations/profile.html", context, status=UNPROCESSABLE if error else 200)


def axes_of(person: Profile) -> list[Axis]:
    stacks, categories = facts(person.stack_links, "stack"), facts(person.category_links, "category")
    return [
        Axis("stack", "Tech stacks", stacks, TechStack.objects.all(), STACKS_AT_MOST),
        Axis("category", "Categories", categories, Category.objects.all(), CATEGORIES_AT_MOST),
    ]


def facts(links: Any, name: str) -> list[Fact]:
    """What the links of a profile say, by name."""
    return [
        Fact(getattr(link, name), link.applies, link.source == link.Source.CURATED, link.confidence)
        for link in links.select_related(name).order_by(f"{name}__name")
    ]


def inferred(person: Profile, axes: Sequence[Axis]) -> list[Any]:
    stacks, categories = axes
    settled = [fact.term for axis in axes for fact in axis.facts]
    return suggestions(person, categories.terms, stacks.terms, settled)


def activity(user: User, asked: QueryDict) -> dict[str, Any]:
    """What they did, a page of one kind; the first kind that there is any of, unless asked for another."""
    mine = Interaction.objects.filter(user=user)
    counts = mine.aggregate(**{shelf.kind: Count("pk", filter=Q(kind=shelf.kind)) for shelf in SHELVES})
    shelves = [replace(shelf, count=counts[shelf.kind]) for shelf in SHELVES]
    shown = shelf_named(asked.get("kind"), shelves)
    rows = mine.filter(kind=shown.kind).select_related("project").order_by("-at", "-pk")
    listed = ("kind", "at", *(f"project__{name}" for name in ("full_name", "description", "language", "stars")))
    pages = Paginator(rows.only(*listed), ACTS_A_PAGE)
    pages.count = shown.count  # it would ask again
    return {"shelves": shelves, "shelf": shown, "acts": pages.get_page(asked.get("page"))}


def shelf_named(kind: str | None, shelves: Sequence[Shelf]) -> Shelf:
    if kind is None:
        return next((shelf for shelf in shelves if shelf.count), shelves[0])
    for shelf in shelves:
        if shelf.kind == kind:
            return shelf
    raise Http404("There is no such kind of act.")


# What a person may change on it; each says what was done


def say_words(user: User, data: QueryDict) -> str:
    profiles.say(user, **valid(WordsForm(data)))
    return "Saved."


def add_interest(user: User, data: QueryDict) -> str:
    person = locked(user)
    interest = valid(InterestForm(data, profile=person))["interest"]
    profiles.say(user, interests=[*person.interests, interest])
    return "Interest added."


def drop_interest(user: User, data: QueryDict) -> str:
    kept = [interest for interest in locked(user).interests if interest != data.get("value")]
    profiles.say(user, interests=kept)
    return "Interest removed."


def add_term(user: User, data: QueryDict) -> str:
    person, term = locked(user), term_named(data)
    most = STACKS_AT_MOST if kind_of(term) == "stack" else CATEGORIES_AT_MOST
    links, own = acts.links_of(person, term)
    if links.filter(applies=True).exclude(**own).count() >= most:
        raise ValidationError(f"{term} is not added: at most {most} are kept here. Remove one first.")
    acts.say_of(person, term, applies=True)
    return f"{term} is yours."


def drop_term(user: User, data: QueryDict) -> str:
    """What they said is unsaid; what a run inferred is refused, or the next run would say it again."""
    person, term = locked(user), term_named(data)
    links, own = acts.links_of(person, term)
    if links.filter(**own, source=ProfileTechStack.Source.AUTO).exists():
        acts.say_of(person, term, applies=False)
    else:
        acts.forget(person, term)
    return f"{term} is removed."


def refuse_term(user: User, data: QueryDict) -> str:
    term = term_named(data)
    acts.say_of(locked(user), term, applies=False)
    return f"{term} is not yours: projects that have nothing else of yours are left out."


def forget_term(user: User, data: QueryDict) -> str:
    term = term_named(data)
    acts.forget(locked(user), term)
    return f"Nothing is said of {term} any more."


def begin_stars(user: User, data: QueryDict) -> str:
    listed = stars.begin(user, data.get("login", ""))
    return f"The stars of {listed.login} are read as soon as there is time."


def stop_stars(user: User, data: QueryDict) -> str:
    stars.stop(user)
    return "Your list on GitHub is read no more, and the stars that it brought are removed."


def undo_act(user: User, data: QueryDict) -> str:
    kind = data.get("kind", "")
    if kind not in {shelf.kind for shelf in SHELVES}:
        raise BadRequest("There is no such kind of act.")
    project = get_object_or_404(Project.objects.lean(), pk=number(data.get("project")))
    if kind == Interaction.Kind.STAR:
        stars.leave_out(user, project)
    acts.undo(user=user, project=project, kind=kind)
    return f"{project} is shown again." if kind == Interaction.Kind.DISMISS else f"{project} is removed."


# name -> where on the page its effect is seen, and the function
DEEDS: dict[str, tuple[str, Callable[[User, QueryDict], str]]] = {
    "words": ("words", say_words),
    "interest": ("interests", add_interest),
    "drop-interest": ("interests", drop_interest),
    "add": ("terms", add_term),
    "drop": ("terms", drop_term),
    "refuse": ("terms", refuse_term),
    "forget": ("terms", forget_term),
    "stars": ("stars", begin_stars),
    "stop-stars": ("stars", stop_stars),
    "undo": ("acts", undo_act),
}


def locked(user: User) -> Profile:
    """Their profile, for this transaction alone to change, so that two requests do not pass a limit together."""
    return Profile.objects.select_for_update().get(pk=profiles.of(user).pk)


def valid(form: Form) -> dict[str, Any]:
    if not form.is_valid():
        raise ValidationError("Nothing was saved. What to change is said beside the field.")
    return form.cleaned_data


def term_named(data: QueryDict) -> Term:
    model = {"stack": TechStack, "category": Category}.get(data.get("kind", ""))
    if model is None:
        raise BadRequest("A technology, or a category?")
    return cast(Term, get_object_or_404(model, pk=number(data.get("id"))))


# All of it


@login_required
@require_safe
def export(request: HttpRequest) -> HttpResponse:
    """Everything that is stored of them, as a file."""
    user = cast(User, request.user)
    response = JsonResponse(my_data.everything(user), json_dumps_params={"indent": 2, "ensure_ascii": False})
    name = slugify(user.username) or "me"
    response["Content-Disposition"] = f'attachment; filename="ost-{name}.json"'
    return response


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@reauthentication_required(enabled=lambda request: request.method == "POST")
def delete(request: HttpRequest) -> HttpResponse:
    """What will go; and, once they have typed their name, its end."""
    user = cast(User, request.user)
    if user.is_staff:
        return render(request, "recommendations/profile_delete.html", {"kept": True}, status=403)
    typed = request.POST.get("username", "")
    if request.method == "POST" and typed.strip() == user.username:
        my_data.forget(user)
        logout(request)
        messages.success(request, "Your data are deleted.")
        return redirect("home")
    wrong = request.method == "POST"
    context = {"wrong": wrong, "summary": my_data.summary(user)}
    return render(request, "recommendations/profile_delete.html", context, status=UNPROCESSABLE if wrong else 200)
