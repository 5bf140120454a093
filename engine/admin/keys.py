"""Keys of the API: whose, what for, and an end to them. A key's text is stored nowhere."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from engine.admin.base import ReadOnly, note
from engine.models import ApiKey


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly):
    list_display = ("begins", "user", "name", "allows", "created_at", "expires_at", "used_at", "revoked_at")
    list_select_related = ("user",)
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), ("expires_at", admin.DateFieldListFilter))
    search_fields = ("user__username__exact", "shown__exact")
    search_help_text = "a user name, or how a key begins"
    fields = list_display
    actions = ("revoke",)

    @admin.display(description="key")
    def begins(self, key: ApiKey) -> str:
        return str(key)

    @admin.display(description="scopes")
    def allows(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("engine.change_apikey")

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        chosen = ApiKey.objects.filter(pk__in=queryset.values("pk"), revoked_at=None)
        names = ", ".join(chosen.values_list("shown", flat=True)[:100])
        ended = chosen.update(revoked_at=Now())
        note(request, "revoke keys", f"{ended} API keys", names)
        self.message_user(request, f"{ended} keys are revoked, from this moment on.", messages.SUCCESS)
