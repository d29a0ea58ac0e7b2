"""Every change that can be asked for, by API or page, and the line that it leaves in the audit trail.

A test holds the table to the routes: whoever adds one says here what is written of it, or why nothing is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from onifast_web.languages.texts import marked


class Whose(Enum):
    """Whose a changed thing is, unless the request names an `owner`: who sees the line, beside administrators."""

    CALLER = "the caller's"
    DOMAIN = "the owner's of the domain that is named"
    NOBODY = "nobody's"
    NAMED = "the user's whose limits these are"


@dataclass(frozen=True)
class AuditRule:
    """The line of a change: its action by what the field `by` holds; `otherwise` is that of any other value."""

    whose: Whose
    actions: Mapping[str, str]
    by: str = "do"
    otherwise: str | None = None

    def action(self, values: Mapping[str, object]) -> str | None:
        """The action that these values ask for."""
        return self.actions.get(str(values.get(self.by) or ""), self.otherwise)


def always(action: str, whose: Whose) -> AuditRule:
    """A change of one kind."""
    return AuditRule(whose, {"": action}, by="")


def _each(
    noun: str, whose: Whose, *verbs: str, by: str = "do", otherwise: str | None = None, **others: str
) -> AuditRule:
    return AuditRule(whose, {verb: f"{noun}.{verb}" for verb in verbs} | others, by, otherwise)


OWN_MAIL = "what users do with their own mail is nobody's but theirs"
WITHIN = "the change writes its line itself, in its own transaction"
LOGIN = "logins write theirs where they succeed or fail"
DKIM = ("generate", "rotate", "switch", "abort", "retire")
QUEUE = ("retry", "cancel", "hold", "release", "recall", "send_now", "reschedule", "redirect")

RULES: Mapping[str, AuditRule | str] = {
    "api:POST /api/mail/addresses": always("address.add", Whose.CALLER),
    "api:PATCH /api/mail/addresses": WITHIN,
    "api:DELETE /api/mail/addresses": always("address.remove", Whose.DOMAIN),
    "api:POST /api/tokens": WITHIN,
    "api:DELETE /api/tokens": WITHIN,
    "api:POST /api/mail/app-passwords": always("app-password.create", Whose.CALLER),
    "api:DELETE /api/mail/app-passwords": always("app-password.revoke", Whose.CALLER),
    "api:POST /api/mail/config": always("relay.set", Whose.NOBODY),
    "api:POST /api/mail/contacts": OWN_MAIL,
    "api:PATCH /api/mail/contacts": OWN_MAIL,
    "api:DELETE /api/mail/contacts": OWN_MAIL,
    "api:POST /api/mail/contacts/import": OWN_MAIL,
    "api:POST /api/mail/contacts/merge": OWN_MAIL,
    "api:POST /api/mail/destinations": always("destination.set", Whose.NOBODY),
    "api:POST /api/mail/dkim": _each("dkim", Whose.DOMAIN, *DKIM, by="action"),
    "api:POST /api/mail/domains": always("domain.add", Whose.CALLER),
    "api:PATCH /api/mail/domains": WITHIN,
    "api:DELETE /api/mail/domains": WITHIN,
    "api:POST /api/mail/drafts": OWN_MAIL,
    "api:DELETE /api/mail/drafts": OWN_MAIL,
    "api:PUT /api/mail/drafts": OWN_MAIL,
    "api:POST /api/mail/drafts/send": OWN_MAIL,
    "api:POST /api/mail/forwards": always("forward.add", Whose.CALLER),
    "api:DELETE /api/mail/forwards": always("forward.remove", Whose.CALLER),
    "api:POST /api/mail/domain-aliases": always("domain-alias.add", Whose.DOMAIN),
    "api:DELETE /api/mail/domain-aliases": always("domain-alias.remove", Whose.CALLER),
    "api:POST /api/mail/hold-rules": always("hold-rule.add", Whose.NOBODY),
    "api:DELETE /api/mail/hold-rules": always("hold-rule.remove", Whose.NOBODY),
    "api:POST /api/mail/identities": OWN_MAIL,
    "api:POST /api/mail/invitations": OWN_MAIL,
    "api:POST /api/mail/templates": OWN_MAIL,
    "api:PATCH /api/mail/templates": OWN_MAIL,
    "api:DELETE /api/mail/templates": OWN_MAIL,
    "api:POST /api/mail/conversation/mute": OWN_MAIL,
    "api:POST /api/mail/moving": OWN_MAIL,
    "api:POST /api/mail/imports": always("mail.import", Whose.CALLER),
    "api:POST /api/mail/imports/pieces": OWN_MAIL,
    "api:POST /api/mail/imports/account": always("mail.import", Whose.CALLER),
    "api:POST /api/mail/exports": always("mail.export", Whose.CALLER),
    "api:POST /api/mail/filters": always("filter.add", Whose.CALLER),
    "api:PATCH /api/mail/filters": always("filter.change", Whose.CALLER),
    "api:DELETE /api/mail/filters": always("filter.remove", Whose.CALLER),
    "api:POST /api/mail/filters/order": always("filter.change", Whose.CALLER),
    "api:POST /api/mail/filters/runs": OWN_MAIL,
    "api:POST /api/mail/filters/runs/act": OWN_MAIL,
    "api:POST /api/mail/vacation": always("vacation.set", Whose.CALLER),
    "api:DELETE /api/mail/vacation": always("vacation.remove", Whose.CALLER),
    "api:POST /api/mail/senders": OWN_MAIL,
    "api:DELETE /api/mail/senders": OWN_MAIL,
    "api:POST /api/mail/junk": OWN_MAIL,
    "api:DELETE /api/mail/junk": OWN_MAIL,
    "api:POST /api/mail/labels": OWN_MAIL,
    "api:POST /api/mail/searches": OWN_MAIL,
    "api:DELETE /api/mail/searches": OWN_MAIL,
    "api:PATCH /api/mail/labels": OWN_MAIL,
    "api:DELETE /api/mail/labels": OWN_MAIL,
    "api:POST /api/mail/labels/assign": OWN_MAIL,
    "api:POST /api/mail/limits": always("limit.set", Whose.NAMED),
    "api:POST /api/mail/mailbox-users": WITHIN,
    "api:POST /api/mail/shared-mailboxes": always("shared-mailbox.create", Whose.CALLER),
    "api:PATCH /api/mail/shared-mailboxes": always("shared-mailbox.change", Whose.CALLER),
    "api:DELETE /api/mail/shared-mailboxes": WITHIN,
    "api:POST /api/mail/team": OWN_MAIL,
    "api:PATCH /api/mail/mailbox-users": WITHIN,
    "api:DELETE /api/mail/mailbox-users": WITHIN,
    "api:POST /api/mail/password": WITHIN,
    "api:POST /api/mail/move": OWN_MAIL,
    "api:POST /api/mail/acts": OWN_MAIL,
    "api:POST /api/mail/acts/undo": OWN_MAIL,
    "api:POST /api/mail/mark": OWN_MAIL,
    "api:POST /api/mail/delete": OWN_MAIL,
    "api:POST /api/mail/outbox": _each("queue", Whose.CALLER, *QUEUE, by="action"),
    "api:POST /api/mail/quotas": always("quota.set", Whose.NAMED),
    "api:POST /api/mail/refusals/rescue": always("refusal.rescue", Whose.CALLER),
    "api:POST /api/mail/routes": always("route.set", Whose.NOBODY),
    "api:DELETE /api/mail/routes": always("route.remove", Whose.NOBODY),
    "api:POST /api/mail/sources": always("source.set", Whose.NOBODY),
    "api:DELETE /api/mail/sources": always("source.remove", Whose.NOBODY),
    "api:POST /api/mail/delivery-tests": always("mail.test", Whose.CALLER),
    "api:POST /api/mail/sandbox": AuditRule(
        Whose.DOMAIN, {"True": "sandbox.on", "False": "sandbox.off", "": "sandbox.off"}, "on"
    ),
    "api:POST /api/mail/redirect": OWN_MAIL,
    "api:POST /api/mail/send": OWN_MAIL,
    "api:DELETE /api/sessions": WITHIN,
    "api:POST /api/sessions/end-others": WITHIN,
    "api:POST /api/panel/sso-token": always("sso.issue", Whose.NAMED),
    "api:POST /api/mail/suppressions": always("suppression.add", Whose.CALLER),
    "api:DELETE /api/mail/suppressions": always("suppression.lift", Whose.CALLER),
    "api:DELETE /api/mail/tls": always("tls.forget", Whose.NOBODY),
    "api:DELETE /api/totp": WITHIN,
    "api:DELETE /api/panel/users/departed": always("user.purge", Whose.NOBODY),
    "api:POST /api/panel/users": always("user.create", Whose.NAMED),
    "api:PATCH /api/panel/users": always("user.password", Whose.NAMED),
    "api:POST /api/panel/password-check": LOGIN,
    "api:POST /api/panel/users/remove": always("user.remove", Whose.NOBODY),
    "api:POST /api/panel/users/restore": always("user.restore", Whose.NOBODY),
    "api:POST /api/panel/users/rename": always("user.rename", Whose.NOBODY),
    "api:POST /api/panel/users/confirm": always("user.confirm", Whose.NOBODY),
    "api:POST /api/mail/webhooks": always("webhook.create", Whose.CALLER),
    "api:PATCH /api/mail/webhooks": always("webhook.change", Whose.CALLER),
    "api:POST /api/mail/webhooks/act": _each("webhook", Whose.CALLER, "enable", by="action"),
    "api:POST /api/mail/webhooks/replay": always("webhook.replay", Whose.CALLER),
    "api:DELETE /api/mail/webhooks": always("webhook.remove", Whose.CALLER),
    "webmail.addresses": _each("address", Whose.CALLER, "remove", otherwise="address.add"),
    "webmail.tokens": WITHIN,
    "webmail.app_passwords": _each("app-password", Whose.CALLER, "revoke", otherwise="app-password.create"),
    "webmail.compose": OWN_MAIL,
    "webmail.identities": OWN_MAIL,
    "webmail.templates": OWN_MAIL,
    "webmail.writing": OWN_MAIL,
    "webmail.contact": OWN_MAIL,
    "webmail.contacts": OWN_MAIL,
    "webmail.occasional": OWN_MAIL,
    "webmail.departed": _each("user", Whose.NOBODY, "confirm", "restore", "purge"),
    "webmail.destinations": _each("destination", Whose.NOBODY, "remove", otherwise="destination.set"),
    "webmail.dkim": _each("dkim", Whose.DOMAIN, *DKIM, by="action"),
    "webmail.forwards": _each("forward", Whose.CALLER, "remove", otherwise="forward.add"),
    "webmail.hold_rules": _each(
        "hold-rule", Whose.NOBODY, "remove", release="hold-rule.remove", otherwise="hold-rule.add"
    ),
    "webmail.image_senders": OWN_MAIL,
    "webmail.always_show_images": OWN_MAIL,
    "webmail.junk": OWN_MAIL,
    "webmail.decide_sender": OWN_MAIL,
    "webmail.appearance": OWN_MAIL,
    "webmail.end_tour": OWN_MAIL,
    "webmail.lists": OWN_MAIL,
    "webmail.regional": OWN_MAIL,
    "webmail.mute": OWN_MAIL,
    "webmail.second_factors": WITHIN,
    "webmail.senders": OWN_MAIL,
    "webmail.moving": AuditRule(
        Whose.CALLER, {"import": "mail.import", "account": "mail.import", "export": "mail.export"}
    ),
    "webmail.storage": OWN_MAIL,
    "webmail.mail_filters": AuditRule(
        Whose.CALLER,
        {**dict.fromkeys(("on", "off", "up", "down"), "filter.change"), "remove": "filter.remove"},
    ),
    "webmail.new_filter": AuditRule(Whose.CALLER, {"save": "filter.add"}),
    "webmail.edit_filter": AuditRule(Whose.CALLER, {"save": "filter.change"}),
    "webmail.vacation": AuditRule(
        Whose.CALLER, {"save": "vacation.set", "off": "vacation.set", "remove": "vacation.remove"}
    ),
    "webmail.labels_page": OWN_MAIL,
    "webmail.searches": OWN_MAIL,
    "webmail.limits": always("limit.set", Whose.NAMED),
    "webmail.login": LOGIN,
    "webmail.logout": "who signs out here says so nowhere else",
    "webmail.login_code": LOGIN,
    "webmail.login_setup": LOGIN,
    "webmail.act": OWN_MAIL,
    "webmail.undo_act": OWN_MAIL,
    "webmail.mailbox_users_page": WITHIN,
    "webmail.leave_mailbox": "that it was opened is written down",
    "webmail.password": WITHIN,
    "webmail.shared_mailboxes_page": AuditRule(
        Whose.CALLER, {"make": "shared-mailbox.create", "save": "shared-mailbox.change"}
    ),
    "webmail.team_marks": OWN_MAIL,
    "webmail.answer_invitation": OWN_MAIL,
    "webmail.answer_receipt": OWN_MAIL,
    "webmail.outbox_act": _each("queue", Whose.CALLER, *QUEUE, by="action"),
    "webmail.captured": _each("queue", Whose.CALLER, "release", "redirect"),
    "webmail.rescue": always("refusal.rescue", Whose.CALLER),
    "webmail.redirect_message": OWN_MAIL,
    "webmail.relay": always("relay.set", Whose.NOBODY),
    "webmail.routes": _each("route", Whose.NOBODY, "remove", otherwise="route.set"),
    "webmail.scheduled": OWN_MAIL,
    "webmail.recall": OWN_MAIL,
    "webmail.sending": AuditRule(Whose.DOMAIN, {"sandbox-on": "sandbox.on", "sandbox-off": "sandbox.off"}),
    "webmail.sessions": WITHIN,
    "webmail.sources": _each("source", Whose.NOBODY, "remove", otherwise="source.set"),
    "webmail.suppressions": _each("suppression", Whose.CALLER, "lift", otherwise="suppression.add"),
    "webmail.test_mail": always("mail.test", Whose.CALLER),
    "webmail.live_log": always("trace.watch", Whose.NOBODY),
    "webmail.tls": always("tls.forget", Whose.NOBODY),
    "webmail.two_step": WITHIN,
    "webmail.unsubscribe": OWN_MAIL,
    "webmail.webhooks": _each("webhook", Whose.CALLER, "create", "enable", "remove", events="webhook.change"),
    "webmail.webhook_calls": always("webhook.replay", Whose.CALLER),
    "client_setup:autodiscover": "a mail program asks, and changes nothing",
}
"""By the name of the route in Flask."""

LINE_WORDS = {
    "login": marked("Signed in"),
    "login.smtp": marked("Signed in to send, from a new place"),
    "shared-mailbox.create": marked("Shared mailbox made"),
    "shared-mailbox.change": marked("Shared mailbox changed"),
    "mailbox-user.create": marked("Mailbox user made"),
    "mailbox-user.password": marked("Password of a mailbox user changed"),
    "mailbox-user.disable": marked("Mailbox user shut out"),
    "mailbox-user.enable": marked("Mailbox user let in again"),
    "mailbox-user.senders": marked("Addresses that a mailbox user may send from changed"),
    "mailbox-user.remove": marked("Mailbox user removed"),
    "mailbox-user.visit": marked("Mailbox opened by its panel user"),
    "login.lockout": marked("Locked out after wrong passwords or codes"),
    "mail.read": marked("Message read"),
    "mail.raw": marked("Message fetched whole"),
    "mail.attachment": marked("Attachment fetched"),
    "mail.mark": marked("Message marked"),
    "mail.delete": marked("Message deleted for good"),
    "mail.import": marked("Mail imported"),
    "mail.export": marked("Mail exported"),
    "session.revoke": marked("Signed out elsewhere"),
    "device.remember": marked("Browser remembered: no code is asked for there"),
    "device.forget": marked("Browser forgotten: a code is asked for there again"),
    "token.create": marked("API token made"),
    "token.revoke": marked("API token revoked"),
    "app-password.create": marked("App password made"),
    "app-password.revoke": marked("App password revoked"),
    "totp.enable": marked("Two-step sign-in turned on"),
    "totp.disable": marked("Two-step sign-in turned off"),
    "totp.reset": marked("Two-step sign-in reset"),
    "totp.recovery": marked("Recovery code used"),
    "totp.recovery-codes": marked("New recovery codes made"),
    "sso.issue": marked("Single sign-on link made"),
    "address.add": marked("Address added"),
    "address.owner": marked("Address given to another user"),
    "address.remove": marked("Address removed"),
    "domain.add": marked("Domain added"),
    "domain.owner": marked("Domain given to another user"),
    "domain.remove": marked("Domain removed"),
    "domain.mta-sts": marked("MTA-STS policy changed"),
    "junk.set": marked("Junk filter changed"),
    "junk.forget": marked("Junk filter forgotten"),
    "filter.add": marked("Filter made"),
    "filter.change": marked("Filter changed"),
    "filter.remove": marked("Filter deleted"),
    "vacation.set": marked("Vacation note changed"),
    "vacation.remove": marked("Vacation note deleted"),
    "label.add": marked("Label made"),
    "label.change": marked("Label changed"),
    "label.remove": marked("Label removed"),
    "domain-alias.add": marked("Domain alias added"),
    "domain-alias.remove": marked("Domain alias removed"),
    "forward.add": marked("Forward added"),
    "forward.remove": marked("Forward removed"),
    "quota.set": marked("Quota changed"),
    "limit.set": marked("Sending limit changed"),
    "relay.set": marked("Relay changed"),
    "route.set": marked("Route changed"),
    "route.remove": marked("Route removed"),
    "source.set": marked("Source address changed"),
    "source.remove": marked("Source address removed"),
    "destination.set": marked("Limits of a destination changed"),
    "destination.remove": marked("Limits of a destination removed"),
    "hold-rule.add": marked("Hold rule made"),
    "hold-rule.remove": marked("Hold rule removed"),
    "suppression.add": marked("Recipient suppressed"),
    "suppression.lift": marked("Suppression lifted"),
    "trace.watch": marked("SMTP sessions watched"),
    "mail.test": marked("Test message sent"),
    "sandbox.on": marked("Domain put into the sandbox"),
    "sandbox.off": marked("Domain taken out of the sandbox"),
    "tls.forget": marked("TLS history of a site forgotten"),
    "refusal.rescue": marked("Refused message fetched back"),
    "webhook.create": marked("Webhook made"),
    "webhook.change": marked("Webhook changed"),
    "webhook.enable": marked("Webhook enabled"),
    "webhook.remove": marked("Webhook removed"),
    "webhook.replay": marked("Webhook call made again"),
    "user.create": marked("User made"),
    "user.password": marked("Password of a user changed"),
    "user.remove": marked("User removed"),
    "user.restore": marked("User restored"),
    "user.rename": marked("User renamed"),
    "user.purge": marked("Departed user deleted"),
    "user.confirm": marked("User confirmed as gone"),
    **{f"dkim.{each}": f"DKIM key: {each}" for each in DKIM},
    **{f"queue.{each}": f"Queued mail: {each.replace('_', ' ')}" for each in QUEUE},
}
"""What people are told of an action."""
