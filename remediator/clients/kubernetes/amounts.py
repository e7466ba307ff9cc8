"""What pods ask for and nodes have, as Kubernetes writes it (``250m``, ``1Gi``, ``0``), exact."""

import re
from fractions import Fraction

_FORM = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?P<suffix>[eE][+-]?[0-9]{1,2}|[KMGTPE]i|[numkMGTPE]|)"
)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def amount(text: object) -> Fraction:
    """Cores, bytes or pieces. ValueError for what is no quantity."""
    known = isinstance(text, str | int) and not isinstance(text, bool) and len(str(text)) <= 64
    found = _FORM.fullmatch(str(text)) if known else None
    if found is None:
        raise ValueError(f"not a quantity: {str(text)[:40]!r}")
    suffix = found["suffix"]
    base, power = (1024, _BINARY[suffix]) if suffix in _BINARY else (10, _DECIMAL.get(suffix))
    return Fraction(found["number"]) * Fraction(base) ** (int(suffix[1:]) if power is None else power)
