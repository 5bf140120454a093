from collections import Counter
from collections.abc import Sequence
from functools import cached_property

from engine.commands import Refused
from engine.importing import ImportCommand
from recommendations import importing
from recommendations.models import Category
from recommendations.models.taxonomy import load_taxonomy
from recommendations.schemas import UserLine
from recommendations.taxonomy import Taxonomy


class Command(ImportCommand[UserLine]):
    help = "Import users with their profiles. They get no password; an unknown stack or category becomes an interest."
    schema = UserLine

    @cached_property
    def taxonomy(self) -> Taxonomy:
        if not Category.objects.exists():
            raise Refused("there are no categories and stacks yet; run: ./ost manage seed_taxonomy")
        return load_taxonomy()

    def write(self, records: Sequence[UserLine]) -> Counter[str]:
        return importing.import_users(records, self.taxonomy)
