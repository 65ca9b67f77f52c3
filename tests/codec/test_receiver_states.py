# SPDX-License-Identifier: BSD-3-Clause
"""The receiver's machine: what speaks when, which payload serves, how good audio returns."""

import numpy as np
import pytest

from quantize.codec.receiver import BRIDGE, FRAME, STEP, WAIT, Receiver, ReceiverConfig, State
from quantize.codec.receiver_clock import ReceiverClock, since
from quantize.codec.redundancy import DecoderNetworks, Redundancy
from quantize.codec.track import AHEAD, BEHIND
from quantize.dred.payload import Header, write_symbols
from quantize.errors import InputError
from quantize.integer import Ints
from quantize.plc import heard
from quantize.plc.concealment import attenuated
from tests.support.decoder_models import NotingVoice, random_networks, random_payload, tables

BY_HAND = ReceiverConfig(chunks_a_call=0)
REST = heard.features(np.zeros(heard.SAMPLES, np.int64))[-1]  # before anything was heard


@pytest.fixture(scope="module")
def networks() -> DecoderNetworks:
    return random_networks()


class InSlots(Receiver):
    """A receiver that decodes in calls of 10 ms, as ReceiverClock lets it."""

    def lost(self) -> Ints:
        self.decode_wanted(self.config.chunks_a_call)
        return super().lost()

    def concealed(self, pcm: Ints) -> Ints:
        self.decode_wanted(self.config.chunks_a_call)
        return super().concealed(pcm)

    def good(self, pcm: Ints, *, recovered: bool = False) -> Ints:
        if self.speaking:
            self.decode_wanted(self.config.chunks_a_call)
        return super().good(pcm, recovered=recovered)


def receiver_with(
    networks: DecoderNetworks, config: ReceiverConfig | None = None, rate: int = 16000
) -> tuple[Receiver, NotingVoice]:
    voice = NotingVoice()
    config = config or ReceiverConfig(chunks_a_call=4)
    return InSlots(Redundancy(networks), voice, config, rate), voice


