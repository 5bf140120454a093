import gzip, json
from ostsite.tests.browser import test_pages as t, furniture as f
from ostsite.tests.browser.test_pages import *  # noqa
from recommendations.models import Project
from recommendations.importing import import_projects
from recommendations.schemas import ProjectLine
def test_real(visit, monkeypatch):
    def read(count):
        call_command("seed_taxonomy", verbosity=0)
        rows = []
        with gzip.open("/work/shared/data/projects.jsonl.gz", "rt") as g:
            for i, line in enumerate(g):
                if i >= 2000: break
                try: rows.append(ProjectLine.model_validate(json.loads(line)))
                except Exception: pass
        print(len(rows)); import_projects(rows)
    monkeypatch.setattr(f, "read", read)
    alice = f.furnish()
    v = visit()
    P = list(Project.objects.order_by("-stars")[:3]) + list(Project.objects.exclude(readme="").order_by("full_name")[:2])
    a = [Stop("real-home","/"), Stop("real-try","/",choose), Stop("real-projects","/projects/"), Stop("real-search","/projects/?q=machine+learning&language=Python"), Stop("real-trending","/trending/"), Stop("real-new","/new/"), Stop("real-last", "/projects/?page=80&order=name")]
    told = []
    for s in [*a, *(Stop(f"real-project-{i}", p.get_absolute_url()) for i,p in enumerate(P))]:
        told += [f"{s.name}: {x}" for x in faults(v, s, RULES)]
    v.sign_in(alice)
    for s in [Stop("real-for-you","/for-you/"), Stop("real-member-home","/"), Stop("real-profile","/profile/"), Stop("real-why", P[0].get_absolute_url()+"why/")]:
        told += [f"{s.name}: {x}" for x in faults(v, s, RULES)]
    print("\n".join(told)); assert 0
