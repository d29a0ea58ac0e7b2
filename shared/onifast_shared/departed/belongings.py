"""What is a user's: every column of the database that names one, and what becomes of its rows when they go.

A test looks through the schema for such columns, so that none of a new table is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared.values import submitters


@dataclass(frozen=True)
class Column:
    """A column that names a user. `where` is a further condition; `form` is what their name looks like there.

    `indexed`: their rows are found by an index. `ends`: what else is set in a row that is set aside. `derived`: rows
    are made from those of others, up to the end of a move.
    """

    table: str
    name: str
    where: str = ""
    form: str = "{}"
    indexed: bool = False
    ends: str = ""
    derived: bool = False

    @property
    def condition(self) -> str:
        """The SQL condition that a row is a user's, whose name in this form is bound at this place."""
        return f"{self.name} = ?{f' AND {self.where}' if self.where else ''}"

    def value(self, username: str) -> str:
        """What stands in the column for a user."""
        return self.form.format(username)


@dataclass(frozen=True)
class OwnedTable:
    """A table of the directory. `condition` says which rows are a user's, whose name is bound as ?1.

    `owner` is the column that names them; "" where the row is theirs by address or domain. `key` is an SQL expression.
    """

    table: str
    condition: str
    owner: str = ""
    key: str = "''"


_DOMAINS = "(SELECT lower(domain) FROM domains WHERE owner = ?1)"
_ADDRESSES = "(SELECT lower(address) FROM mail_addresses WHERE owner = ?1)"

DIRECTORY = (
    # A forward of nobody's at their address would take the mail of whoever gets that next.
    OwnedTable(
        "mail_forwards",
        f"""owner = ?1 OR coalesce(owner, '') = '' AND (
            lower(address) IN {_ADDRESSES}
            OR lower(substr(address, instr(address, '@') + 1)) IN {_DOMAINS}
               AND NOT EXISTS (SELECT 1 FROM mail_addresses a
                               WHERE lower(a.address) = lower(mail_forwards.address)))""",
        "owner",
    ),
    OwnedTable("domain_aliases", f"lower(domain) IN {_DOMAINS}"),
    OwnedTable("sandbox_domains", f"lower(domain) IN {_DOMAINS}"),
    OwnedTable("sending_limits", f"scope = 'domain' AND lower(name) IN {_DOMAINS}"),
    OwnedTable("mail_quotas", f"scope = 'address' AND lower(name) IN {_ADDRESSES}"),
    # Before the addresses: who is renamed keeps the readers of theirs.
    OwnedTable("mailbox_senders", "account IN (SELECT account FROM mailbox_users WHERE owner = ?1)"),
    OwnedTable("mailbox_members", "account IN (SELECT account FROM mailbox_users WHERE owner = ?1)"),
    OwnedTable("mailbox_users", "owner = ?1", "owner"),
    OwnedTable("mail_addresses", "owner = ?1", "owner", "lower(address)"),
    OwnedTable("domains", "owner = ?1", "owner"),
)
"""What says where mail goes, in the order in which it is taken away: the condition of one may look at those below."""

FEW = (
    Column("app_passwords", "username"),
    Column("api_tokens", "username"),
    Column("totp_secrets", "username"),
    Column("webhooks", "owner"),
    Column("hold_rules", "owner"),
    Column("user_preferences", "username"),
    Column("image_senders", "username"),
    Column("sender_choices", "username"),
    Column("labels", "owner"),
    Column("saved_searches", "owner"),
    Column("recent_searches", "owner"),
    Column("composers", "owner"),
    Column("list_acts", "owner"),
    Column("identities", "owner"),
    Column("templates", "owner"),
    Column("mail_filters", "owner"),
    Column("vacations", "owner"),
    Column("filter_runs", "owner"),
    Column("moving_jobs", "owner"),
    Column("junk_models", "owner"),
    Column("mail_quotas", "name", "scope = 'owner'"),
    Column("sending_limits", "name", "scope IN ('user', 'unix')"),
    Column("mailbox_ends", "heir"),
    Column("mailbox_members", "member"),
)
"""What gets another name at once."""

