// SPDX-License-Identifier: BSD-3-Clause
// Chooses the kernels by the compiler's own macros: defines exactly one of DK_ISA_C,
// DK_ISA_SIMD32, DK_ISA_MVE and DK_ISA_NEON. With DK_ISA_NEON it also defines DK_ISA_DOTPROD if the
// core has dot products.
//
// Every variant of a kernel is a file of the same name in the folder of its ISA. All its code
// stands between #if and #endif of that ISA's macro, so a build compiles all files of the library
// for any core. Kernels do not work with tables packed for another ISA; generated tables say which
// ISA they are packed for.
//
// Define DK_ISA_PORTABLE to get portable C on any core.
#ifndef DREDKIT_DK_ISA_H
#define DREDKIT_DK_ISA_H

#if defined(DK_ISA_PORTABLE)
#define DK_ISA_C 1
#elif defined(__ARM_FEATURE_MVE)
#define DK_ISA_MVE 1  // Cortex-M55, M85
#elif defined(__ARM_NEON)
#define DK_ISA_NEON 1  // Cortex-A
#if defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#define DK_ISA_DOTPROD 1
#endif
#elif defined(__ARM_FEATURE_SIMD32) && __ARM_ARCH_ISA_THUMB == 2 && !defined(__ARM_ARCH_ISA_ARM)
#define DK_ISA_SIMD32 1  // Cortex-M4, M7, M33: Armv7E-M's and Armv8-M's DSP instructions
#else
#define DK_ISA_C 1
#endif

// ISO C forbids an empty translation unit: a file for another ISA holds this enum.
enum { DK_ISA_CHOSEN = 1 };

// The assembly of these kernels needs every register, so that none is left for a frame pointer.
#if (defined(DK_ISA_SIMD32) || defined(DK_ISA_MVE)) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("omit-frame-pointer")
#if !defined(__OPTIMIZE__)
#pragma GCC optimize("O1")
#endif
#endif

// With an FPU, gcc 13 and 14 keep one of these registers for moves between it and the core, and
// then find too few. No code here needs the FPU.
#if defined(DK_ISA_SIMD32) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("general-regs-only")
#endif

#endif
