"""Whether the catalogue is fit to be embedded and scored: its figures beside those that passed before."""

from collections.abc import Iterator, Mapping

Figures = Mapping[str, int]

# Repositories vanish by ones and twos: a fifth gone between two runs is a lost table or a wrong import.
FALL = 20  # percent
# What a source stops to tell goes from most projects at once; a rule taken out of the taxonomy moves some percent.
RISE = 10  # points
# In a small catalogue a few rows are many percent, and somebody tidying up.
FEW = 20  # rows

COUNTED = ("projects", "people", "interactions")
LACKING = {  # what the score is made from: the texts, the stars, the links
    "without_description": "a description",
    "without_language": "a language",
    "without_topics": "topics",
    "without_readme": "a README",
    "without_stars": "a star count",
    "without_category": "a category",
    "without_stack": "a tech stack",
}


def problems(now: Figures, before: Figures | None) -> list[str]:
    """What speaks against going on, a sentence each; empty when nothing does.

    before: the figures that passed last, None the first time. A figure that they do not have yet is not compared.
    Nobody at all is no problem: the projects are placed and embedded for those who come.
    """
    if not now["projects"]:
        return ["there are no projects; import some"]
    return [*falls(now, before), *losses(now, before)] if before else []


def falls(now: Figures, before: Figures) -> Iterator[str]:
    """Counts that fell. One that rises is welcome."""
    for name in COUNTED:
        had, has = before.get(name, 0), now[name]
        if had - has >= FEW and percent(had - has, had) > FALL:
            yield f"{name} fell from {had} to {has} (-{percent(had - has, had)}%); at most {FALL}% is expected"


def losses(now: Figures, before: Figures) -> Iterator[str]:
    """Fields that more projects lack.

    A new project may lack any of them: were it not so, importing a second, poorer file would be an alarm. So as
    many as are new are left aside, and what is compared is what the others lack at the least.
    """
    new = max(now["projects"] - before["projects"], 0)
    for name, field in LACKING.items():
        lacked, lack = before.get(name), now[name]
        if lacked is None or lack - new - lacked < FEW:
            continue
        share = percent(lacked, before["projects"])
        if percent(lack - new, now["projects"] - new) - share > RISE:
            yield (
                f"projects without {field} rose from {share}% to {percent(lack, now['projects'])}%;"
                f" at most {RISE} points are expected"
            )


def percent(part: int, whole: int) -> int:
    """Whole percents, so that what is compared is what is said."""
    return round(100 * part / whole)
