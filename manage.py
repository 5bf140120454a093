#!/usr/bin/env python
"""The commands. `./ost manage …` runs this in the project's own environment."""

import os
import sys


def main() -> int:
    """Run one command. Whatever the operator can mend ends in one line and a code, never in a trace."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ostsite.settings")
    refused: tuple[type[Exception], ...] = ()
    try:
        from django.core.exceptions import ImproperlyConfigured

        from ostsite import database

        refused = (ImproperlyConfigured, database.DatabaseUnavailable)
        from django.conf import settings
        from django.core.management import execute_from_command_line

        if settings.SECRET_KEY:  # reading any setting loads them all
            database.ensure_running()
        execute_from_command_line(sys.argv)
    except refused as error:
        sys.stderr.write(f"ost: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("ost: interrupted\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
