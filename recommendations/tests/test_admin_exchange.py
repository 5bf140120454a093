import csv
import io
import json
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from engine.models import Audit
from engine.tests.staff import sign_in, staff
from recommendations import enriching
from recommendations.models import Category, CategoryEmbedding, Project, ProjectCategory, TechStack
from recommendations.tests.factories import belongs, make_category, make_model, make_project, make_stack

pytestmark = pytest.mark.django_db

CSV, JSON = "0", "1"
PROJECTS = reverse("admin:recommendations_project_export")


@pytest.fixture
def curator():
    names = ("category", "techstack")
    rights = [f"recommendations.{verb}_{name}" for verb in ("view", "add", "change") for name in names]
    more = ("view_project", "change_project", "view_projectcategory", "view_projecttechstack")
    return sign_in(staff("carol", *rights, *(f"recommendations.{name}" for name in more)))


def address(name, page):
    return reverse(f"admin:recommendations_{name}_{page}")


def upload(client, name, content, kind=CSV):
    file = SimpleUploadedFile("table", content if isinstance(content, bytes) else content.encode())
    return client.post(address(name, "import"), {"import_file": file, "format": kind, "resource": "0"})


def confirm(client, name, page):
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.content.decode()))
    return client.post(address(name, "process_import"), hidden)


def brought_in(client, name, content, kind=CSV):
    return confirm(client, name, upload(client, name, content, kind))


def test_the_preview_shows_the_change_and_makes_none(curator):
    make_category("Games", description="old")
    page = upload(curator, "category", "name,description\nGames,new\nTools,\n").content.decode()
    assert "<del>old</del> <ins>new</ins>" in page
    assert Category.objects.values_list("name", "description").get() == ("Games", "old")


def test_a_confirmed_file_is_stored(curator):
    make_category("Games", description="old")
    brought_in(curator, "category", 'name,description,aliases\nGames,new,"Jeux\nPlay"\nTools,,\n')
    assert list(Category.objects.values_list("name", "description", "aliases")) == [
        ("Games", "new", ["Jeux", "Play"]), ("Tools", "", []),
    ]  # fmt: skip


def test_the_categories_of_a_file_get_their_texts(curator):
    brought_in(curator, "category", "name,description\nTools,Helps\n")
    assert CategoryEmbedding.objects.get().text == "Tools. Helps"


def test_who_brought_a_file_in_is_kept(curator):
    brought_in(curator, "category", "name,description\nTools,Helps\n")
    assert Audit.objects.values_list("actor", "action", "subject", "note").get() == (
        "carol", "import", "categories", "1 new",
    )  # fmt: skip


def test_json_comes_in_too(curator):
    rows = [{"name": "Rust", "kind": "LANGUAGE", "aliases": ["rs"], "languages": ["Rust"]}]
    brought_in(curator, "techstack", json.dumps(rows), JSON)
    assert TechStack.objects.values_list("kind", "aliases", "languages").get() == ("LANGUAGE", ["rs"], ["Rust"])


@pytest.mark.parametrize("kind", [CSV, JSON])
def test_what_goes_out_comes_in_unchanged(curator, kind):
    make_category("-ops", aliases=["=cmd()", "b"], description="+1")
    out = curator.post(address("category", "export"), {"format": kind, "resource": "0"}).content
    page = upload(curator, "category", out, kind).content.decode()
    assert "Skipped" in page
    assert "Update" not in page


def test_a_cell_that_a_spreadsheet_would_run_goes_out_inert(curator):
    make_category("=cmd()")
    out = curator.post(address("category", "export"), {"format": CSV, "resource": "0"}).content.decode()
    assert "'=cmd()" in out


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xff\xfe\x00", b"name,name\na,b\n", b"nothing\nhere\n", b'name\n"open', b"name,kind\na\n", b"\0\0\0",
        b"name,kind\nRust,COLOUR\n", b"name,kind\n" + b"x" * 90 + b",TECH\n", b"name,kind\nR\0st,TECH\n",
        b"name,kind\n" + b"a,TECH\n" * 2001,
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [CSV, JSON])
def test_a_file_that_is_no_such_table_brings_in_nothing(curator, content, kind):
    page = upload(curator, "techstack", content, kind)
    assert page.status_code == 200
    assert "Confirm import" not in page.content.decode()


