"""The addresses of the pages and of the API. A name here is what templates and tests call a page."""

from django.urls import URLPattern, URLResolver, include, path

from recommendations.pages import facts, first_issues, for_you, home, keys, profile, project, projects, trying, welcome

NAMED = "projects/<str:owner>/<str:name>/"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("try/", trying.try_it, name="try"),
    path("for-you/", for_you.for_you, name="for_you"),
    path("act/", for_you.act, name="act"),
    path("welcome/", welcome.welcome, name="welcome"),
    path("projects/", projects.project_list, name="projects"),
    path("trending/", projects.trending, name="trending"),
    path("new/", projects.new, name="new"),
    path("first-issues/", first_issues.first_issue_list, name="first_issues"),
    path("first-issues/look/", first_issues.look, name="first_issues_look"),
    path(NAMED, project.project, name="project"),
    path(f"{NAMED}why/", for_you.why, name="why"),
    path("profile/", profile.profile, name="profile"),
    path("profile/facts/", facts.act, name="fact"),
    path("profile/export/", profile.export, name="profile_export"),
    path("profile/delete/", profile.delete, name="profile_delete"),
    path("profile/keys/", keys.keys, name="keys"),
    path("profile/keys/<int:pk>/revoke/", keys.revoke, name="key_revoke"),
    path("", include("recommendations.api.urls")),
]
