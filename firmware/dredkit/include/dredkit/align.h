// SPDX-License-Identifier: BSD-3-Clause
// DK_ALIGNED(n) aligns a member of a struct to n bytes, in C11 and later and in C++11 and later.
#ifndef DREDKIT_ALIGN_H
#define DREDKIT_ALIGN_H

#ifdef __cplusplus
#define DK_ALIGNED(n) alignas(n)
#else
#define DK_ALIGNED(n) _Alignas(n)
#endif

#endif