MANY = (
    Column(
        "outbox",
        "owner",
        indexed=True,
        ends="""status = CASE WHEN status IN ('pending', 'sending', 'deferred', 'held', 'sandboxed') THEN 'cancelled'
                              ELSE status END,
                last_error = CASE WHEN status IN ('pending', 'sending', 'deferred', 'held', 'sandboxed')
                                  THEN 'its sender is no user of this host any more' ELSE last_error END,
                lease_token = NULL, lease_boot = NULL, lease_until = NULL, ready = 0""",
    ),
    Column("conversations", "owner", indexed=True),  # before their messages, which leave those of somebody else
    Column("conversation_keys", "owner", indexed=True),
    Column("emails", "owner", indexed=True),
    Column("suppressions", "owner", indexed=True),
    Column("refusals", "owner", indexed=True),
    Column("invitation_answers", "owner", indexed=True),
    Column("refused_messages", "owner", indexed=True),
    Column("audit_events", "owner", indexed=True),
    Column("filter_log", "owner", indexed=True),
    Column("imported_messages", "owner", indexed=True),
    Column("outbox", "submitted_by", form=submitters.by_user("{}")),
    Column("outbox", "written_by", form=submitters.by_user("{}")),
    Column("correspondents", "owner", indexed=True, derived=True),
    Column("addressees", "owner", indexed=True, derived=True),
    Column("contacts", "owner", indexed=True),
    Column("contact_addresses", "owner", indexed=True),
)
"""What gets another name some rows at a time; the queue first, since it ends."""

ENDED = (
    Column("web_sessions", "username"),
    Column("sso_tokens", "username"),
    Column("pending_logins", "username"),
    Column("remembered_devices", "username"),
    Column("scram_verifiers", "username"),
    Column("login_places", "username"),
    Column("inquiries", "owner"),
    Column("send_keys", "username"),
    Column("remote_images", "owner"),
    Column("unsubscriptions", "owner"),
    Column("sending_usage", "name", "scope IN ('user', 'unix')"),
    Column("sending_refusals", "name", "scope IN ('user', 'unix')"),
    Column("limit_alerts", "name", "scope IN ('user', 'unix')"),
    Column("seen_users", "username"),
    Column("auto_replies", "owner"),
)
"""What ends at once, and does not come back: logins, and what is only counted."""

NOT_THEIRS = {
    ("mail_address_changes", "owner"): "who had or got an address, for the seconds until outbox has ended forwards",
    ("departed_users", "username"): "not used any more",
    ("mailbox_users", "account"): "the name that a mailbox user's own things lie under; theirs go aside by themselves",
    ("mailbox_members", "account"): "goes with mailbox_users",
    ("team_marks", "done_by"): "who did it; the row goes with its message",
    ("team_marks", "answering_by"): "who is at it; forgotten after half an hour",
    ("team_marks", "sent_by"): "who wrote it; the row goes with its message",
    ("team_marks", "assigned_to"): "whose task it is; the row goes with its message",
    ("mailbox_senders", "account"): "goes with mailbox_users",
    ("mailbox_ends", "account"): "a name that is never given out again",
    ("web_sessions", "visiting"): "goes with the session of who visits; who is gone is visited by nobody",
    ("departures", "username"): "who is gone",
    ("departures", "asked_by"): "who said so",
    ("user_changes", "username"): "what was asked for",
    ("user_changes", "new_name"): "what was asked for",
    ("user_changes", "asked_by"): "who asked",
    ("user_moves", "source"): "a move under way",
    ("user_moves", "target"): "a move under way",
    ("seen_users", "confirmed_by"): "the administrator who confirmed",
    ("trace_watches", "asked_by"): "the administrator who watches; gone after an hour",
    ("mail_usage", "name"): "kept by triggers, which follow emails.owner",
    ("folder_counts", "owner"): "kept by triggers, which follow emails.owner; a version never comes back",
    ("search_volumes", "owner"): "kept by outbox, which follows emails.owner",
    ("correspondents_versions", "owner"): "a version, which never comes back",
    ("audit_events", "actor"): "who did it; the line is whose `owner` it is",
    ("outbox", "lane"): "orders the queue; nobody's view or right depends on it",
    ("refusals", "submitted_by"): "who the client was, for administrators and whom `owner` names",
    ("hold_rules", "created_by"): "the administrator who made it",
    ("sandbox_domains", "set_by"): "who turned it on; the row goes with its domain",
    ("routes", "name"): "a domain",
    ("routes", "user"): "a login at somebody else's server",
    ("auth_failures", "key"): "forgotten an hour after the last failure",
}
"""Columns that hold a user's name, or look as if they did, and why they are left alone."""