@pytest.mark.parametrize(
    "content", ["[1, 2]", "[[1, 2]]", "{}", "[" * 100_000, "null", '"name"', '[{"name": {}}]', "NaN"]
)
def test_json_that_is_no_table_brings_in_nothing(curator, content):
    page = upload(curator, "techstack", content, JSON)
    assert page.status_code == 200
    assert "Confirm import" not in page.content.decode()


def test_a_file_over_two_megabytes_is_refused(curator):
    page = upload(curator, "techstack", b"name,kind\n" + b"x" * (2 * 1024 * 1024))
    assert "larger than 2 MB" in page.content.decode()


@pytest.mark.parametrize(
    "posted",
    [
        {}, {"format": "abc", "import_file_name": "0" * 32, "original_file_name": "x"},
        {"format": "9", "import_file_name": "0" * 32, "original_file_name": "x"},
        {"format": "0", "import_file_name": "../../etc/passwd", "original_file_name": "x"},
        {"format": "0", "import_file_name": "0" * 32, "original_file_name": "x", "resource": "7"},
        {"format": "0", "import_file_name": "0" * 32, "original_file_name": "x"},
    ],
)  # fmt: skip
def test_a_confirmation_of_nothing_brings_in_nothing(curator, posted):
    assert curator.post(address("techstack", "process_import"), posted).status_code in (200, 400)
    assert not TechStack.objects.exists()


@pytest.mark.parametrize("page", ["import", "process_import"])
def test_who_may_only_look_brings_in_nothing(page):
    looker = sign_in(staff("lea", "recommendations.view_techstack", "recommendations.view_projectcategory"))
    assert looker.post(address("techstack", page)).status_code == 403
    assert looker.post(address("projectcategory", page)).status_code == 403


def test_who_sees_no_table_takes_none_out():
    nobody = sign_in(staff("noel"))
    assert nobody.get(address("category", "export")).status_code == 403
    assert nobody.get(PROJECTS).status_code == 403


@pytest.mark.parametrize("page", ["import", "export"])
def test_the_pages_of_it_carry_no_inline_script_or_style(curator, page):
    page = curator.get(address("category", page)).content.decode()
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=", page)


def test_a_preview_carries_no_inline_style(curator):
    make_category("Games", description="old")
    page = upload(curator, "category", "name,description\nGames,<b style='x'>new\nTools,\n").content.decode()
    assert not re.search(r"<[^>]*\sstyle=", page)


# Links


@pytest.fixture
def octo():
    make_model()
    project = make_project("octo/tool", topics=["game"])
    make_category("Games", topics=["game"])
    make_category("Tools")
    for _ in enriching.enrich():
        pass
    return project


def links(project):
    return list(project.category_links.order_by("category__name").values_list("category__name", "source", "applies"))


def test_a_file_of_links_is_a_curators_word(curator, octo):
    content = "full_name,category,applies\nOcto/Tool,tools,yes\nocto/tool,Games,no\n"
    brought_in(curator, "projectcategory", content)
    for _ in enriching.enrich(everything=True):
        pass
    assert links(octo) == [("Games", "curated", False), ("Tools", "curated", True)]


def test_a_link_that_was_automatic_is_a_curators_when_the_file_says_so(curator, octo):
    brought_in(curator, "projectcategory", "full_name,category,applies\nocto/tool,Games,yes\n")
    assert links(octo) == [("Games", "curated", True)]


def test_a_preview_of_links_changes_none(curator, octo):
    upload(curator, "projectcategory", "full_name,category,applies\nocto/tool,Tools,yes\n")
    assert links(octo) == [("Games", "auto", True)]


