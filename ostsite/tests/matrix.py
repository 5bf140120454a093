"""Who gets what from every address of the site: the one table that test_matrix.py holds it to.

All of it is about what is alice's: her name in the address, her key, her rows. bob is another person, staff is staff
without permissions, reads and writes are alice's keys with those scopes, bob's is a key of his.

A cell is a status, or a word: `in` is the way to the sign-in page, `door` the way to the admin's. A method that a
class does not name is a 405 for everybody. HEAD is as GET.
"""

from functools import cache
from typing import NamedTuple

ROLES = (
    "anon", "alice", "bob", "staff", "curator", "operator", "root", "reads", "writes", "bob's", "revoked", "expired",
)  # fmt: skip
WORDS = {"/accounts/login/": "in", "/admin/login/": "door"}

# class: names of addresses
#     method  a cell a role
TABLE = """
             #  anon  alice bob   staff cur   oper  root  reads write bob's revok expir
everybody's pages: home projects trending new project first_issues first_issues_look api_docs
        issues issues_atom issues_feed issues_csv issues_json issue issue_days issue_day issue_map
    GET         200   200   200   200   200   200   200   200   200   200   200   200
a try without an account: try issues_similar
    GET         200   200   200   200   200   200   200   200   200   200   200   200
    POST        200   200   200   200   200   200   200   200   200   200   200   200
what curators look at: issues_inbox issues_log issue_curate
    GET         in    403   403   403   200   403   200   in    in    in    in    in
what curators do: issue_act edit_undo
    POST        in    403   403   403   302   403   302   in    in    in    in    in
what one reads of oneself: for_you why profile_export mfa_index
    GET         in    200   200   200   200   200   200   in    in    in    in    in
    POST        in    405   405   405   405   405   405   in    in    in    in    in
what one says of oneself: welcome profile
    GET         in    200   200   200   200   200   200   in    in    in    in    in
    POST        in    302   302   302   302   302   302   in    in    in    in    in
what one does with a project: act
    POST        in    302   302   302   302   302   302   in    in    in    in    in
what alice does with a fact of hers: fact
    POST        in    302   404   404   404   404   404   in    in    in    in    in
the list of one's keys: keys
    GET         in    200   200   200   200   200   200   in    in    in    in    in
    POST        in    200   200   200   200   200   200   in    in    in    in    in
her key: key_revoke
    POST        in    302   404   404   404   404   404   in    in    in    in    in
the end of an account, of which it is alice's that is named: profile_delete
    GET         in    200   200   403   403   403   403   in    in    in    in    in
    POST        in    302   422   403   403   403   403   in    in    in    in    in

her recommendations: recommendations_of recommendations/<str:username>/ api_recommendations
    GET         401   200   404   404   200   404   200   200   200   404   401   401
everybody's data: api_projects api_project api_similar api_trending api_categories api_tech_stacks
        api_good_first_issues api_schema api_issues api_issue api_issue_evidence
        api_issue_projects api_project_issues
    GET         200   200   200   200   200   200   200   200   200   200   401   401
what is like a text of one's own: api_issues_similar
    POST        200   200   200   200   200   200   200   200   200   200   401   401
one's own data: api_feedback
    GET         401   200   200   200   200   200   200   200   200   200   401   401
    POST        401   201   201   201   201   201   201   403   201   201   401   401
her like: api_one_feedback
    DELETE      401   204   404   404   404   404   404   403   204   404   401   401
oneself, of which it is alice who is named to delete: api_me
    GET         401   200   200   200   200   200   200   200   200   200   401   401
    PATCH       401   200   200   200   200   200   200   403   200   200   401   401
    DELETE      401   204   403   403   403   403   403   403   204   403   401   401
all of oneself: api_export
    GET         401   200   200   200   200   200   200   200   200   200   401   401
conversations handed in: api_conversations
    POST        401   403   403   403   403   202   202   403   403   403   401   401
the ledger: api_runs
    GET         401   404   404   404   404   200   200   404   404   404   401   401

the door: account_login account_signup
    GET         200   302   302   302   302   302   302   200   200   200   200   200
    POST        200   302   302   302   302   302   302   200   200   200   200   200
the way out: account_logout
    GET         302   200   200   200   200   200   200   302   302   302   302   302
    POST        302   302   302   302   302   302   302   302   302   302   302   302
what is said to whoever comes: account_inactive account_email_verification_sent account_reset_password_done
        account_reset_password_from_key_done socialaccount_login_cancelled
    GET         200   200   200   200   200   200   200   200   200   200   200   200
what is said when GitHub refused: socialaccount_login_error
    GET         401   401   401   401   401   401   401   401   401   401   401   401
another password without the old one: account_reset_password account_reset_password_from_key
    GET         200   200   200   200   200   200   200   200   200   200   200   200
    POST        200   200   200   200   200   200   200   200   200   200   200   200
an address confirmed by a link that nobody was sent: account_confirm_email
    GET         200   200   200   200   200   200   200   200   200   200   200   200
    POST        404   404   404   404   404   404   404   404   404   404   404   404
the forms of one's account: account_change_password account_reauthenticate socialaccount_connections
    GET         in    200   200   200   200   200   200   in    in    in    in    in
    POST        in    200   200   200   200   200   200   in    in    in    in    in
one's addresses: account_email
    GET         in    200   200   200   200   200   200   in    in    in    in    in
    POST        in    302   302   302   302   302   302   in    in    in    in    in
a first password, and steps of signing in that nobody has begun: account_set_password account_confirm_login_code
        mfa_authenticate
    GET         in    302   302   302   302   302   302   in    in    in    in    in
    POST        in    302   302   302   302   302   302   in    in    in    in    in
the second factor, which staff have: mfa_activate_totp
    GET         in    200   200   302   302   302   302   in    in    in    in    in
    POST        in    200   200   302   302   302   302   in    in    in    in    in
its end: mfa_deactivate_totp
    GET         in    404   404   200   200   200   200   in    in    in    in    in
    POST        in    404   404   302   302   302   302   in    in    in    in    in
its confirmation: mfa_reauthenticate
    GET         in    302   302   200   200   200   200   in    in    in    in    in
    POST        in    302   302   200   200   200   200   in    in    in    in    in
new codes of recovery: mfa_generate_recovery_codes
    GET         in    200   200   200   200   200   200   in    in    in    in    in
    POST        in    200   200   302   302   302   302   in    in    in    in    in
codes of recovery that nobody has: mfa_view_recovery_codes
    GET         in    404   404   404   404   404   404   in    in    in    in    in
    POST        in    405   405   405   405   405   405   in    in    in    in    in
the same as a file: mfa_download_recovery_codes
    GET         in    404   404   404   404   404   404   in    in    in    in    in
    POST        in    404   404   404   404   404   404   in    in    in    in    in
signing up with GitHub, which nobody has begun: socialaccount_signup
    GET         in    in    in    in    in    in    in    in    in    in    in    in
    POST        in    in    in    in    in    in    in    in    in    in    in    in
addresses that are elsewhere by now: accounts/social/login/cancelled/ accounts/social/login/error/
        accounts/social/signup/ accounts/social/connections/
    GET         301   301   301   301   301   301   301   301   301   301   301   301
    POST        301   301   301   301   301   301   301   301   301   301   301   301
GitHub, which is not set up: github_login github_callback
    GET         404   404   404   404   404   404   404   404   404   404   404   404
    POST        404   404   404   404   404   404   404   404   404   404   404   404

probes: livez health
    GET         200   200   200   200   200   200   200   200   200   200   200   200
figures, for whoever brings their token: metrics
    GET         401   401   401   401   401   401   401   401   401   401   401   401

the admin's first page: admin:index
    GET         door  door  door  200   200   200   200   door  door  door  door  door
    POST        door  door  door  200   200   200   200   door  door  door  door  door
the admin's door: admin:login
    GET         in    302   302   302   302   302   302   in    in    in    in    in
    POST        in    302   302   302   302   302   302   in    in    in    in    in
the way out of the admin: admin:logout
    GET         302   302   302   405   405   405   405   302   302   302   302   302
    POST        302   302   302   302   302   302   302   302   302   302   302   302
the admin's words for the browser: admin:jsi18n admin:password_change_done
    GET         door  door  door  200   200   200   200   door  door  door  door  door
    POST        door  door  door  405   405   405   405   door  door  door  door  door
the password, which is changed with the account: admin:password_change
    GET         door  door  door  302   302   302   302   door  door  door  door  door
    POST        door  door  door  302   302   302   302   door  door  door  door  door
no field completes itself: admin:autocomplete
    GET         door  door  door  403   403   403   403   door  door  door  door  door
    POST        door  door  door  405   405   405   405   door  door  door  door  door
what has no page of its own: admin:view_on_site admin/(?P<url>.*)$
    GET         door  door  door  404   404   404   404   door  door  door  door  door
    POST        door  door  door  404   404   404   404   door  door  door  door  door
the tables of one app, the engine's: admin:app_list
    GET         door  door  door  404   404   200   200   door  door  door  door  door
    POST        door  door  door  404   404   200   200   door  door  door  door  door
a run, asked for by hand: admin:engine_run_request admin:engine_run_again admin:engine_source_collect
    POST        door  door  door  403   403   302   302   door  door  door  door  door
the operator's pages: admin:engine_run_overview admin:engine_run_going admin:engine_run_assets
        admin:engine_run_latency admin:engine_run_embeddings admin:engine_run_calls admin:engine_run_sizes
        admin:engine_run_told admin:engine_run_cell
    GET         door  door  door  403   403   200   200   door  door  door  door  door
one figure over time, of which none is named here: admin:engine_run_series
    GET         door  door  door  403   403   400   400   door  door  door  door  door
what an operator has done at once: admin:engine_run_materialise admin:engine_run_measure admin:engine_run_anew
    POST        door  door  door  403   403   302   302   door  door  door  door  door
an embedding model, registered by hand: admin:engine_embeddingmodel_register
    GET         door  door  door  403   403   405   405   door  door  door  door  door
    POST        door  door  door  403   403   400   400   door  door  door  door  door
what is done with one, of which nothing is named here: admin:engine_embeddingmodel_act
    GET         door  door  door  403   403   404   404   door  door  door  door  door
    POST        door  door  door  403   403   404   404   door  door  door  door  door
the rates of what was shown: admin:recommendations_impression_engagement
    GET         door  door  door  403   200   200   200   door  door  door  door  door
    POST        door  door  door  403   405   405   405   door  door  door  door  door
the try of new weights: admin:recommendations_weights_preview
    GET         door  door  door  403   302   403   302   door  door  door  door  door
    POST        door  door  door  403   400   403   400   door  door  door  door  door
back to old weights: admin:recommendations_weights_back
    GET         door  door  door  403   405   403   405   door  door  door  door  door
    POST        door  door  door  403   302   403   302   door  door  door  door  door
projects as a file: admin:recommendations_project_export
    GET         door  door  door  403   200   403   200   door  door  door  door  door
    POST        door  door  door  403   200   403   200   door  door  door  door  door
curated tables as files: admin:recommendations_category_import admin:recommendations_category_export
        admin:recommendations_techstack_import admin:recommendations_techstack_export
        admin:recommendations_projectcategory_import admin:recommendations_projectcategory_export
        admin:recommendations_projecttechstack_import admin:recommendations_projecttechstack_export
    GET         door  door  door  403   200   403   200   door  door  door  door  door
    POST        door  door  door  403   200   403   200   door  door  door  door  door
the second step of reading one: admin:recommendations_category_process_import
        admin:recommendations_techstack_process_import admin:recommendations_projectcategory_process_import
        admin:recommendations_projecttechstack_process_import
    GET         door  door  door  405   405   405   405   door  door  door  door  door
    POST        door  door  door  403   200   403   200   door  door  door  door  door
somebody's password: admin:auth_user_password_change
    GET         door  door  door  403   403   403   200   door  door  door  door  door
    POST        door  door  door  403   403   403   200   door  door  door  door  door
"""

