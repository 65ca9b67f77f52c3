# SPDX-License-Identifier: BSD-3-Clause
"""Write the library for a product.

sizes.py  measure the public objects with the target's compiler, for dredkit/config.h
"""
