"""Text of other programs (logs, events, a command's output) made fit to be kept: secrets out, control characters visible, cut.

What a log leaks cannot be known, only what logs usually leak; so a pattern takes rather too much than too little. The text is
hostile and long: RE2 reads it in linear time.
"""

import re

import re2

REDACTED = "[redacted]"

_TELLING_WORD = (
    r"(?:passw(?:or)?d|pwd|passphrase|secret|token|credential|cookie|signature|"
    r"(?:api|access|private|signing|encryption|routing|integration|account|shared|master|auth)[_.-]?key|jwt|sas)"
)
_KEY = rf"(?:\"|'|\\)*[\w.-]*{_TELLING_WORD}[\w.-]*(?:\"|'|\\)*"
_VALUE = (
    r"""(?:(?:"{3}|'{3})[^"'\n]*|\\+["'][^"'\n]*["']?|"(?:[^"\\\n]|\\[^\n])*"?|'(?:[^'\\\n]|\\[^\n])*'?|[^\s"']+)"""
)
_COLOURS = re.compile(r"\x1b\[[0-9;:?]*[ -/]*[@-~]")
"""What terminals understand as colours. It may stand between a key and its value, where no pattern would know it."""

_PATTERNS = tuple(
    (re2.compile(pattern), replacement)
    for pattern, replacement in (
        # Begun before the text begins, or not ended where it ends: a log's last lines are cut anywhere.
        (r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)", REDACTED),
        (r"(?m)(?:^[^\n]*[A-Za-z0-9+/=]{16,}\s*\n)+[^\n]*-----END [A-Z0-9 ]*PRIVATE KEY-----", REDACTED),
        (r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/'\"]*@", rf"\1{REDACTED}@"),
        (r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/'\"@:]+:[^\s'\"@]+@", rf"\1{REDACTED}@"),
        (r"(?i)\b((?:proxy-)?authorization(?:\"|'|\\)*\s*[:=]\s*(?:\"|'|\\)*)[^\n\"']+", rf"\1{REDACTED}"),
        (r"(?i)\b((?:set-)?cookie(?:\"|'|\\)*\s*[:=]\s*(?:\"|'|\\)*)[^\n\"']+", rf"\1{REDACTED}"),
        (r"(?i)\b((?:bearer|basic)\s+)[\w.~+/=-]{8,}", rf"\1{REDACTED}"),
        (rf"(?im)((?:^|[\s\"'])--?{_KEY}(?:\s*=\s*|\s+)){_VALUE}", rf"\1{REDACTED}"),
        (rf"(?i)({_KEY}\s*(?:=>|:=|[:=])\s*){_VALUE}", rf"\1{REDACTED}"),
        (rf"(?i)(\b(?:[\w.-]*[_.-])?(?:pass|sig)(?:\"|'|\\)*\s*(?:=>|:=|[:=])\s*){_VALUE}", rf"\1{REDACTED}"),
        (rf"(?i)(<[\w:.-]*{_TELLING_WORD}[\w:.-]*(?:\s[^<>\n]*)?>)[^<\n]+", rf"\1{REDACTED}"),
        (r"(?i)(://hooks\.slack\.com/(?:services|workflows|triggers)/)[^\s'\"]+", rf"\1{REDACTED}"),
        (r"\beyJ[\w-]{10,}(?:\.[\w-]+)*", REDACTED),
        (r"\b(?:AKIA|ASIA)[A-Z0-9]{8,}", REDACTED),
        (
            r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[a-z]-|[sr]k_live_|sk-(?:proj|ant|svcacct)-|hf_|AIza|SG\.)[\w.-]{12,}",
            REDACTED,
        ),
    )
)


def redacted(text: str) -> str:
    """Without what looks like a secret; lines stay lines, every other character that cannot be printed is escaped.

    Redact before cutting: half a secret is known by no pattern.
    """
    safe = _visible(_COLOURS.sub("", text.replace("\r\n", "\n")))
    for pattern, replacement in _PATTERNS:
        safe = pattern.sub(replacement, safe)
    return safe


def last_of(text: str, most: int) -> str:
    """Its last whole lines, ``most`` characters at most, told where it was cut: of a log the end says most."""
    if len(text) <= most:
        return text
    kept = text[-most:]
    whole = kept.partition("\n")[2] or kept
    return f"[cut: the last {len(whole)} of {len(text)} characters]\n{whole}"


def first_of(text: str, most: int) -> str:
    """Its beginning, ``most`` characters at most, told where it was cut."""
    return text if len(text) <= most else f"{text[:most]}\n[cut at {most} of {len(text)} characters]"


def _visible(text: str) -> str:
    """NUL, other controls, characters that turn the direction of reading, and lone surrogates as ``\\x00``, ``\\u202e``."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(
        one if one in "\n\t" or one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text
    )