def good(value: int, slots: int = 1, rate: int = 16000) -> Ints:
    return np.full(slots * rate // 100, value, np.int64)


def coarse_payload(seed: int, q0: int, chunks: int = 26) -> bytes:
    """Return a payload whose every chunk is coded at level q0."""
    rng = np.random.default_rng(seed)
    state, latents = rng.integers(-2, 3, 50), rng.integers(-1, 2, (chunks, 25))
    return write_symbols(tables(), Header(q0, 0, 15, 10), state, latents)


def decoded(networks: DecoderNetworks, data: bytes) -> Ints:
    """Return the features of a whole payload, newest first."""
    redundancy = Redundancy(networks)
    return np.concatenate([redundancy.chunk() for _ in range(redundancy.begin(data))])


def spoken(voice: NotingVoice) -> list[list[int]]:
    """Return the features that the voice was told of for frames that it spoke."""
    return [ahead.tolist() for ahead in voice.told[NotingVoice.KNOWN_FRAMES :]]


def test_the_voice_speaks_over_the_first_good_packet_and_then_fades(
    networks: DecoderNetworks,
) -> None:
    receiver, voice = receiver_with(networks)
    receiver.payload(STEP, random_payload(9))
    receiver.speak()
    assert receiver.state == State.DRED
    first = [receiver.good(good(-3000)) for _ in range(2)]
    assert [set(part.tolist()) for part in first] == [{1004}, {1005}]  # the voice's own samples
    assert receiver.state == State.DRED
    fading = np.concatenate([receiver.good(good(-3000)) for _ in range(2)])
    assert len(voice.told) == 1 + 2 + 2 + 2
    length = 15 * 16
    place = np.arange(FRAME)
    weight = (2 * place + 1) / (2 * length)
    want = 1006 + (-3000 - 1006) * weight
    assert np.abs(fading[:FRAME] - want).max() <= 1
    assert np.all(np.diff(fading[:length]) < 0)
    assert np.all(fading[length:] == -3000)
    assert not receiver.speaking
    assert receiver.good(good(-3000)).tolist() == good(-3000).tolist()
    assert receiver.state == State.NORMAL


@pytest.mark.parametrize(("over", "fade"), [(0, 1), (0, 15), (10, 10), (60, 40)])
def test_over_and_fade_last_as_long_as_configured(
    over: int, fade: int, networks: DecoderNetworks
) -> None:
    receiver, _ = receiver_with(networks, ReceiverConfig(over, fade, 4))
    receiver.payload(10 * FRAME, random_payload(9))
    receiver.lost()
    states = []
    for _ in range(12):
        receiver.good(good(0))
        states.append(receiver.state)
    fades = -(-fade // 10)
    want = [State.DRED] * (over // 10) + [State.FADE] * fades
    assert states == want + [State.NORMAL] * (12 - len(want))


def test_full_scale_survives_the_fade(networks: DecoderNetworks) -> None:
    for loud, opposite in ((32767, -32768), (-32768, 32767), (32767, 32767), (-32768, -32768)):
        receiver, voice = receiver_with(networks)
        voice.frame = lambda ahead, known, value=loud: np.full(160, value)  # type: ignore[misc]
        receiver.lost()
        out = np.concatenate([receiver.good(good(opposite)) for _ in range(4)])
        assert -32768 <= out.min() <= out.max() <= 32767


def test_one_good_packet_between_two_gaps_is_spoken_over(networks: DecoderNetworks) -> None:
    receiver, voice = receiver_with(networks)
    receiver.payload(STEP, random_payload(9))
    receiver.speak()
    receiver.hear(good(7, 2))
    receiver.payload(STEP, random_payload(10))
    receiver.speak()
    assert len(voice.begun) == 1  # the voice has never stopped
    out = [receiver.good(good(7)) for _ in range(3)]
    assert set(out[1].tolist()) == {1000 + len(voice.told) - 1}  # it speaks over 20 ms again
    assert receiver.state == State.FADE


def test_a_gap_inside_a_fade_begins_again_from_what_was_played(networks: DecoderNetworks) -> None:
    receiver, voice = receiver_with(networks)
    receiver.payload(FRAME, random_payload(9))
    receiver.lost()
    over = [receiver.good(good(50)) for _ in range(2)]
    mixed = receiver.good(good(50))
    assert receiver.state == State.FADE
    receiver.lost()
    _, (_, past) = voice.begun
    assert past.tolist() == over[1][-NotingVoice.PAST :].tolist()
    assert voice.known[1].tolist() == mixed.tolist()


def test_without_features_for_a_good_packet_the_fade_begins_at_once(
    networks: DecoderNetworks,
) -> None:
    receiver, _ = receiver_with(networks)
    receiver.lost()
    assert receiver.state == State.PLC
    receiver.good(good(5))
    assert receiver.state == State.FADE


def test_recovered_samples_play_as_they_are_or_end_a_gap(networks: DecoderNetworks) -> None:
    receiver, _ = receiver_with(networks)
    assert receiver.good(good(3), recovered=True).tolist() == good(3).tolist()
    assert receiver.state == State.RECOVERED
    receiver.payload(STEP, random_payload(9))
    receiver.lost()
    assert set(receiver.good(good(3), recovered=True).tolist()) == {1003}  # spoken over
    assert receiver.state == State.DRED


def test_the_next_packets_payload_speaks_the_fade(networks: DecoderNetworks) -> None:
    """While the voice speaks, newer redundancy replaces what would be repeated."""
    first, second = random_payload(9), random_payload(10)
    receiver, voice = receiver_with(networks)
    receiver.payload(STEP, first)
    receiver.speak()
    receiver.hear(good(0, 2))
    receiver.payload(0, second)
    receiver.hear(good(0, 2))
    # Slots 4 and 5 are the second packet's own; slot 6 is not known and is repeated.
    newest = decoded(networks, second)[:4]
    assert spoken(voice)[-2:] == [newest[0].tolist(), attenuated(newest[0], 1).tolist()]


def test_a_payload_in_time_is_the_same_early_late_doubled_or_reordered(
    networks: DecoderNetworks,
) -> None:
    """Two payloads in any order, and again, speak what they speak in order."""
    near, far = random_payload(1), random_payload(2, chunks=12)

    def told(*calls: tuple[int, bytes]) -> list[list[int]]:
        receiver, voice = receiver_with(networks)
        for ahead, data in calls:
            receiver.payload(ahead, data)
        receiver.speak()
        receiver.speak()
        return spoken(voice)

    want = told((2 * STEP, near), (4 * STEP, far))
    assert told((4 * STEP, far), (2 * STEP, near)) == want
    assert told((2 * STEP, near), (4 * STEP, far), (2 * STEP, near), (4 * STEP, far)) == want
    old = random_payload(3)
    assert told((-STEP * 9, old), (2 * STEP, near), (4 * STEP, far), (-STEP * 5, old)) == want


def test_a_late_payload_helps_where_nothing_newer_is_known(networks: DecoderNetworks) -> None:
    receiver, voice = receiver_with(networks)
    late = random_payload(4)
    receiver.payload(-STEP, late)  # its newest slot is the last one played
    receiver.lost()
    newest = decoded(networks, late)[0]
    assert spoken(voice) == [attenuated(newest, 2).tolist()]
    receiver.payload(-2 * STEP, random_payload(5))  # older than what is held
    assert receiver.chunks_wanted == 0


def test_the_finer_of_two_payloads_serves_and_the_other_fills_in(
    networks: DecoderNetworks,
) -> None:
    """The near payload reaches back 1 chunk; what is before it comes from the coarser one."""
    near, far = coarse_payload(1, 4, chunks=1), coarse_payload(2, 9)
    receiver, voice = receiver_with(networks, ReceiverConfig(chunks_a_call=26))
    receiver.payload(4 * STEP, near)  # slots 6 .. 9
    receiver.payload(8 * STEP, far)  # slots down from 17
    for _ in range(10):
        receiver.lost()
    fine, coarse = decoded(networks, near), decoded(networks, far)
    want = [coarse[17 - slot] for slot in range(1, 6)]
    want += [fine[9 - slot] for slot in range(6, 10)] + [coarse[7]]
    assert spoken(voice) == [features.tolist() for features in want]


def test_of_three_payloads_the_middle_one_goes(networks: DecoderNetworks) -> None:
    parts = [coarse_payload(seed, 3, chunks=2) for seed in range(3)]
    receiver, voice = receiver_with(networks, ReceiverConfig(chunks_a_call=26))
    for place, data in zip((2, 6, 10), parts, strict=True):
        receiver.payload(place * STEP, data)
    for _ in range(22):
        receiver.lost()
    known = {
        slot: features
        for place, data in ((2, parts[0]), (10, parts[2]))
        for slot, features in zip(
            range(2 * place + 1, -99, -1), decoded(networks, data), strict=False
        )
    }
    told = spoken(voice)
    for slot, features in known.items():
        if slot >= 1:
            assert told[slot - 1] == features.tolist()
    assert told[8] == attenuated(known[5], 4).tolist()  # slots 6 to 13 were the middle one's
    assert told[9] == attenuated(known[5], 5).tolist()


def test_what_a_payload_lacks_is_held_from_what_was_heard(networks: DecoderNetworks) -> None:
    data = random_payload(7, chunks=1)
    receiver, voice = receiver_with(networks)
    noise = np.random.default_rng(1).integers(-9000, 9000, 8 * FRAME)
    for slot in np.split(noise, 8):
        receiver.good(slot)
    last = heard.features(noise[-heard.SAMPLES :])
    receiver.payload(6 * STEP, data)
    for _ in range(13):
        receiver.lost()
    features = decoded(networks, data)
    (context, _), ahead = voice.begun[0], voice.told[0]
    # The frame before the gap's first is not heard whole: it is the first that is held.
    assert context.tolist() == [*last[-3:].tolist(), last[-1].tolist()]
    assert ahead.tolist() == last[-1].tolist()
    for slot, told in enumerate(spoken(voice), start=1):
        k = 13 - slot
        want = features[k] if k < 4 else attenuated(last[-1], slot + 1)
        assert told == want.tolist()


def test_work_is_spread_and_the_first_call_of_a_gap_is_prepared(
    networks: DecoderNetworks,
) -> None:
    receiver, voice = receiver_with(networks, BY_HAND)
    receiver.good(good(1))
    assert receiver.work(9) == 0  # no gap is expected
    receiver.payload(10 * STEP, random_payload(5))
    wanted = receiver.chunks_wanted
    assert wanted == 7
    assert receiver.work(wanted - 1) == 1
    assert not voice.begun
    assert receiver.work(1) == 1  # all is decoded, the voice is not prepared
    assert receiver.work(1) == 0
    assert len(voice.begun) == 1
    told = len(voice.told)
    receiver.lost()
    assert len(voice.begun) == 1
    assert len(voice.told) == told + 1  # no more than any other call
    receiver.lost()
    assert len(voice.told) == told + 2


def test_a_prepared_voice_is_dropped_where_good_samples_come(networks: DecoderNetworks) -> None:
    receiver, voice = receiver_with(networks)
    receiver.payload(STEP, random_payload(5))
    assert receiver.work(26) == 0
    receiver.good(good(8))
    receiver.lost()
    assert len(voice.begun) == 2
    assert voice.known[-1].tolist() == good(8).tolist()


def test_a_call_decodes_no_more_than_its_share(networks: DecoderNetworks) -> None:
    receiver, voice = receiver_with(networks, ReceiverConfig(chunks_a_call=3))
    data = random_payload(5)
    receiver.payload(20 * STEP, data)
    assert receiver.chunks_wanted == 12
    features = decoded(networks, data)
    for call in range(1, 5):
        receiver.lost()
        assert receiver.chunks_wanted == max((41 - call) // 4 + 1 - 3 * call, 0)
    # Until all is decoded, what was heard is held.
    assert spoken(voice)[0] == attenuated(REST, 2).tolist()
    assert spoken(voice)[3] == features[41 - 4].tolist()


class Counting(Redundancy):
    """Counts the chunks that it decodes."""

    runs = 0

    def chunk(self) -> Ints:
        self.runs += 1
        return super().chunk()


def counted(networks: DecoderNetworks) -> tuple[ReceiverClock, Counting, NotingVoice]:
    """Return a receiver by default, which has heard 100 ms, and what counts its work."""
    decoder, voice = Counting(networks), NotingVoice()
    clock = ReceiverClock(Receiver(decoder, voice))
    for _ in range(5):
        clock.good(good(5, slots=2))
    return clock, decoder, voice


@pytest.mark.parametrize(("packets", "first"), [(1, 2), (3, 2), (12, 2)])
def test_no_call_of_20_ms_decodes_more_than_two_chunks(
    packets: int, first: int, networks: DecoderNetworks
) -> None:
    """Two chunks are all that a single lost packet needs."""
    clock, decoder, _ = counted(networks)
    clock.payload(clock.time + packets * STEP, random_payload(5))
    counts = []
    for _ in range(packets):
        before = decoder.runs
        clock.lost(STEP)
        counts.append(decoder.runs - before)
    assert counts[0] == first
    assert max(counts) == 2
    assert clock.receiver.chunks_wanted == 0
    assert clock.state == State.DRED


@pytest.mark.parametrize("ahead", [None, STEP, 6 * STEP])
def test_the_first_call_of_an_expected_gap_costs_no_more_than_the_next(
    ahead: int | None, networks: DecoderNetworks
) -> None:
    """With a payload and without one: a unit of work does all that the first call has more."""
    clock, decoder, voice = counted(networks)
    if ahead is not None:
        clock.payload(clock.time + ahead, random_payload(5))
    clock.expect_loss()
    clock.work(1)
    assert (decoder.runs, len(voice.begun)) == (0, 1)
    clock.payload(clock.time + 8 * STEP, random_payload(6))  # which comes late
    told = len(voice.told)
    clock.lost(STEP)
    assert len(voice.begun) == 1
    assert len(voice.told) == told + 2
    assert decoder.runs <= 2


def test_work_decodes_first_and_keeps_a_unit_for_the_loss(networks: DecoderNetworks) -> None:
    receiver, voice = receiver_with(networks, BY_HAND)
    receiver.payload(6 * STEP, random_payload(5))
    wanted = receiver.chunks_wanted
    assert wanted == 5
    receiver.expect()
    assert receiver.work(0) == wanted + 1
    assert not voice.begun
    assert 0 < receiver.work(3) < wanted  # the voice has begun: the slots before are of no use
    assert len(voice.begun) == 1
    assert receiver.work(9) == 0
    assert len(voice.begun) == 1


def test_a_loss_that_does_not_come_is_forgotten(networks: DecoderNetworks) -> None:
    receiver, voice = receiver_with(networks, BY_HAND)
    receiver.expect()
    assert receiver.work(1) == 0
    receiver.good(good(8))
    assert receiver.work(1) == 0
    assert len(voice.begun) == 1
    receiver.lost()
    assert len(voice.begun) == 2


def test_a_gap_that_is_told_is_the_only_one_that_is_prepared(networks: DecoderNetworks) -> None:
    receiver, voice = receiver_with(networks, BY_HAND)
    receiver.expect(2)
    receiver.payload(6 * STEP, random_payload(5))
    for slots in (2, 1):
        assert receiver.work(26) == 0  # although a payload lies ahead
        assert not voice.begun, slots
        receiver.good(good(8))
    assert receiver.work(1) == 0
    assert len(voice.begun) == 1
    receiver.good(good(8))  # it was not missing
    assert receiver.work(26) == 0
    assert len(voice.begun) == 1


def test_the_last_gap_that_is_told_counts(networks: DecoderNetworks) -> None:
    receiver, voice = receiver_with(networks, BY_HAND)
    receiver.expect()
    receiver.expect(1)
    assert receiver.work(1) == 0
    assert not voice.begun
    receiver.good(good(8))
    receiver.work(1)
    assert len(voice.begun) == 1


def test_a_bridged_gap_is_prepared_for_the_end_of_its_bridge(networks: DecoderNetworks) -> None:
    receiver, voice = receiver_with(networks, BY_HAND)
    receiver.concealed(good(1))  # so that it knows how gaps are played
    receiver.good(good(1))
    receiver.expect()
    assert receiver.work(1) == 0
    assert len(voice.begun) == 1  # a payload may still come
    for slot in range(WAIT):
        receiver.concealed(good(2))
        assert receiver.state == State.CONCEALED
        if slot == 0:
            receiver.payload(3 * STEP, random_payload(5))
        receiver.expect()
        receiver.work(1)
        assert len(voice.begun) == 1 + (slot == WAIT - 1)
    told = len(voice.told)
    receiver.concealed(good(2))
    assert receiver.state == State.DRED
    assert len(voice.told) == told + 1


def test_after_a_fade_a_bridged_gap_is_prepared_later(networks: DecoderNetworks) -> None:
    receiver, voice = receiver_with(networks, ReceiverConfig(over_ms=0, chunks_a_call=0))
    for _ in range(BRIDGE + 1):
        receiver.concealed(good(1))
    for _ in range(2):
        receiver.good(good(3))
    assert receiver.state == State.FADE
    assert not receiver.speaking
    begun = len(voice.begun)
    receiver.expect()
    assert receiver.work(1) == 0
    assert len(voice.begun) == begun


def test_a_prepared_voice_at_48_khz_is_a_slot_ahead(networks: DecoderNetworks) -> None:
    receiver, voice = receiver_with(networks, rate=48000)
    receiver.payload(5 * STEP, random_payload(5))
    assert receiver.work(26) == 0
    for _ in range(3):
        told = len(voice.told)
        receiver.lost()
        assert len(voice.told) == told + 1
    assert len(voice.begun) == 1


@pytest.mark.parametrize("slots", [0, 3, -3, AHEAD - 1, 1 - AHEAD])
def test_a_moved_clock_keeps_features_at_their_time(slots: int, networks: DecoderNetworks) -> None:
    data = random_payload(5, chunks=4)
    receiver, voice = receiver_with(networks)
    receiver.payload(10 * FRAME, data)  # slots 11 down to -4
    receiver.work(26)
    receiver.move(slots)
    receiver.lost()
    newest = 11 - slots
    features = decoded(networks, data)
    held = {newest - k: row for k, row in enumerate(features) if -BEHIND <= newest - k < AHEAD}
    want = held[1] if 1 in held else attenuated(REST, 2)
    assert voice.told[-1].tolist() == want.tolist()


def test_time_stamps_wrap(networks: DecoderNetworks) -> None:
    assert since(5, (1 << 32) - 5) == 10
    assert since((1 << 32) - 5, 5) == -10
    receiver, voice = receiver_with(networks)
    clock = ReceiverClock(receiver)
    clock.set_time((1 << 32) - STEP)
    data = random_payload(6)
    clock.payload(STEP, data)
    clock.lost(2 * STEP)
    assert clock.time == STEP
    features = decoded(networks, data)
    assert spoken(voice) == [features[5 - slot].tolist() for slot in range(1, 5)]


def test_a_jump_of_the_clock_forgets(networks: DecoderNetworks) -> None:
    receiver, voice = receiver_with(networks)
    clock = ReceiverClock(receiver)
    clock.payload(STEP, random_payload(6))
    clock.set_time(16000 * 3)
    assert receiver.chunks_wanted == 0
    clock.lost(FRAME)
    assert spoken(voice)[0] == REST.tolist()


def test_what_no_receiver_does_is_refused(networks: DecoderNetworks) -> None:
    for values in ((15, 15, 4), (70, 15, 4), (-10, 15, 4), (20, 0, 4), (20, 41, 4), (20, 15, 27)):
        with pytest.raises(InputError, match="want over_ms 0, 10"):
            ReceiverConfig(*values)
    with pytest.raises(InputError, match="16000 or 48000"):
        receiver_with(networks, rate=8000)
    clock = ReceiverClock(receiver_with(networks)[0])
    for samples in (0, 80, 161, 13 * FRAME):
        with pytest.raises(InputError, match="120 ms"):
            clock.lost(samples)


def test_48_khz_passes_through_and_joins_without_a_shift(networks: DecoderNetworks) -> None:
    """A voice that goes on with the same wave is inaudible: no delay, no step, no gain."""
    receiver, _ = receiver_with(networks, rate=48000)
    wave = np.rint(9000 * np.sin(2 * np.pi * 700 * np.arange(24 * 480) / 48000)).astype(np.int64)

    class Continuing(NotingVoice):
        """Says the wave at 16 kHz from the place where it begins."""

        def begin(self, context: Ints, past: Ints) -> None:
            self.at = 8 * FRAME - FRAME * self.KNOWN_FRAMES

        def frame(self, ahead: Ints, known: Ints | None) -> Ints:
            said = wave[::3][self.at : self.at + FRAME]
            self.at += FRAME
            if known is not None:
                assert np.abs(known - said).max() <= 40  # .04 dB
            return said

    receiver = Receiver(Redundancy(networks), Continuing(), None, 48000)
    parts = wave.reshape(-1, 480)
    played = []
    for slot, part in enumerate(parts):
        if slot == 8:
            receiver.payload(4 * FRAME, random_payload(3))
        played.append(receiver.lost() if 8 <= slot < 12 else receiver.good(part))
    assert np.array_equal(np.concatenate(played[:8]), np.concatenate(parts[:8]))
    assert np.array_equal(np.concatenate(played[16:]), np.concatenate(parts[16:]))
    assert not np.array_equal(played[8], parts[8])
    assert np.abs(np.concatenate(played) - wave).max() <= 40


def test_the_base_codec_plays_the_first_120_ms_of_a_gap_without_a_payload(
    networks: DecoderNetworks,
) -> None:
    receiver, voice = receiver_with(networks)
    receiver.good(good(3000))
    played = [receiver.concealed(good(500 + i)) for i in range(12)]
    assert [set(part.tolist()) for part in played] == [{500 + i} for i in range(12)]
    assert (receiver.state, receiver.speaking, voice.told) == (State.CONCEALED, False, [])
    receiver.concealed(good(512))
    assert (receiver.state, receiver.speaking) == (State.PLC, True)
    assert set(voice.known[-1].tolist()) == {511}  # the voice continues what was played


def test_good_samples_follow_the_base_codecs_concealment_as_they_are(
    networks: DecoderNetworks,
) -> None:
    receiver, voice = receiver_with(networks)
    for _ in range(3):  # each gap has its own 120 ms
        for _ in range(12):
            receiver.concealed(good(500))
        assert set(receiver.good(good(-3000)).tolist()) == {-3000}
    assert (receiver.state, voice.told) == (State.NORMAL, [])


def test_what_the_base_codec_makes_later_is_added_to_the_voice(networks: DecoderNetworks) -> None:
    receiver, voice = receiver_with(networks)
    receiver.good(good(3000))
    for _ in range(12):
        receiver.concealed(good(500))
    first, second = (receiver.concealed(good(320)) for _ in range(2))
    spoken = len(voice.told) - 1
    assert (first - first[0]).tolist() == [2 * i for i in range(FRAME)]  # fades in: 1, 3, 5 ..
    assert set((second - receiver.lost()).tolist()) == {320 - 1}  # the voice counts its frames
    assert len(voice.told) == spoken + 2


def test_what_the_base_codec_makes_fades_out_where_a_payload_covers(
    networks: DecoderNetworks,
) -> None:
    receiver, _ = receiver_with(networks, ReceiverConfig(chunks_a_call=1))
    for _ in range(13):
        receiver.concealed(good(500))
    receiver.payload(STEP, random_payload(9))
    receiver.work(30)
    before = receiver.concealed(good(320))
    after = receiver.concealed(good(320))
    assert receiver.state == State.DRED
    assert (before - before[-1]).tolist() == [2 * i for i in range(FRAME)][::-1]
    assert len(set(after.tolist())) == 1


def test_a_payload_goes_before_the_base_codecs_concealment(networks: DecoderNetworks) -> None:
    config = ReceiverConfig(chunks_a_call=1)
    for decode in (False, True):  # chunks that wait to be decoded count as well
        receiver, _ = receiver_with(networks, config)
        receiver.payload(STEP, random_payload(9))
        if decode:
            receiver.work(30)
        for _ in range(2):
            receiver.concealed(good(500))
            assert receiver.state == State.DRED


def test_a_voice_that_speaks_goes_on_in_a_gap_without_a_payload(networks: DecoderNetworks) -> None:
    receiver, _ = receiver_with(networks)
    receiver.lost()
    receiver.concealed(good(500))
    assert receiver.state == State.PLC
