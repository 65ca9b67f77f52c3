// SPDX-License-Identifier: BSD-3-Clause
#include "dredkit/version.h"

uint32_t dk_version(void)
{
    return DK_VERSION;
}