# What each may do with the tables of the admin: view, add, change, delete.
ADMIN = """
recommendations_category             staff: -  curator: vac  operator: -  root: vacd
recommendations_techstack            staff: -  curator: vac  operator: -  root: vacd
recommendations_project              staff: -  curator: vc   operator: -  root: vc
recommendations_projectcategory      staff: -  curator: v    operator: -  root: v
recommendations_projecttechstack     staff: -  curator: v    operator: -  root: v
recommendations_weights              staff: -  curator: va   operator: -  root: va
recommendations_generation           staff: -  curator: v    operator: -  root: v
recommendations_recommendation       staff: -  curator: v    operator: -  root: v
recommendations_profile              staff: -  curator: v    operator: -  root: v
recommendations_firstissue           staff: -  curator: v    operator: -  root: v
recommendations_starimport           staff: -  curator: -    operator: -  root: v
recommendations_repositoryquery      staff: -  curator: -    operator: vacd root: vacd
recommendations_namedrepository      staff: -  curator: -    operator: vacd root: vacd
recommendations_interaction          staff: -  curator: -    operator: -  root: v
recommendations_impression           staff: -  curator: -    operator: -  root: v
recommendations_campaign             staff: -  curator: -    operator: vacd root: vacd
recommendations_engagement           staff: -  curator: -    operator: -  root: v
recommendations_message              staff: -  curator: -    operator: -  root: v
recommendations_intent               staff: -  curator: vac  operator: -  root: vacd
recommendations_fact                 staff: -  curator: -    operator: -  root: v
recommendations_intentembedding      staff: -  curator: -    operator: v  root: v
recommendations_projectembedding     staff: -  curator: -    operator: v  root: v
recommendations_profileembedding     staff: -  curator: -    operator: v  root: v
recommendations_categoryembedding    staff: -  curator: -    operator: v  root: v
recommendations_messageembedding     staff: -  curator: -    operator: v  root: v
issues_itemembedding                 staff: -  curator: -    operator: v  root: v
issues_issueembedding                staff: -  curator: -    operator: v  root: v
issues_rawitem                       staff: -  curator: v    operator: v  root: v
issues_clustering                    staff: -  curator: v    operator: v  root: v
issues_cluster                       staff: -  curator: v    operator: v  root: v
issues_label                         staff: -  curator: v    operator: v  root: v
issues_issue                         staff: -  curator: v    operator: v  root: v
issues_issueedit                     staff: -  curator: v    operator: v  root: v
issues_lineage                       staff: -  curator: v    operator: v  root: v
issues_keyword                       staff: -  curator: vacd operator: vacd root: vacd
issues_feed                          staff: -  curator: vacd operator: vacd root: vacd
issues_suggestion                    staff: -  curator: v    operator: v  root: v
issues_liveissue                     staff: -  curator: -    operator: v  root: v
engine_run                           staff: -  curator: -    operator: v  root: v
engine_audit                         staff: -  curator: -    operator: v  root: v
engine_anomaly                       staff: -  curator: -    operator: vd root: vd
engine_workergroup                   staff: -  curator: -    operator: v  root: v
engine_embeddingmodel                staff: -  curator: -    operator: v  root: v
engine_source                        staff: -  curator: -    operator: vc root: vc
engine_fetch                         staff: -  curator: -    operator: v  root: v
engine_upstream                      staff: -  curator: -    operator: vc root: vc
engine_apikey                        staff: -  curator: -    operator: -  root: v
django_q_success                     staff: -  curator: -    operator: v  root: v
django_q_failure                     staff: -  curator: -    operator: v  root: v
django_q_ormq                        staff: -  curator: -    operator: v  root: v
django_q_schedule                    staff: -  curator: -    operator: v  root: v
auth_user                            staff: -  curator: -    operator: -  root: vacd
auth_group                           staff: -  curator: -    operator: -  root: vacd
account_emailaddress                 staff: -  curator: -    operator: -  root: v
socialaccount_socialaccount          staff: -  curator: -    operator: -  root: v
mfa_authenticator                    staff: -  curator: -    operator: -  root: vd
"""

