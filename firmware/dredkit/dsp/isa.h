// SPDX-License-Identifier: BSD-3-Clause
// Kernels of the signal processing have one file for each instruction set that is worth one; the
// compiler's own macros choose.
#ifndef DREDKIT_DSP_ISA_H
#define DREDKIT_DSP_ISA_H

#if defined(__ARM_FEATURE_MVE)
#define DK_DSP_MVE 1
#elif defined(__ARM_NEON)
#define DK_DSP_NEON 1
#elif defined(__ARM_FEATURE_SIMD32) && __ARM_ARCH_ISA_THUMB == 2 && !defined(__ARM_ARCH_ISA_ARM)
#define DK_DSP_SIMD32 1
#endif

#endif
