"""A person's keys of the API: what they have, one more, and an end to one."""

from typing import Any, cast

from allauth.account.decorators import reauthentication_required
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from engine.models import ApiKey
from recommendations.profile_forms import PlainText

AT_MOST = 20  # valid keys of one person
SHOWN = 50
STAFF_ONLY = {ApiKey.Scope.CONVERSATIONS}
UNPROCESSABLE = 422


class KeyForm(forms.Form):
    name = PlainText(max_length=80, help_text="What it is for.")
    scopes = forms.MultipleChoiceField(
        label="What it may do", widget=forms.CheckboxSelectMultiple, initial=[ApiKey.Scope.READ]
    )
    days = forms.IntegerField(label="Days until it ends", min_value=1, max_value=365, initial=90)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        scopes = cast(forms.MultipleChoiceField, self.fields["scopes"])
        scopes.choices = [pair for pair in ApiKey.Scope.choices if user.is_staff or pair[0] not in STAFF_ONLY]

    @transaction.atomic
    def issue(self) -> str:
        """The text of a new key; "" and an error when there are as many as one may have."""
        list(User.objects.select_for_update().filter(pk=self.user.pk).values_list("pk"))  # one at a time counts
        if ApiKey.objects.valid().filter(user=self.user).count() >= AT_MOST:
            self.add_error(None, ValidationError(f"You have {AT_MOST} keys that work. Revoke one first."))
            return ""
        return ApiKey.objects.issue(self.user, **self.cleaned_data)[1]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@reauthentication_required(enabled=lambda request: request.method == "POST")
def keys(request: HttpRequest) -> HttpResponse:
    """The list, and on the answer to the form the new key's text, this once."""
    user = cast(User, request.user)
    form = KeyForm(request.POST or None, user=user)
    text = form.issue() if request.method == "POST" and form.is_valid() else ""
    answer = {
        "form": KeyForm(user=user) if text else form,
        "text": text,
        "keys": ApiKey.objects.filter(user=user, revoked_at=None)[:SHOWN],
        "now": timezone.now(),
    }
    status = UNPROCESSABLE if request.method == "POST" and not text else 200
    return render(request, "recommendations/keys.html", answer, status=status)


@require_POST
@login_required
@reauthentication_required
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    key = get_object_or_404(ApiKey, pk=pk, user=cast(User, request.user))
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now())
    messages.success(request, f"{key} is revoked, from this moment on.")
    return redirect("keys")
