"""The web process. It refuses to start on a setting that a command would refuse."""

import os

from django.core.wsgi import get_wsgi_application

from ostsite import database

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ostsite.settings")
application = get_wsgi_application()  # loads the settings, and with them .env
database.ensure_running()
