import re
from html import unescape

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.conf import global_settings
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from engine.models import Audit
from engine.tests.staff import sign_in, staff
from recommendations import enriching
from recommendations.admin.projects import MOST_LINKS
from recommendations.models import (
    Category,
    CategoryEmbedding,
    Generation,
    Impression,
    Interaction,
    Message,
    MessageEmbedding,
    Profile,
    ProfileEmbedding,
    Project,
    ProjectCategory,
    ProjectEmbedding,
    ProjectTechStack,
    Recommendation,
    TechStack,
)
from recommendations.tests.factories import (
    act,
    belongs,
    give_vector,
    knows,
    make_category,
    make_model,
    make_project,
    make_projects,
    make_stack,
    make_user,
    make_weights,
    score,
)

pytestmark = pytest.mark.django_db

READ = [Profile, Interaction, Impression, Message, Generation, Recommendation, ProjectCategory, ProjectTechStack]
EMBEDDINGS = [ProjectEmbedding, ProfileEmbedding, CategoryEmbedding, MessageEmbedding]
CURATED = [Category, TechStack, Project]
ACCOUNTS = [User, Group, EmailAddress, SocialAccount]


def page_of(table, page, *arguments):
    return reverse(f"admin:{table._meta.app_label}_{table._meta.model_name}_{page}", args=arguments)


@pytest.fixture
def root():
    return sign_in(staff("root", superuser=True))


@pytest.fixture
def curator():
    rights = [
        f"recommendations.{verb}_{name}" for verb in ("view", "add", "change") for name in ("category", "techstack")
    ]
    more = ["view_project", "change_project", "view_profile", "view_recommendation"]
    return sign_in(staff("carol", *rights, "recommendations.delete_category", *(f"recommendations.{r}" for r in more)))


def one_of_each():
    make_model()
    make_weights()
    games, python = make_category("Games", topics=["game"]), make_stack("Python", topics=["python"])
    project, *_ = make_projects(3)
    belongs(project, games, python, source="curated")
    alice = make_user("alice_ml", bio="I train models")
    knows(alice, games, python)
    give_vector(alice, [1, 0, 0])
    act(alice, project, "save")
    score()
    Impression.objects.create(user=alice, project=project, request="0" * 32, rank=1)
    Message.objects.create(user=alice, message_id="m1", text="my own words", said_at=timezone.now())
    MessageEmbedding.objects.want({Message.objects.get().pk: "my own words"})
    CategoryEmbedding.objects.want({games.pk: "Games"})
    for table in (ProjectEmbedding, ProfileEmbedding):
        table.objects.update(vector_hash="")
    Group.objects.get_or_create(name="curator")
    EmailAddress.objects.create(user=alice, email="alice_ml@example.org")
    SocialAccount.objects.create(user=alice, provider="github", uid="1")
    return alice