# page: which of these may open it, and, where it takes one, which may send its form and what then comes.
PAGES = {
    "changelist": ("v", "v", "200"),
    "history": ("v", "v", "200"),
    "add": ("a", "a", "200"),
    "change": ("v", "c", "200"),
    "delete": ("d", "d", "302"),
}
# Weights are published, not edited, and their pages are their own; so is that of the models.
ODD = {
    ("recommendations_weights", "changelist", "POST"): "405",
    ("recommendations_weights", "change", "POST"): "405",
    ("recommendations_weights", "add", "POST"): "400",
    ("engine_embeddingmodel", "changelist", "POST"): "405",
}


class Class(NamedTuple):
    """Addresses that answer alike. cells: method -> role -> cell."""

    title: str
    names: tuple[str, ...]
    cells: dict[str, dict[str, str]]


@cache
def classes() -> list[Class]:
    """The table, read."""
    found: list[Class] = []
    for line in filter(str.strip, TABLE.splitlines()):
        indent, words = len(line) - len(line.lstrip()), line.split()
        if not indent:
            title, _, names = line.partition(": ")
            found.append(Class(title, tuple(names.split()), {}))
        elif indent == 4:
            found[-1].cells[words[0]] = dict(zip(ROLES, words[1:], strict=True))
        elif words[0] != "#":
            found[-1] = found[-1]._replace(names=(*found[-1].names, *words))
    return found


@cache
def rights() -> dict[str, dict[str, str]]:
    """table -> role -> letters."""
    lines = [line.split() for line in filter(str.strip, ADMIN.splitlines())]
    return {
        name: {role[:-1]: letters for role, letters in zip(cells[::2], cells[1::2], strict=True)}
        for name, *cells in lines
    }


def cell_of(model: str, page: str, method: str, role: str) -> str:
    """What a page of a table answers."""
    letters = rights()[model].get(role)
    if letters is None:
        return "door"
    if page == "row":  # the address of a row alone leads to its form, which then asks
        return "302"
    opens, sends, sent = PAGES[page]
    if (model, page, method) in ODD and "v" in letters:
        return ODD[model, page, method]
    usual = "200" if method == "GET" else sent
    return usual if (opens if method == "GET" else sends) in letters else "403"
