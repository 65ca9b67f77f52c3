# SPDX-License-Identifier: BSD-3-Clause
"""A stage that was built, verified on its board."""

from pathlib import Path
from typing import Any

from toolkit.device.link.session import Session
from toolkit.device.pipeline import Prepared
from toolkit.stages.stage import Int16s
from toolkit.verify.verify import Verification, verify

SPEECH = Path("speech.wav")  # named in verdicts, and not read


def verified(
    session: Session, prepared: Prepared, inputs: Int16s, *, audio: Path = SPEECH, **more: Any
) -> Verification:
    """Verify what was built on the board of a session; `more` are further arguments of verify."""
    return verify(
        session,
        target=prepared.target,
        stage=prepared.stage,
        manifest=prepared.manifest,
        build=prepared.build,
        engine=prepared.engine,
        audio=audio,
        inputs=inputs,
        **more,
    )