def opened(client, address):
    """What a browser would post back from that page."""
    page = client.get(address).content.decode()
    fields = {}
    for tag in re.findall(r"<input [^>]*>", page):
        found = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if "name" in found and (found.get("type") not in ("checkbox", "submit") or " checked" in tag):
            fields[found["name"]] = unescape(found.get("value", "on"))
    for name, text in re.findall(r'<textarea name="(\w+)"[^>]*>\n?(.*?)</textarea>', page, re.DOTALL):
        fields[name] = unescape(text)
    for name, options in re.findall(r'<select name="([\w-]+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options)
        fields[name] = chosen.group(1) if chosen else ""
    return {name: text for name, text in fields.items() if "__prefix__" not in name}


def links(project):
    stored = (*project.category_links.values_list("category__name", "source", "applies"),)
    return {*stored, *project.stack_links.values_list("stack__name", "source", "applies")}


# Every page


@pytest.mark.parametrize("table", [*READ, *EMBEDDINGS, *CURATED, *ACCOUNTS])
def test_a_superuser_sees_the_list_and_a_row_of_every_table(root, table):
    alice = one_of_each()
    row = table._default_manager.values_list("pk", flat=True).first()
    asked = {"person": alice.pk} if table is Recommendation else {}
    assert root.get(page_of(table, "changelist"), asked).status_code == 200
    assert root.get(page_of(table, "change", row)).status_code == 200
    assert root.get(page_of(table, "history", row)).status_code == 200


@pytest.mark.parametrize("table", [Category, TechStack, User, Group])
def test_a_superuser_sees_the_form_to_add_one(root, table):
    assert root.get(page_of(table, "add")).status_code == 200


@pytest.mark.parametrize("table", [*READ, *EMBEDDINGS, Project])
def test_what_others_write_is_not_added_by_hand(root, table):
    assert root.get(page_of(table, "add")).status_code == 403


@pytest.mark.parametrize("table", [*READ, *EMBEDDINGS, Project])
def test_what_others_write_is_not_deleted_by_hand(root, table):
    one_of_each()
    row = table._default_manager.values_list("pk", flat=True).first()
    assert root.post(page_of(table, "delete", row), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("table", [*READ, *EMBEDDINGS, *CURATED, *ACCOUNTS])
def test_no_page_carries_an_inline_script_or_style(root, table):
    one_of_each()
    row = table._default_manager.values_list("pk", flat=True).first()
    for address in (page_of(table, "changelist"), page_of(table, "change", row)):
        page = root.get(address).content.decode()
        assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=|javascript:", page)


@pytest.mark.parametrize("table", [*READ, *EMBEDDINGS, *CURATED, *ACCOUNTS])
@pytest.mark.parametrize(
    "asked", ["id__regex=(((", "unknown=1", "user__password__startswith=p", "pk__exact=x", "person=abc", "category=x"]
)
def test_a_bad_address_of_a_list_is_a_400(root, table, asked):
    make_category()
    assert root.get(f"{page_of(table, 'changelist')}?{asked}").status_code == 400


@pytest.mark.parametrize("table", [Category, TechStack, Project, ProfileEmbedding])
@pytest.mark.parametrize("pk", ["abc", "1\0", "9" * 5000])
def test_an_action_on_ids_that_are_none_is_a_400(root, table, pk):
    data = {"action": "place", "_selected_action": [pk], "category": "1"}
    assert root.post(page_of(table, "changelist"), data).status_code == 400


# Who sees what


def test_a_curator_opens_what_curators_keep(curator):
    for table in (Category, TechStack, Project, Profile):
        assert curator.get(page_of(table, "changelist")).status_code == 200


@pytest.mark.parametrize("table", [*ACCOUNTS, Message, Interaction])
def test_a_curator_does_not_open_accounts_or_messages(curator, table):
    assert curator.get(page_of(table, "changelist")).status_code == 403


def test_staff_with_rights_on_accounts_do_not_open_them():
    rights = [f"auth.{verb}_user" for verb in ("view", "add", "change", "delete")]
    client, user = sign_in(staff("sam", *rights)), make_user("alice_ml")
    assert client.get(page_of(User, "changelist")).status_code == 403
    assert client.get(page_of(User, "change", user.pk)).status_code == 403


@pytest.mark.parametrize("table", [*CURATED, *READ])
def test_staff_without_a_permission_open_nothing(table):
    assert sign_in(staff("noel")).get(page_of(table, "changelist")).status_code == 403


def test_a_superuser_does_not_delete_himself(root):
    me = User.objects.get(username="root")
    assert root.post(page_of(User, "delete", me.pk), {"post": "yes"}).status_code == 403


def test_a_person_with_rows_of_theirs_can_be_deleted(root):
    alice = one_of_each()
    root.post(page_of(User, "delete", alice.pk), {"post": "yes"})
    assert not User.objects.filter(username="alice_ml").exists()
    assert Audit.objects.filter(action="delete user", subject="alice_ml").exists()


# Taxonomy


def test_lists_are_written_one_a_line(curator):
    data = {"name": "Games", "description": "", "aliases": "Jeux\r\n\r\n Jeux \nPlay", "topics": "Game", "words": ""}
    curator.post(page_of(Category, "add"), data)
    assert Category.objects.values_list("aliases", "topics").get() == (["Jeux", "Play"], ["game"])


def test_a_new_category_gets_its_text(curator):
    data = {"name": "Games", "description": "Play", "aliases": "", "topics": "", "words": ""}
    curator.post(page_of(Category, "add"), data)
    assert CategoryEmbedding.objects.get().text == "Games. Play"


def test_a_renamed_stack_is_in_the_text_of_who_knows_it(curator):
    alice, python = make_user("alice_ml"), make_stack("Pyton")
    knows(alice, python)
    data = opened(curator, page_of(TechStack, "change", python.pk)) | {"name": "Python"}
    curator.post(page_of(TechStack, "change", python.pk), data)
    assert "Python" in ProfileEmbedding.objects.get().text


def test_a_deleted_category_is_out_of_the_text_of_who_chose_it(curator):
    alice, games = make_user("alice_ml", bio="I play"), make_category("Games")
    knows(alice, games)
    curator.post(page_of(Category, "delete", games.pk), {"post": "yes"})
    assert not Category.objects.exists()
    assert "Games" not in ProfileEmbedding.objects.get().text


def test_a_change_says_that_the_next_run_places_anew(curator):
    games = make_category("Games")
    data = opened(curator, page_of(Category, "change", games.pk)) | {"words": "chess"}
    response = curator.post(page_of(Category, "change", games.pk), data, follow=True)
    assert "The next run places the projects anew." in response.content.decode()


def test_what_is_not_changed_counts_as_not_changed(curator):
    games = make_category("Games", aliases=["Jeux", "Play"])
    data = opened(curator, page_of(Category, "change", games.pk))
    curator.post(page_of(Category, "change", games.pk), data)
    assert Audit.objects.get().note == "No fields changed."


@pytest.mark.parametrize(
    "typed",
    [
        {"name": ""}, {"name": "x" * 81}, {"name": "\u200b\u200b"}, {"name": "a\0b"}, {"name": "games"},
        {"words": "a\0b"}, {"words": "x" * 201}, {"words": "y\n" * 20_000},
    ],
)  # fmt: skip
def test_a_bad_field_is_a_form_error(curator, typed):
    make_category("Games")
    data = {"name": "Fun", "description": "", "aliases": "", "topics": "", "words": "", **typed}
    page = curator.post(page_of(Category, "add"), data)
    assert page.status_code == 200
    assert "errorlist" in page.content.decode()


def test_the_second_of_two_who_change_the_same_row_gets_a_notice(curator):
    games = make_category("Games")
    address = page_of(Category, "change", games.pk)
    first, second = (opened(curator, address) | {"description": text} for text in ("board", "video"))
    curator.post(address, first)
    page = curator.post(address, second)
    assert "Somebody else changed this" in page.content.decode()
    assert Category.objects.get().description == "board"


def test_a_form_without_what_it_was_opened_on_is_refused(curator):
    games = make_category("Games")
    data = {"name": "Games", "description": "video", "aliases": "", "topics": "", "words": ""}
    curator.post(page_of(Category, "change", games.pk), data)
    assert Category.objects.get().description == ""


def test_a_row_that_is_gone_leads_back_with_a_word(curator):
    assert curator.post(page_of(Category, "change", 999), {"name": "x"}).status_code == 302


# Links of a project


@pytest.fixture
def placed():
    """A project whose topics place it under Games and Python."""
    make_model()
    make_category("Games", topics=["game"])
    make_category("Tools", topics=["tool"])
    make_stack("Python", topics=["python"])
    project = make_project(topics=["game", "python"])
    enriched()
    return project


def enriched():
    for _ in enriching.enrich(everything=True):
        pass


def test_a_link_that_a_curator_added_outlives_a_run(curator, placed):
    address = page_of(Project, "change", placed.pk)
    tools = str(Category.objects.get(name="Tools").pk)
    data = opened(curator, address) | {"category_links-TOTAL_FORMS": "2", "category_links-1-applies": "on"}
    curator.post(address, data | {"category_links-1-category": tools, "category_links-1-project": str(placed.pk)})
    enriched()
    assert ("Tools", "curated", True) in links(placed)


def test_a_link_that_a_curator_deleted_never_comes_back(curator, placed):
    address = page_of(Project, "change", placed.pk)
    curator.post(address, opened(curator, address) | {"category_links-0-DELETE": "on"})
    enriched()
    assert links(placed) == {("Games", "curated", False), ("Python", "auto", True)}


def test_a_deleted_no_leaves_it_to_the_next_run(curator, placed):
    ProjectCategory.objects.update(source="curated", applies=False)
    address = page_of(Project, "change", placed.pk)
    curator.post(address, opened(curator, address) | {"category_links-0-DELETE": "on"})
    for _ in enriching.enrich():
        pass
    assert ("Games", "auto", True) in links(placed)


def test_links_that_nobody_touched_stay_automatic(curator, placed):
    address = page_of(Project, "change", placed.pk)
    curator.post(address, opened(curator, address))
    assert links(placed) == {("Games", "auto", True), ("Python", "auto", True)}


def test_what_a_link_is_about_cannot_be_changed(curator, placed):
    address = page_of(Project, "change", placed.pk)
    tools = str(Category.objects.get(name="Tools").pk)
    curator.post(address, opened(curator, address) | {"category_links-0-category": tools})
    assert ("Games", "auto", True) in links(placed)


def test_a_fact_of_a_project_cannot_be_changed(curator, placed):
    address = page_of(Project, "change", placed.pk)
    curator.post(address, opened(curator, address) | {"description": "mine", "stars": "9"})
    assert Project.objects.values_list("description", "stars").get() == ("", None)


def test_of_two_curators_of_a_projects_links_the_second_gets_a_notice(curator, placed):
    address = page_of(Project, "change", placed.pk)
    first, second = opened(curator, address), opened(curator, address)
    curator.post(address, first | {"category_links-0-DELETE": "on"})
    page = curator.post(address, second | {"stack_links-0-DELETE": "on"})
    assert "Somebody else changed this" in page.content.decode()


@pytest.mark.parametrize(
    "posted",
    [
        {"category_links-TOTAL_FORMS": "abc"}, {"category_links-0-id": "abc"}, {"category_links-0-id": "9" * 30},
        {"category_links-INITIAL_FORMS": "7"}, {"stack_links-TOTAL_FORMS": "99999"}, {"stack_links-0-id": ""},
    ],
)  # fmt: skip
def test_a_broken_form_of_links_is_no_fault_of_ours(curator, placed, posted):
    address = page_of(Project, "change", placed.pk)
    assert curator.post(address, opened(curator, address) | posted).status_code < 500


def test_no_more_forms_of_links_are_read_than_a_project_has_links(curator, placed):
    address = page_of(Project, "change", placed.pk)
    page = curator.post(address, opened(curator, address) | {"stack_links-TOTAL_FORMS": "9999"})
    assert [len(each.formset.forms) for each in page.context["inline_admin_formsets"]] == [1, MOST_LINKS]


def test_who_may_only_look_at_projects_changes_no_link(placed):
    looker, address = sign_in(staff("lea", "recommendations.view_project")), page_of(Project, "change", placed.pk)
    assert looker.get(address).status_code == 200
    assert looker.post(address, {"category_links-0-DELETE": "on"}).status_code == 403


# Many projects at once


def place(client, projects, **said):
    chosen = [project.pk for project in projects]
    data = {"action": "place", "_selected_action": chosen, "said": "1", **said}
    return client.post(page_of(Project, "changelist"), data, follow=True)


def test_the_action_asks_first(curator, placed):
    data = {"action": "place", "_selected_action": [placed.pk]}
    page = curator.post(page_of(Project, "changelist"), data).content.decode()
    assert "1 project. What is said here" in page


def test_many_projects_are_put_under_a_category(curator, placed):
    others = make_projects(2)
    place(curator, [placed, *others], category=Category.objects.get(name="Tools").pk, applies="yes")
    assert ProjectCategory.objects.filter(category__name="Tools", source="curated", applies=True).count() == 3


def test_many_projects_are_taken_out_of_a_stack_for_good(curator, placed):
    place(curator, [placed], stack=TechStack.objects.get().pk, applies="no")
    enriched()
    assert ("Python", "curated", False) in links(placed)


def test_who_placed_them_is_kept(curator, placed):
    place(curator, [placed], stack=TechStack.objects.get().pk, applies="no")
    assert Audit.objects.values_list("actor", "action", "subject").get() == (
        "carol", "do not belong under Python", "1 projects",
    )  # fmt: skip


@pytest.mark.parametrize("said", [{"applies": "yes"}, {"applies": "yes", "category": "abc"}, {"applies": "maybe"}])
def test_an_unclear_word_places_nothing(curator, placed, said):
    assert place(curator, [placed], **said).status_code == 200
    assert links(placed) == {("Games", "auto", True), ("Python", "auto", True)}


def test_too_many_at_once_are_refused(curator, monkeypatch):
    monkeypatch.setattr("recommendations.admin.projects.MOST", 2)
    games, projects = make_category(), make_projects(3)
    data = {"action": "place", "select_across": "1", "_selected_action": [projects[0].pk], "said": "1"}
    page = curator.post(page_of(Project, "changelist"), data | {"category": games.pk, "applies": "yes"}, follow=True)
    assert "Choose 2 projects at most" in page.content.decode()
    assert not ProjectCategory.objects.exists()


def test_who_may_only_look_places_nothing(placed):
    looker = sign_in(staff("lea", "recommendations.view_project"))
    place(looker, [placed], stack=TechStack.objects.get().pk, applies="no")
    assert links(placed) == {("Games", "auto", True), ("Python", "auto", True)}


# Lists


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("q=octo1", ["octo1/tool"]), ("q=octo1/to", ["octo1/tool"]), ("q=paper", ["octo2/tool"]), ("q=((", []),
        ("q=%26 | !", []), ("links=no_stack", ["octo2/tool", "octo1/tool"]), ("links=curated", ["octo0/tool"]),
        ("is_archived__exact=1", []),
    ],
)  # fmt: skip
def test_projects_are_found(curator, asked, found):
    one, _, third = make_projects(3)
    Project.objects.filter(pk=third.pk).update(description="Folds paper")
    belongs(one, make_stack(), source="curated")
    page = curator.get(f"{page_of(Project, 'changelist')}?{asked}")
    assert [project.full_name for project in page.context["cl"].result_list] == found


