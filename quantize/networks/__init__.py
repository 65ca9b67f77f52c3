# SPDX-License-Identifier: BSD-3-Clause
"""Float networks in torch, one file a network: to train, and to compare integer networks with."""
