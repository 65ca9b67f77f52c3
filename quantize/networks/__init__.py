# SPDX-License-Identifier: BSD-3-Clause
"""Float networks in torch, one file a network: for training and as the yardstick of integers."""
