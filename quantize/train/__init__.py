# SPDX-License-Identifier: BSD-3-Clause
"""Training of the default models: resumable, on one CPU core or a GPU."""