def test_projects_are_found_by_their_category(curator):
    one, _ = make_projects(2)
    games = make_category()
    belongs(one, games)
    page = curator.get(page_of(Project, "changelist"), {"category": games.pk})
    assert list(page.context["cl"].result_list) == [one]


def queries(client, address):
    with CaptureQueriesContext(connection) as seen:
        assert client.get(address).status_code == 200
    return len(seen)


def test_ten_more_projects_cost_no_more_queries(root):
    games, python = make_category(), make_stack()
    belongs(make_project(), games, python)
    before = queries(root, page_of(Project, "changelist"))
    for project in make_projects(10):
        belongs(project, games, python)
    assert queries(root, page_of(Project, "changelist")) == before <= 12


def test_ten_more_links_of_a_project_cost_no_more_queries(root):
    project = make_project()
    belongs(project, make_category(), make_stack())
    address = page_of(Project, "change", project.pk)
    before = queries(root, address)
    belongs(project, *(make_category(f"c{n}") for n in range(10)), *(make_stack(f"s{n}") for n in range(10)))
    assert queries(root, address) <= before


@pytest.mark.parametrize("table", [Category, TechStack, Profile, Interaction, ProjectCategory, ProjectEmbedding])
def test_ten_more_rows_cost_no_more_queries(root, table):
    def more(number):
        project, user = make_project(f"octo{number}/more"), make_user(f"user{number}")
        games, python = make_category(f"c{number}"), make_stack(f"s{number}")
        belongs(project, games, python, source="curated")
        knows(user, games, python)
        act(user, project, "like")
        ProjectEmbedding.objects.want({project.pk: "words"})

    more(0)
    before = queries(root, page_of(table, "changelist"))
    for number in range(1, 11):
        more(number)
    assert queries(root, page_of(table, "changelist")) == before <= 12


