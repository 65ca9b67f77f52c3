// SPDX-License-Identifier: BSD-3-Clause
// Fixed scratch registers for assembly, which instructions with register lists need. Each register
// is a variable that lives in it and an early-clobbered output.
//
// A list of clobbers would say the same, but gcc 14's early-ra for AArch64 forgets the list when it
// chooses registers for inputs. So the only clobbers in this code are "cc" and "memory", never a
// register; tests/nn/test_assembly.py checks it.
//
//     DK_WORD(r0);
//     __asm__("..." : DK_WRITES(r0) : ... : "memory");
#ifndef DREDKIT_NN_SCRATCH_H
#define DREDKIT_NN_SCRATCH_H

#include <stdint.h>

// Declare a general register.
#define DK_WORD(name) register uint32_t name __asm__(#name)
#define DK_WRITES(name) "=&r"(name)

// Declare a vector register. Include arm_neon.h first.
#define DK_VECTOR(name) register int8x16_t name __asm__(#name)
#define DK_WRITES_VECTOR(name) "=&w"(name)

#endif
