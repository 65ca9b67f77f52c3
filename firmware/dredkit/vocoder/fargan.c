// SPDX-License-Identifier: BSD-3-Clause
// FARGAN's frame and its four steps.
#include "vocoder/fargan.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "dsp/scalar.h"
#include "nn/fixed.h"
#include "nn/nn.h"
#include "vocoder/predict.h"

enum {
    STEPS = DK_VOICE_FRAME / DK_FARGAN_STEP,
    STEP = DK_FARGAN_STEP,
    AROUND = DK_FARGAN_AROUND,
    SHORTEST = 32,     // shortest period in samples
    LOG2_E = 1512775,  // Q20
    LOG_SHIFT = 7,     // from Q11 times Q20 to Q24
    SIGNAL_BITS = 19,  // with the sign; the three lowest are finer than a step of PCM
    FINER = 3,
    GAIN_ONE = 14,         // a gain of mantissa 2^14 and this shift is 1
    QUIETEST = 168,        // 10^-5, Q24
    LEAST_DIVISOR = 1024,  // Q24
    NOISE_MOST = 127,
    A = DK_FARGAN_GRU1 + DK_FARGAN_GRU2 + DK_FARGAN_GRU3,  // where the first layer's outputs lie
    FIRST_HEARD = A + DK_FARGAN_FIRST,                     // where the samples lie behind them
};

#define SOFTEST (-16 * (1 << DK_LOG_FRAC))  // of the gain's base-2 logarithm
#define LOUDEST (6 * (1 << DK_LOG_FRAC) - 1)

static_assert(DK_FARGAN_CONDITION_CONDITIONING == STEPS * DK_FARGAN_VECTOR, "one vector a step");
static_assert(DK_FARGAN_CONDITION_FEATURES == DK_VOICE_FEATURES + DK_FARGAN_EMBEDDING, "features");

// A factor that a product is divided by 2^shift after; see quantize/vocoder/fargan/cells.py.
typedef struct {
    int16_t factor;
    uint8_t shift;  // 1 .. 30
} scale;

// Run the frame-rate network on a frame; keep its vectors and its period.
static void hear(dk_fargan *voice, const int16_t features[DK_VOICE_FEATURES])
{
    int16_t *input = voice->work.frame.features;
    dk_voice_clamp(features, input);
    const uint32_t period = dk_voice_period(input[DK_VOICE_PITCH]);
    const uint32_t last = DK_FARGAN_PERIODS - 1;
    const uint32_t row = period - SHORTEST < last ? period - SHORTEST : last;
    const dk_fargan_weights *weights = &voice->weights;
    memcpy(input + DK_VOICE_FEATURES, weights->periods[row], sizeof *weights->periods);
    dk_fargan_condition_step(weights->condition, &voice->condition, &voice->work.frame.scratch,
                             input, voice->vectors, NULL);
    voice->period = (uint16_t)period;
}

static int32_t signal_of(int32_t x)
{
    const int32_t top = (1 << (SIGNAL_BITS - 1)) - 1;
    return x > top ? top : x < -top - 1 ? -top - 1 : x;
}

// Return a sample of the signal from a PCM sample and the one before it, Q18.
static int32_t emphasised(int16_t sample, int32_t before)
{
    const int32_t part = dk_upper_product(before * (1 << 13), -DK_VOICE_EMPHASIS * (1 << 4));
    return signal_of(sample * (1 << FINER) + part);
}

// Undo the pre-emphasis; the result is Q18, too.
static int32_t deemphasised(int32_t signal, int32_t before)
{
    return signal_of(signal + dk_upper_product(before * (1 << 13), DK_VOICE_EMPHASIS * (1 << 4)));
}

static void push(dk_fargan *voice, const int32_t *signal)
{
    const size_t kept = DK_FARGAN_HISTORY - STEP;
    memmove(voice->history, voice->history + STEP, kept * sizeof *voice->history);
    memcpy(voice->history + kept, signal, STEP * sizeof *signal);
}

void dk_fargan_begin(dk_fargan *voice, const int16_t context[DK_FARGAN_CONTEXT][DK_VOICE_FEATURES],
                     const int16_t past[DK_FARGAN_PAST])
{
    dk_fargan_weights weights = voice->weights;
#if defined(DK_FARGAN_LINKED)
    if (weights.step == NULL) {
        weights = (dk_fargan_weights){&dk_fargan_condition_linked, &dk_fargan_step_linked,
                                      dk_fargan_periods};
    }
#endif
    memset(voice, 0, sizeof *voice);
    voice->weights = weights;
    dk_fargan_condition_reset(&voice->condition);
    voice->random = DK_VOICE_SEED;
    voice->before = past[DK_FARGAN_PAST - 1] * (1 << FINER);
    // The signal of the first sample needs one more sample, and stays 0.
    int32_t *signal = voice->history + DK_FARGAN_HISTORY - DK_FARGAN_PAST;
    for (int n = 1; n < DK_FARGAN_PAST; n++) {
        signal[n] = emphasised(past[n], past[n - 1] * (1 << FINER));
    }
    for (int k = 0; k < DK_FARGAN_CONTEXT; k++) {
        hear(voice, context[k]);
    }
}

