"""What a caller may do."""

from typing import TYPE_CHECKING, cast

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from engine.api.errors import Refusal
from engine.models import ApiKey

if TYPE_CHECKING:
    from rest_framework.views import APIView

    from engine.api.views import View

READING = frozenset({ApiKey.Scope.READ.value, ApiKey.Scope.WRITE.value})


class KeyScope(BasePermission):
    """Public views are read by everyone; the rest needs somebody signed in, or a key with the scope.

    A view may name another scope, and a permission that the caller must have: a key can do no more than its owner.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        view = cast("View", view)
        if view.public and request.method in view.public_methods:
            return True
        if not request.user.is_authenticated:
            return False  # DRF makes it a 401
        wanted = scopes(request, view)
        if isinstance(request.auth, ApiKey) and wanted.isdisjoint(request.auth.scopes):
            raise Refusal(403, "missing_scope", f"The key lacks the scope {min(wanted)}.")
        return not view.required_permission or request.user.has_perm(view.required_permission)


def scopes(request: Request, view: "View") -> frozenset[str]:
    """Any one of these is enough."""
    if view.required_scope:
        return frozenset({view.required_scope})
    return READING if request.method in SAFE_METHODS else frozenset({ApiKey.Scope.WRITE.value})