# People


def test_a_curator_reads_what_somebody_said_and_changes_nothing(curator):
    alice = one_of_each()
    address = page_of(Profile, "change", alice.pk)
    assert "I train models" in curator.get(address).content.decode()
    assert curator.post(address, {"bio": "mine"}).status_code == 403


def test_reading_somebodys_recommendations_is_noted(curator):
    alice = one_of_each()
    curator.get(page_of(Recommendation, "changelist"), {"person": alice.pk})
    assert Audit.objects.values_list("actor", "action", "subject").get() == (
        "carol", "read recommendations", "alice_ml",
    )  # fmt: skip


def test_reading_one_recommendation_is_noted(curator):
    one_of_each()
    curator.get(page_of(Recommendation, "change", Recommendation.objects.first().pk))
    assert Audit.objects.get().subject == "alice_ml"


def test_nobody_reads_everybodys_recommendations(root):
    one_of_each()
    assert list(root.get(page_of(Recommendation, "changelist")).context["cl"].result_list) == []


def test_a_persons_recommendations_are_theirs(root):
    alice = one_of_each()
    score_of = root.get(page_of(Recommendation, "changelist"), {"person": alice.pk}).context["cl"].result_list
    assert {row.user_id for row in score_of} == {alice.pk}


def test_no_page_shows_a_password_hash(root, settings):
    settings.PASSWORD_HASHERS = global_settings.PASSWORD_HASHERS  # a hash as it is in life
    user = User.objects.create_user("bob_webdev", password="correct horse")
    salt, digest = user.password.split("$")[2:]
    page = root.get(page_of(User, "change", user.pk)).content.decode()
    assert salt not in page
    assert digest not in page


