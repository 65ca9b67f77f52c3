# SPDX-License-Identifier: BSD-3-Clause
"""Suggest the name that a user who mistyped one probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def near(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the known name nearest to `word`, or "" if none is near.

    Upper and lower case count as the same, and so do `-` and `_`. If no name is near, take the
    first one that begins with `word`.
    """
    names = {_plain(name): name for name in known}
    plain = _plain(word)
    found = get_close_matches(plain, names, n=1)
    if not found and plain:
        found = sorted(name for name in names if name.startswith(plain))[:1]
    return f"; did you mean '{names[found[0]]}'?" if found else ""


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
