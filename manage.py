#!/usr/bin/env python
"""The commands. `./ost manage …` runs this in the project's own environment."""

import gc
import os
import sys


def main() -> int:
    """Run one command. Whatever the operator can mend ends in one line and a code, never in a trace."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ostsite.settings")
    refused: tuple[type[Exception], ...] = ()
    try:
        # Late, all of them: what refuses a setting or lacks a package does so while it is imported.
        import django
        from django.core.exceptions import ImproperlyConfigured
        from django.db import OperationalError

        from ostsite import database

        refused = (ImproperlyConfigured, OperationalError, database.DatabaseUnavailable)
        from django.conf import settings
        from django.core.management import execute_from_command_line, get_commands

        named = sys.argv[1] if len(sys.argv) > 1 else "help"
        if settings.SECRET_KEY and named != "worker":  # reading any setting loads them all; a worker waits for it
            database.ensure_running()
        gc.disable()  # none of what is loaded now is garbage, and not to look for it saves a fifth of the start
        django.setup()
        gc.enable()
        if not named.startswith("-") and named not in {*get_commands(), "help"}:
            raise ImproperlyConfigured(f"there is no command {named[:40]!a}; all of them: ./ost manage help")
        execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except refused as error:
        sys.stderr.write("ost: " + " ".join(str(error).split()) + "\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("ost: interrupted\n")
        return 130
    except BrokenPipeError:  # the reader has seen enough, as in `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
