"""The one screen that somebody new goes through, or past."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models.functions import Now
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from recommendations import profiles, serving
from recommendations.forms import WelcomeForm
from recommendations.models import Profile
from recommendations.pages.rows import Request, signed_in

UNPROCESSABLE = 422


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def welcome(request: Request) -> HttpResponse:
    person = profiles.of(request.user)
    if request.method != "POST":
        serving.warm()
        return render(request, "recommendations/welcome.html", {"form": WelcomeForm(initial=known_of(person))})
    if "skip" not in request.POST:
        form = WelcomeForm(request.POST)
        if not form.is_valid():
            return render(request, "recommendations/welcome.html", {"form": form}, status=UNPROCESSABLE)
        profiles.say(request.user, **form.cleaned_data)
        messages.success(request, "Saved. Your list already goes by it.")
    Profile.objects.filter(pk=person.pk, welcomed_at=None).update(welcomed_at=Now())
    return redirect("for_you")


def known_of(person: Profile) -> dict[str, Any]:
    """What is known already, from an import or an earlier visit."""
    return {
        "stacks": list(person.stack_links.filter(applies=True).values_list("stack", flat=True)),
        "categories": list(person.category_links.filter(applies=True).values_list("category", flat=True)),
        "interests": ", ".join(person.interests),
        "bio": person.bio,
    }
