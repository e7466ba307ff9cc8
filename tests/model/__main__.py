"""`make model`: every configuration, one line each. Ends with 1 if a property is broken, or a mutation goes unnoticed."""

import sys

from tests.model.checker import ModelError, missing, search
from tests.model.configurations import ALL, Configuration

_WITHIN_S = 3600.0


def main() -> int:
    if (lacking := missing()) is not None:
        print(f"{lacking}; the model needs spin (Debian and Ubuntu: apt-get install spin) and a C compiler")
        return 1
    print(f"{'':62}{'states':>12}{'depth':>9}{'seconds':>9}")
    bad = [one for one in ALL if not _as_it_should(one)]
    for one in bad:
        print(f"NOT AS IT SHOULD BE: {one.name} ({' '.join(one.switches)})")
    return 1 if bad else 0


def _as_it_should(one: Configuration) -> bool:
    try:
        found = search(one, within_s=_WITHIN_S)
    except ModelError as error:
        print(error)
        return False
    print(f"{one.name:62}{found.states:12,}{found.depth:9,}{found.seconds:9.1f}", end="  ", flush=True)
    print("holds" if found.error is None else f"error found: {found.error}", flush=True)
    return one.broken is (found.error is not None)


sys.exit(main())
