"""Secrets: what no log and no row of the ledger may show."""

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from engine.text import visible

SHORTEST = 6  # characters; a shorter secret would black out words that are none
_hidden = re.compile("(?!)")  # matches nothing


def hide(secrets: Iterable[str]) -> None:
    """From now on `scrubbed` knows these secrets, and no others."""
    global _hidden
    known = {form for secret in secrets if len(secret) >= SHORTEST for form in forms(secret)}
    _hidden = re.compile("|".join(map(re.escape, sorted(known, key=len, reverse=True))) or "(?!)", re.IGNORECASE)


def scrubbed(text: str) -> str:
    """With *** in place of each secret. Call it before a text is cut: half a secret is not found."""
    return _hidden.sub("***", text)


def forms(secret: str) -> set[str]:
    """How a secret can stand in a line: as it is or in an address, and that within up to three quotations."""
    found = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
    for _ in range(3):  # such as JSON in a repr in a quoted value; most secrets look the same in all of them
        for form in list(found):
            said, wide = repr(form)[1:-1], json.dumps(form, ensure_ascii=False)[1:-1]
            found |= {said, said.replace("'", r"\'"), visible(form), visible(wide), json.dumps(form)[1:-1]}
    return found