@pytest.mark.parametrize(
    "content",
    [
        "full_name,category,applies\nocto/none,Games,yes\n", "full_name,category,applies\nocto/tool,None,yes\n",
        "full_name,category,applies\nocto/tool,Games,maybe\n", "full_name,applies\nocto/tool,yes\n",
        "full_name,category,applies\nocto/tool,Tools,yes\nocto/tool,tools,no\n", "category\nGames\n",
    ],
)  # fmt: skip
def test_one_bad_link_and_none_of_the_file_comes_in(curator, octo, content):
    page = upload(curator, "projectcategory", content)
    assert page.status_code == 200
    assert "Confirm import" not in page.content.decode()
    assert links(octo) == [("Games", "auto", True)]


def test_links_go_out_and_come_in_unchanged(curator, octo):
    belongs(octo, Category.objects.get(name="Tools"), source="curated", applies=False)
    out = curator.post(address("projectcategory", "export"), {"format": CSV, "resource": "0"}).content.decode()
    assert out.split() == ["full_name,category,applies", "octo/tool,Tools,no"]


def test_a_long_file_of_links_costs_no_more_queries(curator, django_assert_max_num_queries):
    make_category("Games")
    names = [make_project(f"octo{number}/tool").full_name for number in range(60)]
    content = "full_name,category,applies\n" + "".join(f"{name},Games,yes\n" for name in names)
    page = upload(curator, "projectcategory", content)
    with django_assert_max_num_queries(40):
        confirm(curator, "projectcategory", page)
    assert ProjectCategory.objects.filter(source="curated").count() == 60


def test_stacks_have_a_file_of_links_of_their_own(curator, octo):
    make_stack("Python")
    brought_in(curator, "projecttechstack", "full_name,stack,applies\nocto/tool,Python,1\n")
    assert octo.stack_links.values_list("source", "applies").get() == ("curated", True)


# Projects


def text_of(response):
    return b"".join(response.streaming_content).decode()


def test_projects_go_out_as_the_import_reads_them(curator):
    make_project("octo/tool", topics=["a", "b"], stars=3, is_archived=True, readme="long")
    row = json.loads(text_of(curator.get(PROJECTS, {"as": "jsonl"})))
    assert (row["full_name"], row["topics"], row["stars"], row["archived"]) == ("octo/tool", ["a", "b"], 3, True)
    assert "readme" not in row


def test_projects_go_out_for_a_spreadsheet(curator):
    make_project("octo/tool", description="=cmd()", topics=["a", "b"])
    (row,) = csv.DictReader(io.StringIO(text_of(curator.get(PROJECTS))))
    assert (row["full_name"], row["description"], row["topics"]) == ("octo/tool", "'=cmd()", "a b")


def test_projects_go_out_in_blocks(curator, monkeypatch):
    monkeypatch.setattr("recommendations.admin.project_files.AT_ONCE", 2)
    for number in range(5):
        make_project(f"octo{number}/tool")
    assert len(text_of(curator.get(PROJECTS)).splitlines()) == 6


def test_only_the_projects_of_the_list_go_out(curator):
    make_project("octo/tool", is_archived=True)
    make_project("octo/other")
    page = curator.get(PROJECTS, {"is_archived__exact": "1", "as": "jsonl"})
    assert json.loads(text_of(page))["full_name"] == "octo/tool"


@pytest.mark.parametrize("asked", ["as=exe", "as=csv&unknown=1", "is_archived__regex=((("])
def test_a_bad_address_of_an_export_is_a_400(curator, asked):
    assert curator.get(f"{PROJECTS}?{asked}").status_code == 400


def test_a_hostile_name_stays_text_on_every_page(curator):
    Project.objects.create(full_name="octo/tool", description="<script>alert(1)</script>", homepage="javascript:x()")
    pk = Project.objects.get().pk
    page = curator.get(reverse("admin:recommendations_project_change", args=[pk])).content.decode()
    assert "<script>alert" not in page
    assert 'href="javascript' not in page
