"""The admin site."""

from django.contrib.admin import AdminSite


class Site(AdminSite):
    site_header = "OST Engine"
    site_title = "OST Engine"
    index_title = "Curate and operate"
