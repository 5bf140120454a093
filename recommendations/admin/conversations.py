"""What people want, by sentences that stand for it, and what was understood of what they wrote."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from engine.admin.base import Admin, Guarded, ReadOnly
from recommendations import intents
from recommendations.models import Fact, Intent


class IntentForm(Guarded):
    def clean_name(self) -> str:
        name = " ".join(self.cleaned_data["name"].split())
        if Intent.objects.filter(name__iexact=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError("There is one of that name already.")
        return name


@admin.register(Intent)
class IntentAdmin(Admin):
    """A proposal is found in messages and quotes some; who takes it says it in words of their own, and names it."""

    form = IntentForm
    list_display = ("name", "state", "counts", "messages", "made_from")
    list_filter = ("state",)
    search_fields = ("name",)
    ordering = ("name",)
    fields = ("name", "state", "counts", "prototype", "made_from")
    readonly_fields = ("made_from",)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).annotate(message_count=Count("messages"))

    @admin.display(description="messages", ordering="message_count")
    def messages(self, intent: Any) -> str:
        return f"{intent.message_count:,}"

    def save_model(self, request: HttpRequest, obj: Intent, form: forms.ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        intents.want([obj])
        if "counts" in form.changed_data:
            intents.touch([obj])

    def delete_model(self, request: HttpRequest, obj: Intent) -> None:
        self.delete_queryset(request, Intent.objects.filter(pk=obj.pk))

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet) -> None:
        intents.touch(queryset)
        super().delete_queryset(request, queryset)


@admin.register(Fact)
class FactAdmin(ReadOnly):
    """Without the sentences in the list: they are what somebody said."""

    list_display = ("user", "what", "confidence", "count", "state", "said_at")
    list_select_related: ClassVar[Any] = ("user", "stack", "category", "project")
    list_filter = ("state",)
    search_fields = ("user__username__exact",)
    search_help_text = "a user name, in full"
    ordering = ("-pk",)
    fields = ("user", "what", "sentence", "confidence", "count", "state", "said_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("project__readme", "project__search", "user__password")

    @admin.display(description="what")
    def what(self, fact: Fact) -> str:
        return str(fact.stack or fact.category or fact.project or fact.interest)
