"""Numbers in query parameters, refused as Go's parser does."""

import re

from remediator.sandbox.kubernetes.errors import bad_request


def whole_number(text: str | None) -> int | None:
    """The number, or None when it was not sent (an empty value counts as that); raises 400."""
    if text is None or text == "":
        return None
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)
