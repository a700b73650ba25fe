"""
Leaves out what is nested so deep that no decoder takes it, so that the rest can be read.

`metadata.managedFields[].fieldsV1` is free JSON, stored as whoever writes the object sends it, and
Go takes 10,000 levels where pydantic takes some 190. A review that is not read for it is answered
with a 400: then an object is admitted unseen where the webhook's `failurePolicy` is Ignore, and
where it is Fail nobody can take the finalizers off an object that stands there already. Nothing
that is judged stands deeper than 20 levels.
Source: encoding/json of Go 1.26 (maxNestingDepth); k8s.io/apimachinery v0.36, meta/v1/types.go.
"""

import re
from typing import Final

DEPTH_KEPT: Final = 100
"""Levels that are kept; an image of a CronJob stands at the 13th."""

TOKENS_MAX: Final = 1_000_000
"""
Brackets and strings that are looked at, which takes 0.4 s; more is left as it is.

An object that etcd takes (1.5 MiB) has half as many at the most, and a review has two objects.
"""

_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+("?)|[\[{]|([\]}])', re.DOTALL)


def without_deep_values(text: bytes) -> bytes:
    """
    Return a JSON text with `null` in place of every object and list that is nested too deep.

    A text that is no JSON, or has more tokens than are looked at, comes back as it was.
    """
    kept: list[bytes] = []
    begin = depth = 0
    for number, token in enumerate(_TOKEN.finditer(text)):
        closes_string, closes = token.groups()
        if number >= TOKENS_MAX or closes_string == b"":
            return text
        if closes_string:
            continue
        depth += -1 if closes else 1
        if not closes and depth == DEPTH_KEPT + 1:
            kept.append(text[begin : token.start()])
        elif closes and depth == DEPTH_KEPT:
            begin = token.end()
            kept.append(b"null")
    if depth != 0:
        return text
    return b"".join([*kept, text[begin:]])
