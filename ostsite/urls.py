"""Where each app is mounted. The probes of ostsite/health.py answer before any address is looked up."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from ostsite.bridge_api import IssueProjects, ProjectIssues

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("recommendations.urls")),
    path("", include("issues.urls")),
    path("api/v1/issues/<int:number>/projects/", IssueProjects.as_view(), name="api_issue_projects"),
    path("api/v1/projects/<str:owner>/<str:name>/issues/", ProjectIssues.as_view(), name="api_project_issues"),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "ostsite.errors.bad_request"
handler403 = "ostsite.errors.forbidden"
handler404 = "ostsite.errors.not_found"
handler500 = "ostsite.errors.server_error"
