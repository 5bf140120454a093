"""Labels asked for once more, by people. The stage `label` asks at the next run of a day whose clusters have them."""

from collections.abc import Collection

from django.conf import settings
from django.db.models.functions import Now

from issues.models import Label


class NoModel(Exception):
    """No model is named in the settings, and the extract of the same posts is the same."""


def ask_anew(chosen: Collection[int], who: str) -> int:
    """Put other answers in the place of these; they go on serving until then, and if there is none. Raises NoModel.

    An answer about the same posts would be taken instead of a new one, so it is asked for anew as well.
    """
    if not (settings.LLM_MODEL or settings.LLM_FALLBACK_MODEL):
        raise NoModel("no model is named (LLM_MODEL), and the extract of the same posts is the same")
    answers = Label.objects.reusable().filter(pk__in={*chosen, *of_the_same_posts(chosen)})
    reason = f"asked for anew by {who}"[:300]
    return answers.update(state=Label.State.DEFERRED, reason=reason, attempts=0, next_attempt_at=Now())


def of_the_same_posts(chosen: Collection[int]) -> set[int]:
    """The labels that answer for these: of the same exemplars from the same sources."""
    spoken = Label.objects.filter(pk__in=chosen).exclude(fingerprint="").values_list("fingerprint", "sources")
    asked = {(fingerprint, *sources) for fingerprint, sources in spoken}
    rows = Label.objects.reusable().filter(fingerprint__in={fingerprint for fingerprint, *_ in asked})
    found = rows.values_list("pk", "fingerprint", "sources")
    return {pk for pk, fingerprint, sources in found if (fingerprint, *sources) in asked}


def try_now(chosen: Collection[int]) -> int:
    """Those of them that failed or were deferred are due at once, and their waits begin with the shortest."""
    unanswered = Label.objects.filter(pk__in=chosen).exclude(state=Label.State.LABELLED)
    return unanswered.update(next_attempt_at=Now(), attempts=0)
