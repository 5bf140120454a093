from collections import Counter
from collections.abc import Sequence

from engine.importing import ImportCommand
from recommendations import importing
from recommendations.schemas import InteractionLine


class Command(ImportCommand[InteractionLine]):
    help = "Import what users did with projects: star, like, save, click, view, dismiss. Unknown names are skipped."
    schema = InteractionLine
    skipped: importing.Skipped

    def write(self, records: Sequence[InteractionLine]) -> Counter[str]:
        return importing.import_interactions(records, self.skipped)

    def read(self, file: str) -> Counter[str]:
        self.skipped = importing.Skipped()
        return super().read(file)

    def remarks(self) -> list[str]:
        if not self.skipped.count:
            return []
        names = ", ".join(self.skipped.names)
        return [f"skipped {self.skipped.count} of users or projects that are not here, among them: {names}"]
