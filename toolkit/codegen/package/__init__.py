# SPDX-License-Identifier: BSD-3-Clause
"""Write the library for a product.

product.py  a package's core, models and rates
sources.py  the library's files of one ISA, and the generated model
config.py   include/dredkit/config.h
sizes.py    measure the public objects with the target's compiler, for config.h
builds.py   the build files, from the templates in toolkit/data/package/
notice.py   whose weights a package holds
readme.py   README.md
write.py    the folder, whole or not at all
"""
