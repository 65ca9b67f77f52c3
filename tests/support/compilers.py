# SPDX-License-Identifier: BSD-3-Clause
"""Which compiler the committed figures are from, and how far those of another one may lie."""

import functools
import subprocess

# Debian 12's cross compilers. Their successors make other code of the same C: of gcc 14, an A76's
# tanh takes 28 % more instructions, and an A53's pitch network 3 % more.
MEASURED_WITH = "12"


@functools.cache
def version(compiler: str) -> str:
    """Return a compiler's major version, such as "12"."""
    said = subprocess.run([compiler, "-dumpversion"], capture_output=True, text=True, check=True)
    return said.stdout.strip().split(".")[0]


def slack(compiler: str, others: float) -> float:
    """Return by what to multiply a limit of instructions: 1, or `others` with another compiler."""
    return 1.0 if version(compiler) == MEASURED_WITH else others
