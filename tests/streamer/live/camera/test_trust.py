"""When a damaged live stream is trusted again."""

from __future__ import annotations

from streamer.live.camera.trust import LiveDamage


def verdicts(keys: set[int], damaged: set[int], count: int, key_frames: set[int] | None = None) -> str:
    """One letter per picture: t trusted, - not. `keys` are key packets, `key_frames` what the decoder flags."""
    damage, out = LiveDamage(), ""
    for n in range(count):
        damage.packet(n, n in keys, n in damaged)
        out += "t" if damage.is_trusted(n, n in (keys if key_frames is None else key_frames), False) else "-"
    return out


def test_until_the_next_key_frame() -> None:
    assert verdicts({0, 5, 10}, {2}, 12) == "tt---ttttttt"


def test_nothing_before_the_first_key_frame() -> None:
    assert verdicts({3}, set(), 6) == "---ttt"


def test_the_packet_after_a_loss_may_be_damaged_too() -> None:
    assert verdicts({0, 5, 10}, {4}, 12) == "tttt------tt"
    assert verdicts({0, 5, 10}, {5}, 12) == "ttttt-----tt"


def test_intra_refresh_restores_trust_after_a_full_round() -> None:
    assert verdicts({0, 4, 8, 12}, {5}, 14, key_frames={0}) == "ttttt-------tt"
    assert verdicts({0, 4, 8, 12}, {5, 9}, 14, key_frames={0}) == "ttttt---------"


def test_a_corrupt_frame_is_damage_too() -> None:
    damage, out = LiveDamage(), ""
    for n in range(8):
        damage.packet(n, n in (0, 6), False)
        out += "t" if damage.is_trusted(n, n in (0, 6), n == 2) else "-"
    assert out == "tt----tt"
    assert damage.losses == 1


def test_a_decoder_error_is_damage_too() -> None:
    damage = LiveDamage()
    damage.packet(0, True, False)
    assert damage.is_trusted(0, True, False)
    damage.packet(1, False, False)
    damage.decode_failed(1)
    damage.packet(2, False, False)
    assert not damage.is_trusted(2, False, False)


def test_intra_only_streams_are_trusted_again_after_a_while() -> None:
    damage, out = LiveDamage(patience=3), ""
    for n in range(12):
        damage.packet(n, True, n == 4)
        out += "t" if damage.is_trusted(n, True, False) else "-"
    assert out == "tttt-----ttt"
