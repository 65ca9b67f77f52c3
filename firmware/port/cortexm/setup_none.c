// SPDX-License-Identifier: BSD-3-Clause
// The setup of a board whose clocks and pins are right after reset.
#include "drivers.h"

void dk_setup(void)
{
}
