// SPDX-License-Identifier: BSD-3-Clause
// Scratch registers of assembly that needs certain ones, as lists of registers do: variables that
// live in them, written before inputs are read.
//
// A list of clobbers would say the same, but gcc 14's early-ra for AArch64 forgets it when it
// chooses registers for inputs. So a clobber is "cc" or "memory" here, never a register;
// tests/test_assembly.py sees to that.
//
//     DK_WORD(r0);
//     __asm__("..." : DK_WRITES(r0) : ... : "memory");
#ifndef DREDKIT_NN_SCRATCH_H
#define DREDKIT_NN_SCRATCH_H

#include <stdint.h>

// A general register.
#define DK_WORD(name) register uint32_t name __asm__(#name)
#define DK_WRITES(name) "=&r"(name)

// A vector register; its user includes arm_neon.h.
#define DK_VECTOR(name) register int8x16_t name __asm__(#name)
#define DK_WRITES_VECTOR(name) "=&w"(name)

#endif