def test_a_list_of_messages_does_not_show_what_was_said(root):
    one_of_each()
    assert "my own words" not in root.get(page_of(Message, "changelist")).content.decode()


# Texts


def test_a_quarantined_text_gets_another_chance(root):
    project = make_project()
    ProjectEmbedding.objects.want({project.pk: "words"})
    ProjectEmbedding.objects.update(quarantined_at=timezone.now(), error="too odd")
    row = ProjectEmbedding.objects.get().pk
    root.post(page_of(ProjectEmbedding, "changelist"), {"action": "try_again", "_selected_action": [row]})
    assert ProjectEmbedding.objects.values_list("quarantined_at", "error").get() == (None, "")


def test_the_list_of_texts_holds_those_that_wait(root):
    project = make_projects(2)[0]
    ProjectEmbedding.objects.filter(subject=project).update(vector_hash="")
    page = root.get(page_of(ProjectEmbedding, "changelist"))
    assert [row.subject_id for row in page.context["cl"].result_list] == [project.pk]


@pytest.mark.parametrize("action", ["try_again", "skip"])
def test_who_may_only_look_changes_no_text(action):
    looker = sign_in(staff("lea", "recommendations.view_projectembedding"))
    ProjectEmbedding.objects.want({make_project().pk: "words"})
    ProjectEmbedding.objects.update(quarantined_at=timezone.now())
    row = ProjectEmbedding.objects.get().pk
    looker.post(page_of(ProjectEmbedding, "changelist"), {"action": action, "_selected_action": [row]})
    assert ProjectEmbedding.objects.quarantined().count() == 1


