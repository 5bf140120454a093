from collections import Counter
from collections.abc import Sequence

from engine.importing import ImportCommand
from recommendations import importing
from recommendations.schemas import ProjectLine


class Command(ImportCommand[ProjectLine]):
    help = "Import projects: full_name and what else is known; an absent value leaves what is there."
    schema = ProjectLine

    def write(self, records: Sequence[ProjectLine]) -> Counter[str]:
        return importing.import_projects(records)
