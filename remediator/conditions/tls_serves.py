"""``tls_serves``: does every address of the hosts show a certificate that holds: of a Certificate, the one that was issued last?"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from remediator.answers import Answer
from remediator.clients.certificates import Certificate, covers
from remediator.clients.kubernetes.certificates import read_issued
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.conditions.of_certificate import KIND, certificate_or_unknown, renewal_by_this_run, told
from remediator.durations import Duration, format_duration, parse_duration
from remediator.errors import FactsMissingError
from remediator.playbooks.template import Template, TemplateError
from remediator.targets import Target

MOST_HOSTS = 10
_HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([-A-Za-z0-9_.]*[A-Za-z0-9])?\.?|[0-9A-Fa-f:.]{2,45}")
_ALLOWED = re.compile(r"(\*\.)?[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?")
_SHORTEST, _LONGEST = parse_duration("100ms"), parse_duration("30s")
_SHOWN = 300


class Params(ConditionParams):
    """The hosts are the playbook's or the Certificate's own; a label only chooses among names that are allowed."""

    hosts: tuple[str, ...] = Field(
        (),
        max_length=MOST_HOSTS,
        description="names or addresses; templates are filled. Of a certificate the default is its DNS names without stars",
    )
    allowed: tuple[str, ...] = Field(
        (), max_length=100, description='what hosts that a label fills may be: "shop.example.com", "*.example.com"'
    )
    port: int = Field(443, ge=1, le=65_535)
    starttls: Literal["none", "postgres", "smtp"] = "none"
    valid_for: Duration = Field(timedelta(0), description="so long at least it must still be valid")
    trusted: bool = Field(
        False, description="true: also the chain must lead to an authority that remediator's own machine trusts"
    )
    timeout: Duration = Field(default="5s", validate_default=True, description="30s at most")
    allow_private: bool = Field(True, description="false: only public addresses are asked")

    @field_validator("hosts")
    @classmethod
    def _hosts_can_be_read(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            try:
                template = Template.parse(host)
            except TemplateError as error:
                raise ValueError(str(error)) from None
            if not template.expressions and not _HOST.fullmatch(host):
                raise ValueError(f"{host[:80]!r} is no host; name one without scheme, port and path")
        return hosts

    @field_validator("allowed")
    @classmethod
    def _allowed_can_be_read(cls, allowed: tuple[str, ...]) -> tuple[str, ...]:
        for one in allowed:
            if not _ALLOWED.fullmatch(one):
                raise ValueError(f'{one[:80]!r} is neither a name nor "*." and a name')
        return allowed

    @field_validator("timeout")
    @classmethod
    def _is_short(cls, timeout: Any) -> Any:
        if not _SHORTEST <= timeout <= _LONGEST:
            raise ValueError(f"accepted: {format_duration(_SHORTEST)} to {format_duration(_LONGEST)}")
        return timeout

    def filled(self, known: Known) -> tuple[str, ...]:
        """The hosts.

        Raises:
            TemplateError: a label is missing, or what it gives is no host that is allowed.
        """
        found = []
        for text in self.hosts:
            template = Template.parse(text)
            host = template.render(labels=known.labels, vars=known.variables)
            if not _HOST.fullmatch(host):
                raise TemplateError(f"{host[:80]!r} is no host")
            if template.label_names and not any(_is_within(host, one) for one in self.allowed):
                raise TemplateError(f"{host[:80]} comes from a label and is not in `allowed`")
            found.append(host)
        return tuple(found)


class TlsServes:
    """An old pod or load balancer may go on showing the old certificate, so that each address is asked, with the name as SNI.

    What was issued is read from its CertificateRequest; where cert-manager keeps none any more, the times of the certificate tell
    which it is. Secrets are not read.
    """

    name: ClassVar[str] = "tls_serves"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return read_issued() if kind == KIND else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        if world.tls is None:
            return Look(Answer.UNKNOWN, "this program makes no TLS connections")
        try:
            hosts = params.filled(known)
            expected = await _expected(world, target, known) if target.kind == KIND else _Expected()
        except (TemplateError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if isinstance(expected, Look):
            return expected
        hosts = hosts or tuple(host for host in expected.hosts if "*" not in host)
        if not hosts:
            return Look(Answer.UNKNOWN, "no host is known to ask; name some in `hosts`")
        if len(hosts) > MOST_HOSTS:
            # Some of them would say nothing of the others.
            return Look(Answer.UNKNOWN, f"it has {len(hosts)} names, and {MOST_HOSTS} are asked; name those in `hosts`")
        good: list[str] = []
        doubts: list[str] = []
        for host in hosts:
            try:
                shown = await world.tls.look(
                    host,
                    params.port,
                    starttls=params.starttls,
                    timeout_s=params.timeout.total_seconds(),
                    private=params.allow_private,
                    trusted=params.trusted,
                )
            except FactsMissingError as error:
                doubts.append(str(error))
                continue
            for one in shown:
                where = f"{host}:{params.port} at {one.address}"
                fault = one.fault or _fault(one.certificate, host, expected, params.valid_for, known.now)
                if fault and not one.unknown:
                    return Look(Answer.NO, f"{where}: {fault}"[:_SHOWN])
                (doubts if fault else good).append(f"{where}{f': {fault}' if fault else ''}")
        if doubts:
            return Look(Answer.UNKNOWN, "; ".join(doubts)[:_SHOWN])
        return Look(Answer.YES, f"{expected}: {', '.join(good)}"[:_SHOWN])


@dataclass(frozen=True, slots=True)
class _Expected:
    """Which certificate is to be shown; any one, where nothing else is known."""

    hosts: tuple[str, ...] = ()
    serial: str | None = None
    times: tuple[datetime | None, datetime | None] | None = None
    revision: int = 0

    def __str__(self) -> str:
        return f"the certificate of revision {self.revision} is served" if self.revision else "a certificate that holds"

    def differs(self, shown: Certificate) -> bool:
        if self.serial is not None:
            return shown.serial != self.serial
        return self.times is not None and (shown.not_before, shown.not_after) != self.times


async def _expected(world: World, target: Target, known: Known) -> _Expected | Look:
    certificate = await certificate_or_unknown(world, target)
    if isinstance(certificate, Look):
        return certificate
    plan = renewal_by_this_run(known.done, target)
    if plan is not None and certificate.revision <= int(plan.memory["revision"]):
        return Look(
            Answer.NO, f"certificate {target.short} is still of revision {certificate.revision}: nothing new to serve"
        )
    issued = await world.kubernetes.certificates.issued(certificate)
    if issued is None and (certificate.not_before is None or certificate.not_after is None):
        return Look(Answer.UNKNOWN, f"certificate {target.short} was never issued, as far as cert-manager says")
    return _Expected(
        hosts=certificate.hosts,
        serial=None if issued is None else issued.serial,
        times=(certificate.not_before, certificate.not_after),
        revision=certificate.revision,
    )


def _fault(shown: Certificate | None, host: str, expected: _Expected, valid_for: timedelta, now: datetime) -> str:
    """What is wrong with what was shown; empty if nothing is."""
    if shown is None:
        return "no certificate was shown"
    which = f"the certificate with serial {shown.serial}"
    if expected.differs(shown):
        return f"{which}, valid until {told(shown.not_after)}, is not the one that was issued last"
    if not covers(shown, host):
        return f"{which} is for {', '.join((*shown.names, *shown.addresses))[:120] or 'nobody'}, not for {host}"
    if now < shown.not_before:
        return f"{which} is valid from {told(shown.not_before)} only"
    if shown.not_after <= now + valid_for:
        return f"{which} runs out at {told(shown.not_after)}"
    return ""


def _is_within(host: str, allowed: str) -> bool:
    host, allowed = host.rstrip(".").lower(), allowed.lower()
    return host.endswith(allowed[1:]) and host != allowed[2:] if allowed.startswith("*.") else host == allowed
