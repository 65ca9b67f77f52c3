# SPDX-License-Identifier: BSD-3-Clause
"""What a step would cost in cycles: an estimate, from what QEMU ran and a model of the core.

`plugin` compiles a plugin for the QEMU found; through it `counter` has QEMU count how often each
block of code runs in each step; `code` reads the blocks' instructions from the image; `m4` and
`mca` cost a block, and `models` says which of them is for which core, and how far it can be off;
`estimate` puts them together.
"""
