"""What one connection means for the reports (RFC 8460 section 4): under which policies it counts, and as what."""

from __future__ import annotations

from onifast_shared.tls.results import PolicyUsed, SessionResult

from onifast_outbox.tls_policy.policy import TlsPolicy
from onifast_outbox.tls_policy.requirement import Assurance, Insist, Requirement, ResultType, TlsLevel, TlsTrouble
from onifast_outbox.tls_policy.sts_policy import StsPolicy
from onifast_outbox.tls_policy.tlsa import Tlsa

# As much of a policy is quoted; one that is longer was made to fill disks.
_MOST_LINES = 50
_LONGEST_LINE = 300


def of_session(
    policy: TlsPolicy,
    requirement: Requirement,
    *,
    host: str,
    mx_ip: str,
    sending_ip: str,
    had: Assurance | TlsTrouble,
) -> list[SessionResult]:
    """The results of a connection that came as far as TLS: what was had, or the trouble that it failed for."""
    results = [_sts_not_had(policy)] if policy.sts_trouble else []
    used = _used(policy, requirement)
    trouble = _trouble(policy, used, requirement, host, had)
    return [
        *results,
        SessionResult(
            policy.domain,
            used,
            trouble.kind.value if trouble else "",
            sending_ip if trouble else "",
            host,
            mx_ip if trouble else "",
            trouble.text if trouble else "",
        ),
    ]


def of_barred(policy: TlsPolicy, host: str, trouble: TlsTrouble) -> SessionResult:
    """The result where a policy kept a connection from being tried at all."""
    by_dane = trouble.kind is ResultType.DNSSEC_INVALID
    used = PolicyUsed("tlsa") if by_dane or policy.sts is None else _sts_used(policy.sts)
    return SessionResult(policy.domain, used, trouble.kind.value, mx_host=host, reason=trouble.text)


def _used(policy: TlsPolicy, requirement: Requirement) -> PolicyUsed:
    if requirement.tlsa:
        return PolicyUsed("tlsa", tuple(_presented(each)[:_LONGEST_LINE] for each in requirement.tlsa[:_MOST_LINES]))
    if policy.sts and policy.sts.mode != "none":
        return _sts_used(policy.sts)
    return PolicyUsed()


def _sts_used(sts: StsPolicy) -> PolicyUsed:
    lines = tuple(line[:_LONGEST_LINE] for line in sts.lines[:_MOST_LINES])
    return PolicyUsed("sts", lines, sts.mx[:_MOST_LINES])


def _presented(record: Tlsa) -> str:
    """As it stands in a zone (RFC 6698 section 2.2)."""
    return f"{record.usage} {record.selector} {record.matching_type} {record.data.hex()}"


def _trouble(
    policy: TlsPolicy, used: PolicyUsed, requirement: Requirement, host: str, had: Assurance | TlsTrouble
) -> TlsTrouble | None:
    """Why the policy was not fulfilled, though mail may have gone all the same; None where it was."""
    if isinstance(had, TlsTrouble):
        return had
    if used.kind == "tlsa" and requirement.insist is Insist.ENCRYPTION:
        return TlsTrouble(ResultType.TLSA_INVALID, "none of the TLSA records can be used")
    if used.kind == "sts" and policy.sts and not policy.sts.allows(host):
        return TlsTrouble(ResultType.VALIDATION_FAILURE, f"{host} is not among the mx of the policy")
    if used.kind == "no-policy-found" and had.level is not TlsLevel.NONE:
        return None  # nobody promised a certificate that anybody could check
    return had.trouble


def _sts_not_had(policy: TlsPolicy) -> SessionResult:
    assert policy.sts_trouble is not None  # noqa: S101 - the caller has seen to it
    used = _sts_used(policy.sts) if policy.sts else PolicyUsed("sts")
    return SessionResult(policy.domain, used, policy.sts_trouble.kind.value, reason=policy.sts_trouble.text)
