"""People: what they said and did, to look at; accounts and groups, for superusers alone."""

from typing import Any, ClassVar

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group, User
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Lower
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from engine.admin.base import LONGEST_SEARCH, Admin, Guarded, ReadOnly, ReadOnlyRows
from recommendations.admin import engagement
from recommendations.models import (
    Impression,
    Interaction,
    Message,
    Profile,
    ProfileCategory,
    ProfileTechStack,
    Project,
)


class CategoryRows(ReadOnlyRows):
    model = ProfileCategory
    fields = readonly_fields = ("category", "applies", "source", "confidence")
    verbose_name_plural = "categories they care for"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("category")


class StackRows(ReadOnlyRows):
    model = ProfileTechStack
    fields = readonly_fields = ("stack", "applies", "source", "confidence")
    verbose_name_plural = "stacks they know; not applying: refused"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("stack")


def number(model: Any, whose: str, **only: Any) -> Coalesce:
    """How many such rows each profile has."""
    mine = model.objects.filter(**{whose: OuterRef("pk")}, **only).order_by().values(whose)
    return Coalesce(Subquery(mine.annotate(many=Count("pk")).values("many")), 0)


@admin.register(Profile)
class ProfileAdmin(ReadOnly):
    list_display = ("user", "job_title", "stacks", "categories", "acts", "changed_at", "shown")
    list_select_related = ("user",)
    list_filter = (("welcomed_at", admin.EmptyFieldListFilter),)
    search_fields = ("user__username__istartswith",)
    search_help_text = "how a user name begins"
    ordering = ("-changed_at",)
    fields = (
        "user", "job_title", "company", "location", "bio", "interests", "changed_at", "welcomed_at", "did", "shown",
    )  # fmt: skip
    inlines = (StackRows, CategoryRows)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        counts = {
            "stack_count": number(ProfileTechStack, "profile", applies=True),
            "category_count": number(ProfileCategory, "profile", applies=True),
            "act_count": number(Interaction, "user"),
        }
        return super().get_queryset(request).annotate(**counts).defer("user__password")

    @admin.display(description="stacks", ordering="stack_count")
    def stacks(self, profile: Any) -> int:
        return int(profile.stack_count)

    @admin.display(description="categories", ordering="category_count")
    def categories(self, profile: Any) -> int:
        return int(profile.category_count)

    @admin.display(description="interactions", ordering="act_count")
    def acts(self, profile: Any) -> int:
        return int(profile.act_count)

    @admin.display(description="what they did")
    def did(self, profile: Profile) -> str:
        kinds = Interaction.objects.filter(user=profile.pk).order_by("kind").values("kind").annotate(many=Count("pk"))
        return ", ".join(f"{row['many']:,} × {row['kind']}" for row in kinds) or "nothing yet"

    @admin.display(description="recommendations")
    def shown(self, profile: Profile) -> str:
        address = reverse("admin:recommendations_recommendation_changelist")
        return format_html('<a href="{}?person={}">Recommendations</a>', address, profile.pk)


class Acts(ReadOnly):
    """Rows of many people: found by an exact name of a person or a project."""

    list_select_related: ClassVar[Any] = ("user", "project")
    search_fields = ("user__username",)
    search_help_text = "a user name or a project, in full"
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("project__readme", "project__search", "user__password")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """Names first, so that each of the two indexes is used."""
        if not search_term or len(search_term) > LONGEST_SEARCH:
            return super().get_search_results(request, queryset, search_term)
        people = list(User.objects.filter(username=search_term).values_list("pk", flat=True))
        projects = Project.objects.annotate(lower=Lower("full_name")).filter(lower=search_term.lower())
        return queryset.filter(Q(user__in=people) | Q(project__in=list(projects.values_list("pk", flat=True)))), False


@admin.register(Interaction)
class InteractionAdmin(Acts):
    list_display = fields = ("user", "kind", "project", "at", "count", "from_github")
    list_filter = ("kind",)


@admin.register(Impression)
class ImpressionAdmin(Acts):
    list_display = fields = ("user", "project", "rank", "source", "weights", "shown_at", "generation")
    list_select_related = ("user", "project", "generation", "weights")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(engagement.page)
        return [path("engagement/", view, name="recommendations_impression_engagement"), *super().get_urls()]


@admin.register(Message)
class MessageAdmin(ReadOnly):
    """Without the text in the list: it is what somebody said."""

    list_display = ("message_id", "user", "intent", "said_at", "stored_at")
    list_select_related = ("user", "intent")
    search_fields = ("user__username__exact", "message_id__exact")
    search_help_text = "a user name, or the id of a message"
    ordering = ("-pk",)
    fields = ("message_id", "user", "said_at", "stored_at", "intent", "nearness", "text")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("text", "user__password")


class SuperusersSee:
    """Whatever permissions a group was given."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)


class SuperusersOnly(SuperusersSee):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request) and obj != request.user


class UserForm(Guarded, UserChangeForm):
    pass


class PeopleAdmin(SuperusersOnly, Admin, UserAdmin):
    form = UserForm
    readonly_fields = ("last_login", "date_joined")
    ordering = ("-pk",)
    search_fields = ("username__istartswith", "email__exact")
    search_help_text = "how a user name begins, or an address"
    actions = None


class GroupsAdmin(SuperusersOnly, Admin, GroupAdmin):
    actions = None


class AddressAdmin(SuperusersSee, ReadOnly):
    list_display = fields = ("email", "user", "verified", "primary")
    list_select_related = ("user",)
    list_filter = ("verified",)
    search_fields = ("email__exact", "user__username__exact")
    ordering = ("-pk",)


class GitHubAccountAdmin(SuperusersSee, ReadOnly):
    list_display = fields = ("user", "provider", "uid", "last_login", "date_joined")
    list_select_related = ("user",)
    search_fields = ("uid__exact", "user__username__exact")
    ordering = ("-pk",)


ACCOUNTS = (
    (User, PeopleAdmin),
    (Group, GroupsAdmin),
    (EmailAddress, AddressAdmin),
    (SocialAccount, GitHubAccountAdmin),
)
for table, kind in ACCOUNTS:
    if admin.site.is_registered(table):
        admin.site.unregister(table)
    admin.site.register(table, kind)
