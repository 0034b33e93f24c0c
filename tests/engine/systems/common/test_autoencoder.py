from __future__ import annotations

import pytest
import torch

from engine.systems.common.autoencoder import EVEN, ROWS, SIZE, Coder, coder_loss
from engine.systems.common.draws import Draws


def test_a_place_of_the_code_is_eight_pitches_and_a_beat() -> None:
    coder = Coder(16, 4)
    code = coder.encode(torch.zeros(3, 2, 88, 32))
    assert code.shape == (3, 4, ROWS, 4)
    assert coder.decode(code).shape == (3, 2, 88, 32)


def test_each_place_is_decoded_where_it_was_encoded() -> None:
    """With a decoder that only copies: cell (plane, pitch, column) of a place is its number."""
    coder = Coder(16, 2 * SIZE * SIZE)
    coder.decoder = torch.nn.Sequential()
    image = (torch.rand(1, 2, 88, 24, generator=torch.Generator().manual_seed(0)) < 0.3).float()
    places = image.unfold(2, SIZE, SIZE).unfold(3, SIZE, SIZE)  # [B, 2, R, T, 8, 8]
    code = places.permute(0, 1, 4, 5, 2, 3).flatten(1, 3)
    assert torch.equal(coder.decode(code), image)


def test_it_learns_to_say_a_chord_back() -> None:
    torch.manual_seed(0)
    coder = Coder(32, 4)
    image = torch.zeros(2, 2, 88, 8)
    image[0, 0, [39, 43, 46], 0] = 1.0
    image[0, 1, [39, 43, 46], 1:] = 1.0
    optimizer = torch.optim.Adam(coder.parameters(), lr=3e-3)
    for _ in range(150):
        loss = coder_loss(coder, image, Draws(torch.Generator().manual_seed(1))).value
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert torch.equal((coder.decode(coder.encode(image)) > 0).float(), image)


def test_codes_are_standard_numbers_over_the_music_it_learned_from() -> None:
    torch.manual_seed(0)
    coder, generator = Coder(16, 4), torch.Generator().manual_seed(0)
    images = (torch.rand(8, 2, 88, 32, generator=generator) < 0.05).float()
    with torch.no_grad():
        for _ in range(400):
            coder_loss(coder, images, Draws(generator))
        codes = coder.encode(images)
    assert codes.mean((0, 2, 3)).tolist() == pytest.approx([0.0] * 4, abs=0.01)
    assert codes.std((0, 2, 3)).tolist() == pytest.approx([1.0] * 4, abs=0.01)


def test_a_cell_that_sounds_every_other_time_is_decoded_as_even() -> None:
    torch.manual_seed(0)
    coder = Coder(16, 4)
    images = torch.zeros(2, 2, 88, 8)
    images[1, 0, ::SIZE, 0] = 1.0
    # Nothing of the image gets into the code, so the decoder has to guess.
    coder.encoder = torch.nn.Sequential(torch.nn.Conv2d(16, 4, 1), torch.nn.Threshold(1e9, 0.5))
    optimizer = torch.optim.Adam(coder.decoder.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(1)
    for _ in range(200):
        loss = coder_loss(coder, images, Draws(generator)).value
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    chance = coder.decode(coder.encode(images))[0, 0, 40, 0].sigmoid().detach()
    assert chance.item() == pytest.approx(EVEN, abs=0.03)
