# SPDX-License-Identifier: BSD-3-Clause
"""The serial link: transport below, frames and exchange in the middle, session on top."""
