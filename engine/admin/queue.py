"""django-q's tables, to look at. What a task was called with and what came back stays closed: it is a pickle."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django_q.models import Failure, OrmQ, Schedule, Success

from engine.admin.base import ReadOnly

PICKLED = {Success: ("args", "kwargs", "result"), Failure: ("args", "kwargs", "result"), OrmQ: ("payload",)}


class QueueAdmin(ReadOnly):
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer(*PICKLED.get(self.model, ()))


class TaskAdmin(QueueAdmin):
    list_display = ("name", "started", "stopped", "success", "attempt_count")
    fields = ("id", *list_display)
    search_fields = ("name__startswith",)


class MessageAdmin(QueueAdmin):
    list_display = fields = ("id", "key", "lock")


class ScheduleAdmin(QueueAdmin):
    list_display = fields = ("name", "schedule_type", "cron", "next_run", "repeats")
    list_display_links = ("name",)


for table, kind in ((Success, TaskAdmin), (Failure, TaskAdmin), (OrmQ, MessageAdmin), (Schedule, ScheduleAdmin)):
    if admin.site.is_registered(table):
        admin.site.unregister(table)
    admin.site.register(table, kind)
