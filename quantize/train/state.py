# SPDX-License-Identifier: BSD-3-Clause
"""Training state on disk: written whole or not at all, and refused when it is not ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from quantize.errors import InputError


def save_state(path: Path, kind: str, state: dict[str, Any]) -> None:
    """Write `state` of a `kind` of training to `path`, replacing it in one move."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    torch.save({"kind": kind, **state}, partial)
    partial.replace(path)


def load_state(path: Path, kind: str) -> dict[str, Any]:
    """Return the state that `save_state` wrote; InputError if it is damaged or of another kind."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: nothing to resume from") from None
    except Exception as error:  # torch raises many types for a damaged file
        why = type(error).__name__
        raise InputError(f"{path} is no training state ({why}): delete it to begin anew") from None
    if not isinstance(state, dict) or state.get("kind") != kind:
        raise InputError(f"{path} is not a training state of {kind}: give another folder")
    return state
