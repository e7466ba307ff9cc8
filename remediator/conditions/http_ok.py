"""``http_ok``: does an address answer as it should? Asked from where remediator runs, without credentials."""

import re
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import Field, StringConstraints, field_validator

from remediator.answers import Answer
from remediator.clients.http_answers import MOST_BYTES, Response, ServiceFailedError
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.durations import Duration, format_duration, parse_duration
from remediator.errors import FactsMissingError
from remediator.playbooks.template import Expression, Template, TemplateError
from remediator.targets import Target

# Scheme, host and port, then where templates may begin. No user, no control characters, no other scheme.
_FIXED = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?[/?]")
_WRITTEN = re.compile(r"[!-~]*")
_DOTS = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_RANGE = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?")
_SHORTEST, _LONGEST = parse_duration("100ms"), parse_duration("30s")

StatusRange = Annotated[str, StringConstraints(pattern=rf"^{_RANGE.pattern}$")]


class Params(ConditionParams):
    """The address is the playbook's; labels can only fill parts of its path and query, and are quoted there."""

    url: str = Field(
        max_length=2_048, description="http or https; templates only after the host, in path segments and query values"
    )
    status: tuple[StatusRange, ...] = Field(
        ("200-399",), min_length=1, description='accepted codes, such as ["200", "301-308"]'
    )
    contains: str = Field("", max_length=1_024, description="text that the first 64 KiB of the body hold; no template")
    timeout: Duration = Field(default="5s", validate_default=True, description="30s at most")
    follow: Literal["none", "same_host"] = Field("none", description="redirects to the same scheme, host and port")
    allow_private: bool = Field(True, description="false: only a public address may answer")

    @field_validator("url")
    @classmethod
    def _place_is_fixed(cls, url: str) -> str:
        fixed = url if "{{" in url else f"{url}/"
        if not _FIXED.match(fixed.partition("{{")[0]):
            raise ValueError(
                "it begins with http:// or https://, a host and, before any template, a / or ?; "
                "a label never chooses the scheme, the host or the port"
            )
        try:
            template = Template.parse(url)
        except TemplateError as error:
            raise ValueError(str(error)) from None
        written = "".join(part for part in template.parts if isinstance(part, str))
        if not _WRITTEN.fullmatch(written) or "#" in written or "\\" in written:
            raise ValueError("an address holds no spaces, no # and no \\, and what is not ASCII is quoted (%C3%A4)")
        if _DOTS.search(written.partition("?")[0]):
            raise ValueError("an address has no . or .. as a segment of its path")
        return url

    @field_validator("status")
    @classmethod
    def _ranges_rise(cls, status: tuple[str, ...]) -> tuple[str, ...]:
        for one in status:
            first, _, last = one.partition("-")
            if last and last < first:
                raise ValueError(f"{one} is no range; write the smaller code first")
        return status

    @field_validator("timeout")
    @classmethod
    def _is_short(cls, timeout: Any) -> Any:
        if not _SHORTEST <= timeout <= _LONGEST:
            raise ValueError(f"accepted: {format_duration(_SHORTEST)} to {format_duration(_LONGEST)}")
        return timeout

    def accepts(self, status: int) -> bool:
        """Is it one of the codes that are wanted?"""
        ranges = ((int(first), int(last or first)) for first, _, last in (one.partition("-") for one in self.status))
        return any(first <= status <= last for first, last in ranges)


class HttpOk:
    """A service that refuses, breaks off, stays silent or shows a bad certificate is a known no: that is what is asked. Where no
    connection came about (the name, the network, a policy that drops packets) it is unknown whose fault that is."""

    name: ClassVar[str] = "http_ok"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del kind, params
        return ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del target
        if world.http is None:
            return Look(Answer.UNKNOWN, "this program asks no addresses")
        try:
            url = filled(params.url, known)
        except TemplateError as error:
            return Look(Answer.UNKNOWN, str(error))
        try:
            response = await world.http.get(
                url,
                timeout_s=params.timeout.total_seconds(),
                private=params.allow_private,
                same_host=params.follow == "same_host",
            )
        except ServiceFailedError as error:
            return Look(Answer.NO, f"{_shown(url)}: {error}")
        except FactsMissingError as error:
            return Look(Answer.UNKNOWN, f"{_shown(url)}: {error}")
        return judge(params, response, _shown(url))


def filled(url: str, known: Known) -> str:
    """The address with labels in it, each quoted so that it stays one segment or value.

    Raises:
        TemplateError: a label is missing, cannot be sent, or would climb in the path.
    """
    parts: list[str] = []
    for part in Template.parse(url).parts:
        if isinstance(part, Expression):
            value = part.evaluate(known.labels, known.variables)
            try:
                parts.append(quote(value, safe="", errors="strict"))
            except UnicodeEncodeError:
                raise TemplateError("a label holds a lone surrogate, which no address can carry") from None
        else:
            parts.append(part)
    whole = "".join(parts)
    if _DOTS.search(whole.partition("?")[0]):
        raise TemplateError("a label would make . or .. a segment of the path")
    return whole


def judge(params: Params, response: Response, url: str) -> Look:
    """Compare what came back. Pure."""
    if not params.accepts(response.status):
        return Look(Answer.NO, f"{url} answered {response.status}, wanted {', '.join(params.status)}")
    if params.contains and params.contains not in response.body:
        where = f"the first {MOST_BYTES // 1024} KiB do" if len(response.body) >= MOST_BYTES else "its body does"
        return Look(Answer.NO, f"{url} answered {response.status}, but {where} not contain {params.contains!r}")
    return Look(Answer.YES, f"{url} answered {response.status}")


def _shown(url: str) -> str:
    """Without the query, which may hold anything."""
    return url.partition("?")[0][:200]
