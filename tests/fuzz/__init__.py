# SPDX-License-Identifier: BSD-3-Clause
"""Programs that feed the C code any bytes, and the command that runs them."""
