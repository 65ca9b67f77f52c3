# SPDX-License-Identifier: BSD-3-Clause
"""Speech of some fifty voices, spoken by Kokoro-82M: speakers that free recordings do not have.

data/kokoro.toml says where the model and its voices come from, under which licences, and which
voices are held out. A clip's text and speed depend on its voice and number alone, and clips on
disk are kept, so an interrupted run goes on where it stopped.
"""

from toolkit.speech.kokoro.source import MINUTES, NAME, described, prepare

__all__ = ["MINUTES", "NAME", "described", "prepare"]
