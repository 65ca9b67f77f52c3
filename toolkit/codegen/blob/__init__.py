# SPDX-License-Identifier: BSD-3-Clause
"""Weights as a blob: tables of a model that a product keeps outside its image.

docs/FORMAT.md, section 9, describes the file; firmware/dredkit/weights opens it.

parts.py    what a blob holds, in order, and the structure that it must have
write.py    write a blob
read.py     read a blob
source.py   write the C that opens the blob of one model
product.py  put a blob in the place of a product's linked-in tables, or beside them
"""