def refused(count: int) -> list[int]:
    """The rows of that many texts that a model refused; one more waits."""
    projects = [make_project(f"octo/tool{number}") for number in range(count + 1)]
    ProjectEmbedding.objects.want({project.pk: "words" for project in projects})
    rows = ProjectEmbedding.objects.exclude(subject=projects[-1])
    rows.update(quarantined_at=timezone.now(), error="ValueError: too\nodd")
    return list(rows.values_list("pk", flat=True))


def test_a_quarantined_text_is_given_up_and_that_is_kept(root):
    first = refused(2)[0]
    root.post(page_of(ProjectEmbedding, "changelist"), {"action": "skip", "_selected_action": [first]})
    assert ProjectEmbedding.objects.quarantined().count() == 1
    assert Audit.objects.values_list("action", "subject").get() == ("skip", "1 project embeddings")


def test_a_text_that_waits_is_not_given_up(root):
    refused(0)
    rows = ProjectEmbedding.objects.values_list("pk", flat=True)
    root.post(page_of(ProjectEmbedding, "changelist"), {"action": "skip", "_selected_action": list(rows)})
    assert not ProjectEmbedding.objects.exclude(skipped_at=None).exists()


def test_the_states_of_texts_are_counted_beside_the_filter(root):
    ProjectEmbedding.objects.filter(pk__in=refused(3)[:1]).skip()
    page = root.get(page_of(ProjectEmbedding, "changelist")).content.decode()
    assert all(words in page for words in ("quarantined (2)", "skipped (1)", "waiting (1)"))


@pytest.mark.parametrize(("state", "count"), [("quarantined", 2), ("skipped", 1), ("waiting", 1)])
def test_the_list_of_texts_is_narrowed_to_a_state(root, state, count):
    ProjectEmbedding.objects.filter(pk__in=refused(3)[:1]).skip()
    page = root.get(page_of(ProjectEmbedding, "changelist"), {"state": state})
    assert len(page.context["cl"].result_list) == count


def test_the_reason_is_one_line_of_the_list(root):
    refused(1)
    assert "ValueError: too odd" in root.get(page_of(ProjectEmbedding, "changelist")).content.decode()


# The groups as they are made


@pytest.mark.parametrize(
    ("group", "opens"),
    [
        ("curator", {"category", "techstack", "project", "profile", "recommendation", "generation"}),
        (
            "operator",
            {"run", "audit", "anomaly", "workergroup", "embeddingmodel", "projectembedding", "success", "ormq"},
        ),
    ],
)
def test_a_group_opens_its_own_lists_and_no_others(group, opens):
    client = sign_in(staff("gina", group=group))
    for table in ("category", "techstack", "project", "profile", "recommendation", "generation"):
        assert client.get(reverse(f"admin:recommendations_{table}_changelist")).status_code == (
            200 if table in opens else 403
        )
    for table in ("run", "audit", "anomaly", "workergroup", "embeddingmodel"):
        assert client.get(reverse(f"admin:engine_{table}_changelist")).status_code == (200 if table in opens else 403)
    for table in ("auth_user", "auth_group", "engine_apikey", "recommendations_message"):
        assert client.get(reverse(f"admin:{table}_changelist")).status_code == 403
