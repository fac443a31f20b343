"""Effects and boards in a notebook."""

from __future__ import annotations

import pedalboard
import pytest

from uncodec import (
    ArtefactRepair,
    Board,
    DiffusionRestorer,
    GANRestorer,
    MakeupGain,
    PhaseAligner,
    StereoRepair,
    TransientRepair,
)


@pytest.mark.parametrize(
    "effect",
    [
        ArtefactRepair(),
        DiffusionRestorer(steps=3),
        GANRestorer(amount=0.25, seed=7),
        MakeupGain(),
        PhaseAligner(),
        StereoRepair(),
        TransientRepair(),
    ],
    ids=lambda effect: type(effect).__name__,
)
def test_an_effect_shows_its_name_and_every_parameter(effect):
    html = effect._repr_html_()
    assert f"<strong>{type(effect).__name__}</strong>" in html
    for name, value in effect._parameters().items():
        assert f">{name}</th>" in html
        assert f">{value!r}</td>".replace("'", "&#x27;") in html
    assert (type(effect).__doc__ or "").partition("\n")[0].split()[0] in html


def test_a_change_and_a_layout_are_shown_and_hostile_names_are_text():
    effect = GANRestorer(model="</td><script>x</script>")
    effect.amount = 0.5
    effect.channel_layout = "5.1"
    html = effect._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert ">0.5</td>" in html
    assert ">channel_layout</th>" in html


def test_a_board_lists_its_plugins_in_their_order():
    html = Board([pedalboard.Gain(3.0), Board([GANRestorer()]), PhaseAligner()])._repr_html_()
    assert html.index("Gain") < html.index("GANRestorer") < html.index("PhaseAligner")
    assert html.count("<li>") == 4
    assert "<pedalboard" not in html
