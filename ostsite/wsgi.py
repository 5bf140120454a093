"""The web process. It refuses to start on a setting that a command would refuse."""

import os

from ostsite import database

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ostsite.settings")
database.ensure_running()

from django.core.wsgi import get_wsgi_application  # noqa: E402  the database runs before the apps load

application = get_wsgi_application()
