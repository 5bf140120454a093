"""The addresses of the API of problems."""

from django.urls import URLPattern, path

from issues.api import views

V1 = "api/v1/issues/"

urlpatterns: list[URLPattern] = [
    path(V1, views.Issues.as_view(), name="api_issues"),
    path(f"{V1}similar/", views.Similar.as_view(), name="api_issues_similar"),
    path(f"{V1}<int:number>/", views.OneIssue.as_view(), name="api_issue"),
    path(f"{V1}<int:number>/evidence/", views.Evidence.as_view(), name="api_issue_evidence"),
]
