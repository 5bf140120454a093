"""The addresses of the pages and of the API of problems."""

from django.urls import URLPattern, URLResolver, include, path

from issues.pages import curating, days, exports, feeds, listing, map, problem, similar

urlpatterns: list[URLPattern | URLResolver] = [
    path("issues/", listing.issue_list, name="issues"),
    path("issues/similar/", similar.similar, name="issues_similar"),
    path("issues/feed.atom", feeds.atom, name="issues_atom"),
    path("issues/feed.json", feeds.json_feed, name="issues_feed"),
    path("issues/export.csv", exports.as_csv, name="issues_csv"),
    path("issues/export.json", exports.as_json, name="issues_json"),
    path("issues/inbox/", curating.inbox, name="issues_inbox"),
    path("issues/log/", curating.log, name="issues_log"),
    path("issues/edits/<int:pk>/undo/", curating.undo, name="edit_undo"),
    path("issues/days/", days.day_list, name="issue_days"),
    path("issues/days/<str:day>/", days.day, name="issue_day"),
    path("issues/days/<str:day>/map/", map.day_map, name="issue_map"),
    path("issues/<int:pk>/", problem.problem, name="issue"),
    path("issues/<int:pk>/curate/", curating.curate, name="issue_curate"),
    path("issues/<int:pk>/act/", curating.act, name="issue_act"),
    path("", include("issues.api.urls")),
]