// Return e^x as mantissa and shift from 1 = 2^14 / 2^14.
static scale gain_of(int16_t logarithm)
{
    const int32_t exact = (int32_t)(((int64_t)logarithm * LOG2_E) >> LOG_SHIFT);
    const int32_t power = exact < SOFTEST ? SOFTEST : exact > LOUDEST ? LOUDEST : exact;
    const uint32_t mantissa = dk_exp2((uint32_t)(power & DK_LOG_MASK)) >> (30 - GAIN_ONE);
    // 2^x may come out just below 1, or as the 2 that no int16 holds.
    const uint32_t above = mantissa > 1U << GAIN_ONE ? mantissa : 1U << GAIN_ONE;
    return (scale){(int16_t)(above < INT16_MAX ? above : INT16_MAX),
                   (uint8_t)(GAIN_ONE - (power >> DK_LOG_FRAC))};
}

// Return 8 / (gain + 10^-5), at most 2^14, for the signal, which is finer than the quotient. The
// factor is 2^11 .. 2^12, so that products fit int32.
static scale reciprocal_of(scale gain)
{
    // Q24: from 2^30 for a mantissa of 2^14 and an exponent of 6.
    const uint32_t exact = ((uint32_t)gain.factor << 16) >> (gain.shift - 8);
    const uint32_t divisor = exact + QUIETEST < LEAST_DIVISOR ? LEAST_DIVISOR : exact + QUIETEST;
    const int up = 31 - dk_bits32(divisor);
    const uint32_t top = (divisor << up) >> 15;
    return (scale){(int16_t)(((1U << 27) + top / 2) / top), (uint8_t)(21 - up)};
}

// Write the signal x[count] times a scale, Q15, rounded half up and saturated.
static void divide(const int32_t *x, size_t count, scale by, int16_t *y)
{
    const int32_t factor = by.factor, half = 1 << (by.shift - 1);
    for (size_t i = 0; i < count; i++) {
        y[i] = dk_saturate16((x[i] * factor + half) >> by.shift);
    }
}

// Write Q15 x[40] times a scale as signal, rounded half up and saturated.
static void multiply(const int16_t x[STEP], scale by, int32_t signal[STEP])
{
    const int shift = by.shift - FINER;
    const int32_t factor = by.factor, half = 1 << (shift - 1);
    for (int i = 0; i < STEP; i++) {
        signal[i] = signal_of((x[i] * factor + half) >> shift);
    }
}

// Write the last period, from 2 samples before it on and repeated. The oldest sample stands for
// those before it.
static void repeat(const int32_t history[DK_FARGAN_HISTORY], int32_t period,
                   int32_t out[DK_FARGAN_PREDICTED])
{
    const int32_t from = DK_FARGAN_HISTORY - AROUND - period;
    for (int32_t n = 0; n < DK_FARGAN_PREDICTED; n++) {
        if (n < period + AROUND) {
            out[n] = history[from + n > 0 ? from + n : 0];
        } else {
            out[n] = out[n - period];
        }
    }
}

// Draw uniform inputs of the first layer.
static void draw(uint32_t *random, int8_t *noise)
{
    for (int n = 0; n < DK_FARGAN_NOISE; n += 4) {
        uint32_t word = dk_xorshift32(random);
        for (int k = 0; k < 4; k++) {
            const int32_t byte = (int32_t)(word & 0xFF);
            const int32_t value = byte < 128 ? byte : byte - 256;
            noise[n + k] = (int8_t)(value < -NOISE_MOST ? -NOISE_MOST : value);
            word >>= 8;
        }
    }
}

// Write a step's inputs of the first layer, behind those of the step before.
static void listen(dk_fargan *voice, const int16_t *vector, scale by)
{
    int16_t *predicted = voice->work.step.predicted, *last = voice->work.step.last;
    int8_t *now = voice->inputs + DK_FARGAN_INPUTS;
    memcpy(voice->inputs, now, DK_FARGAN_INPUTS);
    dk_narrow(vector, DK_FARGAN_VECTOR, now);
    now += DK_FARGAN_VECTOR;
    repeat(voice->history, voice->period, voice->work.step.repeated);
    divide(voice->work.step.repeated, DK_FARGAN_PREDICTED, by, predicted);
    dk_narrow(predicted, DK_FARGAN_PREDICTED, now);
    now += DK_FARGAN_PREDICTED;
    divide(voice->history + DK_FARGAN_HISTORY - STEP, STEP, by, last);
    dk_narrow(last, STEP, now);
    draw(&voice->random, now + STEP);
}

// Multiply Q15 x[count] by its sigmoid gates: the Q15 results are in `gates`, then also in x8.
static void gate(const dk_matrix8 *matrix, const int16_t *x, int16_t *gates, int8_t *x8)
{
    const size_t count = matrix->rows;
    dk_narrow(x, count, x8);
    dk_matvec8(matrix, x8, gates);
    dk_sigmoid(gates, count);
    dk_gate(gates, x, count);
    dk_narrow(gates, count, x8);
}

