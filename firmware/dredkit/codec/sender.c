// SPDX-License-Identifier: BSD-3-Clause
// The sender's control: resampling, features, pitch network, RDO-VAE encoder, history, payload.
#include "codec/sender.h"

#include <assert.h>
#include <string.h>

#include "nn/nn.h"

static_assert(DK_SENDER_CORE_RATE == 8000 || DK_SENDER_CORE_RATE == 12000 ||
                  DK_SENDER_CORE_RATE == 16000 || DK_SENDER_CORE_RATE == 24000 ||
                  DK_SENDER_CORE_RATE == 48000,
              "a rate that the resampler takes");

int32_t dk_sender_core_init_with(dk_sender_core *core, const dk_sender_weights *weights,
                                 uint16_t delay)
{
    if (delay > DK_DRED_DELAY_MAX) {
        return DK_ERR_ARGUMENT;
    }
    const dk_dred_history_config config = {
        .latent_frac = DK_RDOVAE_ENC_LATENTS_FRAC,
        .state_frac = DK_RDOVAE_ENC_INITIAL_STATE_FRAC,
        .delay = delay,
        .upstream_silence_offset = false,
    };
    memset(core, 0, sizeof *core);
    core->weights = *weights;
    dk_features_init(&core->features);
    (void)dk_dred_history_init(&core->history, &config);
#if DK_SENDER_CORE_RATE != 16000
    (void)dk_resampler_init(&core->resampler, DK_SENDER_CORE_RATE);
#endif
    return 0;
}

#if defined(DK_PITCH_LINKED)
int32_t dk_sender_core_init(dk_sender_core *core, uint16_t delay)
{
    const dk_sender_weights linked = {&dk_model_tables, &dk_pitch_linked, &dk_rdovae_enc_linked};
    return dk_sender_core_init_with(core, &linked, delay);
}
#endif

// Resample 10 ms to a frame at 16 kHz, delayed as in libopus.
static void take(dk_sender_core *core, const int16_t *pcm, int16_t frame[DK_FEATURES_FRAME])
{
    const size_t late = DK_SENDER_CORE_DELAY;
    const size_t fresh = DK_FEATURES_FRAME - late;
#if DK_SENDER_CORE_RATE != 16000
    int16_t heard[DK_RESAMPLE_OUT];
    dk_resample(&core->resampler, pcm, heard);
#else
    const int16_t *heard = pcm;
#endif
    memcpy(frame, core->delayed, late * sizeof frame[0]);
    memcpy(frame + late, heard, fresh * sizeof frame[0]);
    memcpy(core->delayed, heard + fresh, late * sizeof frame[0]);
}

// Process one frame of 10 ms: the pitch network's inputs, the network, and the 20 features.
static uint8_t *extract(dk_sender_core *core, const int16_t pcm[DK_FEATURES_FRAME],
                        int16_t features[DK_FEATURES], uint8_t *trace)
{
    int16_t *phases = core->work.pitch.phases;
    int16_t *lags = core->work.pitch.lags;
    int16_t *logits = core->work.pitch.logits;

    dk_features_analyse(&core->features, pcm, phases, lags);
    trace = dk_trace(trace, phases, DK_PHASES);
    trace = dk_trace(trace, lags, DK_PITCH_LAGS);

    dk_narrow(phases, DK_PHASES, core->work.pitch.phases8);
    dk_pitch_step(core->weights.pitch, &core->pitch, &core->work.pitch.network,
                  core->work.pitch.phases8, lags, logits, trace);
    trace = trace == NULL ? NULL : trace + DK_PITCH_TRACE_BYTES;

    dk_features_finish(&core->features, logits, DK_PITCH_LOGITS_FRAC, DK_RDOVAE_ENC_FEATURES_FRAC,
                       features);
    return dk_trace(trace, features, DK_FEATURES);
}

// Run the encoder network on both frames of a step and keep what it gives.
static uint8_t *encode(dk_sender_core *core, uint8_t *trace)
{
    int16_t *latents = core->work.rdovae.latents;
    int16_t *initial_state = core->work.rdovae.initial_state;
    dk_rdovae_enc_step(core->weights.rdovae_enc, &core->rdovae, &core->work.rdovae.network,
                       core->step, latents, initial_state, trace);
    dk_dred_history_push(&core->history, latents, initial_state);
    return trace == NULL ? NULL : trace + DK_RDOVAE_ENC_TRACE_BYTES;
}

uint8_t *dk_sender_core_hear(dk_sender_core *core, const int16_t pcm[DK_SENDER_CORE_FRAME],
                             bool active, uint8_t *trace)
{
    int16_t frame[DK_FEATURES_FRAME];
    take(core, pcm, frame);
    trace = extract(core, frame, core->step + core->frames * DK_FEATURES, trace);
    core->frames++;
    if (dk_dred_history_hear(&core->history, DK_FEATURES_FRAME, active) > 0) {
        core->frames = 0;
        trace = encode(core, trace);
    }
    return trace;
}

int32_t dk_sender_core_payload(dk_sender_core *core, const dk_dred_rate *rate, unsigned units,
                               uint8_t *payload)
{
    const unsigned samples = units * DK_SENDER_CORE_UNIT;
    return dk_dred_history_payload(&core->history, core->weights.tables, rate, samples, payload);
}

const int16_t *dk_sender_core_latents(const dk_sender_core *core)
{
    return core->work.rdovae.latents;
}

const int16_t *dk_sender_core_state(const dk_sender_core *core)
{
    return core->work.rdovae.initial_state;
}
