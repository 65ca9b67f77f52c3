# SPDX-License-Identifier: BSD-3-Clause
"""Scoring voices by copy synthesis: held-out speech, its features spoken, both judged."""
