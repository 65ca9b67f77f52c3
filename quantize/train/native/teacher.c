// SPDX-License-Identifier: BSD-3-Clause
// The signal that LPCNet hears while it is trained.

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { ORDER = 16 };

static int to_mulaw(float x)
{
    const float code = 128.0f * log1pf(fabsf(x) * (255.0f / 32768.0f)) / 5.54517744f;
    const float rounded = floorf(0.5f + 128.0f + (x < 0 ? -code : code));
    return rounded < 0 ? 0 : rounded > 255 ? 255 : (int)rounded;
}

static float from_mulaw(int code)
{
    const float u = (float)(code - 128) / 128.0f;
    const float size = (expf(fabsf(u) * 5.54517744f) - 1.0f) * (32768.0f / 255.0f);
    return u < 0 ? -size : size;
}

// What the network hears while it learns: past samples with quantisation noise, so that it learns
// to recover. signal [batch][16 + steps] (int16 scale, pre-emphasised), lpc [batch][steps/hop][16],
// noise [batch][steps] in mu-law steps. Writes index [steps][batch][3] (last sample, prediction,
// last excitation) and the excitation codes that are to be predicted, target [steps][batch].
void teacher(int steps, int batch, int hop, const float *signal, const float *lpc,
             const int8_t *noise, uint8_t *index, uint8_t *target)
{
    for (int b = 0; b < batch; b++) {
        const float *x = signal + (size_t)b * (steps + ORDER);
        float past[ORDER];
        for (int k = 0; k < ORDER; k++)
            past[k] = x[ORDER - 1 - k];
        int excitation = 128;
        for (int t = 0; t < steps; t++) {
            const float *a = lpc + ((size_t)b * (steps / hop) + t / hop) * ORDER;
            float prediction = 0;
            for (int k = 0; k < ORDER; k++)
                prediction -= a[k] * past[k];
            uint8_t *in = index + ((size_t)t * batch + b) * 3;
            in[0] = (uint8_t)to_mulaw(past[0]);
            in[1] = (uint8_t)to_mulaw(prediction);
            in[2] = (uint8_t)excitation;
            const int want = to_mulaw(x[ORDER + t] - prediction);
            target[(size_t)t * batch + b] = (uint8_t)want;
            excitation = want + noise[(size_t)b * steps + t];
            excitation = excitation < 0 ? 0 : excitation > 255 ? 255 : excitation;
            memmove(past + 1, past, sizeof(float) * (ORDER - 1));
            past[0] = prediction + from_mulaw(excitation);
        }
    }
}