// Write the prediction times its weight for one layer.
static void weigh(dk_fargan *voice, int layer, int8_t *x8)
{
    int16_t *product = voice->work.step.row;
    for (int n = 0; n < STEP; n++) {
        product[n] = voice->work.step.taps[layer];
    }
    dk_gate(product, voice->work.step.predicted + AROUND, STEP);
    dk_narrow(product, STEP, x8);
}

// Advance a GRU and gate its state. Its inputs are the x8 outputs of the layer before, the weighed
// prediction and the last samples; x8 receives its outputs.
static void recur(dk_fargan *voice, int layer, const dk_gru *gru, const dk_matrix8 *glu,
                  const int8_t *before, size_t count, int16_t *state, int8_t *x8)
{
    int8_t *heard = voice->work.step.heard;
    memcpy(heard, before, count);
    weigh(voice, layer, heard + count);
    memcpy(heard + count + STEP, voice->work.step.all + FIRST_HEARD + STEP, STEP);
    dk_gru_step(gru, heard, state, voice->work.step.gates, voice->work.step.state8);
    gate(glu, state, voice->work.step.gates, x8);
}

// Speak a step's signal. If `signal` is NULL, only advance the states, for which the layers behind
// the GRUs do not matter.
static void speak(dk_fargan *voice, const int16_t *vector, int32_t *signal)
{
    const dk_fargan_step_weights *weights = voice->weights.step;
    int16_t *row = voice->work.step.row, *gates = voice->work.step.gates;
    int8_t *all = voice->work.step.all;
    int16_t logarithm, shape[STEP];
    dk_matvec16(&weights->sig_net_cond_gain_dense, vector, &logarithm);
    const scale gain = gain_of(logarithm);
    listen(voice, vector, reciprocal_of(gain));

    dk_matvec8(&weights->sig_net_fwc0_conv, voice->inputs, row);
    dk_tanh(row, DK_FARGAN_FIRST);
    gate(&weights->sig_net_fwc0_glu_gate, row, gates, all + A);
    dk_matvec16(&weights->sig_net_gain_dense_out, gates, voice->work.step.taps);
    dk_sigmoid(voice->work.step.taps, 4);
    dk_narrow(voice->work.step.last, STEP, all + FIRST_HEARD + STEP);

    int8_t *out1 = all, *out2 = out1 + DK_FARGAN_GRU1, *out3 = out2 + DK_FARGAN_GRU2;
    recur(voice, 0, &weights->sig_net_gru1, &weights->sig_net_gru1_glu_gate, all + A,
          DK_FARGAN_FIRST, voice->state1, out1);
    recur(voice, 1, &weights->sig_net_gru2, &weights->sig_net_gru2_glu_gate, out1, DK_FARGAN_GRU1,
          voice->state2, out2);
    recur(voice, 2, &weights->sig_net_gru3, &weights->sig_net_gru3_glu_gate, out2, DK_FARGAN_GRU2,
          voice->state3, out3);

    if (signal == NULL) {
        return;
    }
    weigh(voice, 3, all + FIRST_HEARD);
    dk_matvec8(&weights->sig_net_skip_dense, all, row);
    dk_tanh(row, DK_FARGAN_SKIP);
    gate(&weights->sig_net_skip_glu_gate, row, gates, all);
    dk_matvec8(&weights->sig_net_sig_dense_out, all, shape);
    dk_tanh(shape, STEP);
    multiply(shape, gain, signal);
}

// Run over the first steps of a frame.
static void run(dk_fargan *voice, const int16_t ahead[DK_VOICE_FEATURES], const int16_t *known,
                int steps, int16_t pcm[DK_VOICE_FRAME])
{
    const uint16_t spoken = voice->period;
    hear(voice, ahead);
    const uint16_t next = voice->period;
    voice->period = spoken;
    for (int step = 0; step < steps; step++) {
        int32_t signal[STEP];
        speak(voice, voice->vectors + step * DK_FARGAN_VECTOR, known == NULL ? signal : NULL);
        int16_t *out = pcm + step * STEP;
        if (known != NULL) {
            memmove(out, known + step * STEP, STEP * sizeof *out);
        }
        for (int n = 0; n < STEP; n++) {
            if (known == NULL) {
                voice->before = deemphasised(signal[n], voice->before);
                out[n] = dk_saturate16((voice->before + (1 << (FINER - 1))) >> FINER);
            } else {
                signal[n] = emphasised(out[n], voice->before);
                voice->before = out[n] * (1 << FINER);
            }
        }
        push(voice, signal);
    }
    voice->period = next;
}

void dk_fargan_frame(dk_fargan *voice, const int16_t ahead[DK_VOICE_FEATURES], const int16_t *known,
                     int16_t pcm[DK_VOICE_FRAME])
{
    run(voice, ahead, known, STEPS, pcm);
}

void dk_fargan_end(dk_fargan *voice, const int16_t ahead[DK_VOICE_FEATURES], int32_t count,
                   int16_t pcm[DK_VOICE_FRAME])
{
    run(voice, ahead, NULL, (count + STEP - 1) / STEP, pcm);
}
