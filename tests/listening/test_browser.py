"""The page in Debian's Chromium, opened from a disk."""

from __future__ import annotations

import csv
import io
import json
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import binomtest
from tests.listening.pages import HOSTILE, RATE, clip

from uncodec.listening import Page, Table

pytestmark = pytest.mark.browser

LEAD = 512  # samples from a wish to its effect, see player.js
EDGE = round(0.005 * RATE)
# Chromium's decoder divides positive samples by 32767 and negative ones by 32768. A sample too much
# or too little would be thousands of times larger: the sounds are noise.
SAME = 4e-5

# Runs the player itself against the clock of an offline context: [frame, script] at a time.
RENDER = """
const [events, frames, done] = arguments;
const packed = uncodec.state.packed;
const rate = packed.buffer.sampleRate;
const context = new OfflineAudioContext(packed.channels, frames, rate);
const player = new uncodec.Player(context, packed);
events.forEach(([frame, script]) => {
  const act = () => actions[script[0]](...script.slice(1));
  const actions = {
    mix: (mix) => player.setMix(mix), fade: (fade) => { player.fade = fade; },
    play: () => player.play(), pause: () => player.pause(), seek: (to) => player.seek(to),
    loop: (...loop) => player.setLoop(...loop),
  };
  if (frame === 0) act();
  else context.suspend(frame / rate).then(() => { act(); context.resume(); });
});
const samples = (buffer) => (_, channel) => Array.from(buffer.getChannelData(channel));
context.startRendering().then((buffer) => done(
  Array.from({ length: packed.channels }, samples(buffer))));
"""


def rendered(driver, events, frames):
    return np.array(driver.execute_async_script(RENDER, events, frames), np.float32)


def test_every_version_plays_as_it_is_to_the_sample(open_page):
    wanted = clip()
    driver = open_page(Page("t", [wanted]))
    for index, each in enumerate(wanted.versions):
        mix = [float(index == other) for other in range(4)]
        out = rendered(
            driver,
            [[0, ["fade", 0]], [0, ["mix", mix]], [0, ["loop", False, 0, 1]], [0, ["play"]]],
            40000,
        )
        begun = LEAD + EDGE + 1
        assert np.abs(out[:, begun:] - each.audio[:, begun - LEAD : 40000 - LEAD]).max() < SAME
        assert not out[:, :LEAD].any()


@pytest.mark.parametrize("fade", [0.0, 0.005])
def test_switching_has_no_gap_and_no_repeat(open_page, fade):
    wanted = clip()
    driver = open_page(Page("t", [wanted]))
    switches = [(12800, 1), (19200, 2), (19328, 0), (25600, 2)]
    events = [
        [0, ["fade", 0]],
        [0, ["mix", [1, 0, 0, 0]]],
        [0, ["loop", False, 0, 1]],
        [0, ["play"]],
        [0, ["fade", fade]],
    ]
    for frame, version in switches:
        events.append([frame, ["mix", [float(version == other) for other in range(4)]]])
    out = rendered(driver, events, 40000)
    # The gain of each version, sample by sample: the sum of versions under them must be heard.
    gains = np.zeros((4, 40000))
    gains[0, :] = 1.0
    for frame, version in switches:
        at = frame + LEAD
        share = np.ones(40000 - at)
        if fade:
            # A ramp begins half a sample before its first sample.
            share = np.clip((np.arange(40000 - at) + 0.5) / (fade * RATE), 0, 1)
        target = (np.arange(4) == version).astype(float)[:, None]
        before = gains[:, at][:, None]
        if fade:
            slope = gains[:, at] - gains[:, at - 1]
            before = (gains[:, at] - 0.5 * slope)[:, None]
        gains[:, at:] = before * (1 - share) + target * share
    sounds = np.stack([each.audio for each in wanted.versions])
    expected = np.einsum("vn,vcn->cn", gains[:, LEAD:], sounds[:, :, : 40000 - LEAD])
    begun = EDGE + 1
    assert np.abs(out[:, LEAD + begun :] - expected[:, begun:]).max() < SAME
    assert np.allclose(gains.sum(axis=0), 1.0)


def test_the_sum_of_versions_is_their_sum(open_page):
    wanted = clip()
    driver = open_page(Page("t", [wanted]))
    events = [
        [0, ["fade", 0]],
        [0, ["mix", [1, 1, 1, -1]]],
        [0, ["loop", False, 0, 1]],
        [0, ["play"]],
    ]
    out = rendered(driver, events, 30000)
    a, b, c, d = (each.audio.astype(np.float64) for each in wanted.versions)
    begun = LEAD + EDGE + 1
    assert np.abs(out[:, begun:] - (a + b + c - d)[:, begun - LEAD : 30000 - LEAD]).max() < SAME


def test_a_loop_repeats_to_the_sample_and_a_new_loop_goes_on_where_it_was(open_page):
    wanted = clip()
    driver = open_page(Page("t", [wanted]))
    audio = wanted.versions[0].audio
    start, end = 4410, 13230
    events = [
        [0, ["fade", 0]],
        [0, ["mix", [1, 0, 0, 0]]],
        [0, ["loop", True, start / RATE, end / RATE]],
        [0, ["play"]],
    ]
    events.append([25600, ["loop", True, start / RATE, 30000 / RATE]])
    out = rendered(driver, events, 45000)
    places = start + (np.arange(45000 - LEAD)) % (end - start)
    at = 25600
    # From there on without the old end.
    places[at:] = places[at] + np.arange(len(places) - at)
    begun = EDGE + 1
    wrapped = places >= 30000
    places[wrapped] = start + (places[wrapped] - 30000) % (30000 - start)
    assert np.abs(out[:, LEAD + begun :] - audio[:, places[begun:]]).max() < SAME


def test_seeking_and_pausing_fade_and_go_on(open_page):
    wanted = clip()
    driver = open_page(Page("t", [wanted]))
    audio = wanted.versions[0].audio
    events = [
        [0, ["fade", 0]],
        [0, ["mix", [1, 0, 0, 0]]],
        [0, ["loop", False, 0, 1]],
        [0, ["play"]],
    ]
    events += [[6400, ["seek", 0.5]], [12800, ["pause"]], [19200, ["play"]]]
    out = rendered(driver, events, 30000)
    sought = round(0.5 * RATE)
    after = 6400 + LEAD + EDGE + 1
    assert (
        np.abs(out[:, after : 12800 + LEAD] - audio[:, sought + EDGE + 1 : sought + 6400]).max()
        < SAME
    )
    assert not out[:, 12800 + LEAD + EDGE + 2 : 19200 + LEAD].any()
    again = 19200 + LEAD + EDGE + 1
    resumed = sought + 6400
    rest = audio[:, resumed + EDGE + 1 : resumed + 30000 - 19200 - LEAD]
    assert np.abs(out[:, again:] - rest).max() < SAME


def test_playing_in_real_time_keeps_to_the_clock(open_page):
    driver = open_page()
    driver.execute_script("document.getElementById('play').click()")
    told = driver.execute_async_script(
        """const done = arguments[0];
        setTimeout(() => {
          const { context, player } = uncodec.state;
          document.querySelectorAll('#versions button')[2].click();
          const before = player.position();
          setTimeout(() => done([context.state, before, player.position(), player.run.begun,
            context.currentTime, player.mix.indexOf(Math.max(...player.mix)),
            player.playing]), 300);
        }, 200);"""
    )
    state, before, after, begun, now, version, playing = told
    assert (state, version, playing) == ("running", 2, True)
    assert after == pytest.approx((now - begun) % 1.2, abs=1e-6)
    assert before != after


def test_matched_loudness_and_differences_are_gains(open_page):
    driver = open_page()
    mix = lambda: driver.execute_script("return uncodec.state.player.mix")  # noqa: E731
    driver.execute_script("document.getElementById('play').click()")
    click = lambda name: driver.execute_script(f"document.getElementById('{name}').click()")  # noqa: E731
    driver.execute_script("document.querySelectorAll('#versions button')[1].click()")
    # Its level is twice that of the original, the quietest.
    assert mix() == pytest.approx([0, 0.5, 0, 0], abs=0.01)
    click("match")
    assert mix() == [0, 1, 0, 0]
    driver.execute_script("document.querySelectorAll('#versions button')[2].click()")
    click("delta")
    assert mix() == [0, -1, 1, 0]


def press(driver, *keys):
    from selenium.webdriver.common.action_chains import ActionChains

    for key in keys:
        ActionChains(driver).send_keys(key).perform()


def test_keys_play_choose_seek_and_switch_what_is_matched(open_page):
    from selenium.webdriver.common.keys import Keys

    driver = open_page()
    state = (
        "const { player, current } = uncodec.state;"
        "return [player.playing, current, document.getElementById('match').checked]"
    )
    press(driver, " ")
    press(driver, "3")
    assert driver.execute_script(state) == [True, 2, True]
    press(driver, Keys.ARROW_DOWN, "m", " ")
    assert driver.execute_script(state) == [False, 0, False]
    place = "return uncodec.state.player.position()"
    driver.execute_script("uncodec.state.player.seek(0)")
    press(driver, Keys.ARROW_RIGHT)
    assert driver.execute_script(place) == pytest.approx(1.0)
    press(driver, Keys.ARROW_LEFT)
    assert driver.execute_script(place) == 0.0
    # Where somebody types a number it is a number.
    driver.find_element("id", "loop-start").send_keys("2")
    assert driver.execute_script("return uncodec.state.current") == 0


def test_dragging_over_the_picture_sets_the_loop_and_a_click_goes_there(open_page):
    from selenium.webdriver.common.action_chains import ActionChains

    driver = open_page()
    place = driver.find_element("id", "overlay")
    width = place.size["width"]
    drag = ActionChains(driver).move_to_element_with_offset(place, -width // 4, 0).click_and_hold()
    drag.move_by_offset(width // 2, 5).release().perform()
    edges = driver.execute_script("return uncodec.state.picture.loop")
    assert edges == pytest.approx([0.3, 0.9], abs=0.02)
    assert float(driver.find_element("id", "loop-start").get_property("value")) == pytest.approx(
        edges[0]
    )
    ActionChains(driver).move_to_element_with_offset(place, 0, 0).click().perform()
    assert driver.execute_script("return uncodec.state.player.position()") == pytest.approx(
        0.6, abs=0.02
    )


def test_the_picture_is_drawn_from_the_levels(open_page):
    wanted = clip()
    driver = open_page(Page("t", [wanted]))
    levels = driver.execute_script(
        "const { clip, picture } = uncodec.state; const s = clip.spectrogram;"
        "return [Array.from(picture.cells[1]), s.columns, s.bins, s.floor_db, s.step_db];"
    )
    cells, columns, bins, floor, step = levels
    shown = floor + step * np.array(cells, float).reshape(columns, bins).T
    expected = wanted.versions[1].levels
    near = expected > floor
    assert np.abs(shown - expected)[near].max() <= step / 2 + 1e-4
    drawn = (
        "const c = document.getElementById('cells'); "
        "return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
        ".filter((_, i) => i % 997 === 0)"
    )
    before = driver.execute_script(drawn)
    assert len(set(before)) > 20
    driver.execute_script(
        "const s = document.getElementById('compared'); s.value = '1';"
        "s.dispatchEvent(new Event('change'));"
    )
    assert driver.execute_script(drawn) != before
    assert driver.find_element("id", "legend-high").text == "+40 dB"
    driver.execute_script("document.getElementById('zoom-in').click()")
    assert driver.execute_script(
        "return uncodec.state.picture.to - uncodec.state.picture.from"
    ) == pytest.approx(0.6)


def open_abx(driver, trials):
    driver.find_element("id", "tab-abx").click()
    count = driver.find_element("id", "abx-count")
    assert count.get_property("value") == "20"
    count.clear()
    count.send_keys(str(trials))
    driver.find_element("id", "abx-start").click()


def test_a_blind_test_of_ten_trials_from_start_to_result(open_page):
    wanted = clip()
    driver = open_page(Page("Ten trials", [wanted]))
    open_abx(driver, 10)
    votes = []
    for number in range(10):
        assert driver.find_element("id", "abx-progress").text == f"Trial {number + 1} of 10"
        for letter in "axb":
            driver.find_element("id", f"abx-play-{letter}").click()
        # Nothing on the page may tell: no score, no name, no picture, no way to another version.
        visible = driver.find_element("tag name", "main").text
        assert "correct" not in visible
        assert "live-gan" not in visible
        assert driver.execute_script("return uncodec.state.picture.wanted.blind")
        assert not driver.find_element("id", "tab-listen").is_enabled()
        if number == 4:
            driver.find_element("id", "abx-undo").click()
            assert driver.find_element("id", "abx-progress").text == "Trial 4 of 10"
            driver.find_element("id", "abx-vote-b").click()
            votes[-1] = "B"
        votes.append("AB"[number % 2])
        driver.find_element("id", f"abx-vote-{votes[-1].lower()}").click()
    text, table = driver.execute_script(
        "return [uncodec.state.abx.toText(), uncodec.state.abx.toCsv()]"
    )
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["vote"] for row in rows] == votes
    correct = sum(row["x"] == row["vote"] for row in rows)
    assert [int(row["correct"]) for row in rows] == [int(row["x"] == row["vote"]) for row in rows]
    p = binomtest(correct, 10, 0.5, alternative="greater").pvalue
    assert driver.find_element("id", "abx-verdict").text.startswith(
        f"{correct} of 10 correct, p = "
    )
    said = float(driver.find_element("id", "abx-verdict").text.split("p = ")[1].split(". That")[0])
    assert said == pytest.approx(p, rel=5e-3)
    assert driver.find_element("id", "abx-text").get_property("textContent") == text
    data = json.loads(driver.execute_script("return document.getElementById('data').textContent"))
    hashes = [each["sha256"] for each in data["clips"][0]["versions"]]
    assert {(row["a_name"], row["a_sha256"]) for row in rows} == {("Original", hashes[0])}
    assert {(row["b_name"], row["b_sha256"]) for row in rows} == {("live-gan", hashes[2])}
    assert all(hashed in text for hashed in (hashes[0], hashes[2]))
    first = rows[0]
    assert (first["loudness_matched"], first["crossfade_ms"], first["votes_undone"]) == (
        "yes",
        "5",
        "1",
    )
    assert float(first["b_gain_db"]) == data["clips"][0]["versions"][2]["match_db"] < 0
    assert all(float(row["seconds"]) > 0 for row in rows)
    assert driver.find_element("id", "abx-save-csv").get_attribute("href").startswith("blob:")
    assert driver.find_element("id", "tab-listen").is_enabled()


def test_a_blind_test_by_keys_alone(open_page):
    driver = open_page()
    open_abx(driver, 3)
    driver.execute_script("document.activeElement.blur()")
    press(driver, "x")
    x = driver.execute_script("return uncodec.state.abx.x")
    sounds = driver.execute_script("return uncodec.state.current")
    assert sounds == {"A": 0, "B": 2}[x]
    press(driver, "1")
    assert driver.execute_script("return uncodec.state.current") == sounds
    press(driver, "A", "B", "u", "B", "A")
    assert driver.find_element("id", "abx-verdict").is_displayed()


def test_x_is_drawn_anew_and_evenly_and_the_binomial_test_is_exact(open_page):
    driver = open_page()
    drawn = driver.execute_script(
        "const out = []; const t = new uncodec.Abx({}, {}, 4000, {}, () => 0);"
        "for (let i = 0; i < 4000; i += 1) { out.push(t.x); t.vote('A', [0, 1]); }"
        "return out.join('')"
    )
    assert 1800 < drawn.count("A") < 2200
    changes = sum(one != other for one, other in pairwise(drawn))
    assert 1800 < changes < 2200
    for correct, count in [(0, 1), (10, 10), (7, 10), (15, 20), (16, 20), (120, 200), (0, 200)]:
        chance = driver.execute_script(f"return uncodec.chance({correct}, {count})")
        assert chance == pytest.approx(
            binomtest(correct, count, 0.5, alternative="greater").pvalue, rel=1e-9
        )


def test_a_rating_has_a_hidden_reference_and_an_anchor(open_page):
    driver = open_page()
    driver.find_element("id", "tab-rating").click()
    driver.find_element("id", "rating-start").click()
    rows = driver.find_elements("class name", "rated")
    assert len(rows) == 4
    assert "live-gan" not in driver.find_element("tag name", "main").text
    driver.find_element("id", "rating-finish").click()
    assert driver.find_element("id", "problem").text == "Not rated yet: A, B, C, D"
    roles = driver.execute_script(
        "return uncodec.state.rating.entries.map((entry) => entry.sound.role)"
    )
    assert sorted(roles) == ["anchor", "coded", "original", "restored"]
    scores = {"original": 85, "restored": 80, "coded": 40, "anchor": 10}
    for row, role in zip(rows, roles, strict=True):
        row.find_element("tag name", "button").click()
        driver.execute_script(
            "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))",
            row.find_element("tag name", "input"),
            str(scores[role]),
        )
    driver.find_element("id", "rating-finish").click()
    assert "below 90" in driver.find_element("id", "rating-verdict").text
    table = list(
        csv.DictReader(io.StringIO(driver.execute_script("return uncodec.state.rating.toCsv()")))
    )
    assert [(row["role"], int(row["score"])) for row in table] == list(scores.items())
    assert table[3]["name"] == "Anchor, 3.5 kHz"


def test_hostile_names_are_text_and_no_script_of_theirs_runs(open_page):
    names = [HOSTILE, "=cmd()", "<svg onload=window.hit=3>", "anchor"]
    table = Table(HOSTILE, [HOSTILE], [[HOSTILE]], [True], HOSTILE)
    driver = open_page(Page(HOSTILE, [clip(HOSTILE, names=names)], [table], [HOSTILE]))
    assert driver.find_element("id", "title").text == HOSTILE
    assert driver.find_elements("css selector", "#versions button span")[0].text == HOSTILE
    driver.find_element("id", "tab-help").click()
    assert HOSTILE in driver.find_element("id", "facts").text
    open_abx(driver, 1)
    driver.find_element("id", "abx-vote-a").click()
    table = list(csv.reader(io.StringIO(driver.execute_script("return uncodec.state.abx.toCsv()"))))
    assert HOSTILE in table[1]
    rating = driver.execute_script(
        "return new uncodec.Rating(uncodec.state.clip.versions.map((v, i) => "
        "({name: v.name, role: v.role, sha256: '', gainDb: 0})), {clip: '', title: ''}).toCsv()"
    )
    # A spreadsheet must not take a name for a formula.
    assert any("'=cmd()" in row for row in csv.reader(io.StringIO(rating)))
    assert driver.execute_script("return window.hit === undefined && document.images.length === 0")


def test_a_script_that_is_not_the_pages_own_does_not_run(open_page, browser):
    driver = open_page()
    driver.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.hit = 1';"
        "document.body.append(s);"
    )
    assert driver.execute_script("return window.hit === undefined")
    assert "Content Security Policy" in driver.get_log("browser")[0]["message"]


def test_sounds_beside_the_page_are_played_too(open_page, tmp_path):
    wanted = [clip("First"), clip("Second <b>")]
    driver = open_page(Page("t", wanted), embedded_mb=0.01)
    assert (tmp_path / "sounds/sound-2-1.js").exists()
    out = rendered(
        driver,
        [[0, ["fade", 0]], [0, ["mix", [1, 0, 0, 0]]], [0, ["loop", False, 0, 1]], [0, ["play"]]],
        5000,
    )
    begun = LEAD + EDGE + 1
    audio = wanted[0].versions[0].audio[:, begun - LEAD : 5000 - LEAD]
    assert np.abs(out[:, begun:] - audio).max() < SAME
    driver.execute_async_script(
        "const done = arguments[0]; const s = document.getElementById('clip'); s.value = '1';"
        "s.dispatchEvent(new Event('change'));"
        "const loading = () => document.getElementById('play').disabled;"
        "const wait = () => loading() ? setTimeout(wait, 20) : done(); wait();"
    )
    assert driver.execute_script("return uncodec.state.clip.name") == "Second <b>"


def test_without_web_audio_there_are_plain_players(open_page, browser):
    script = {
        "source": "for (const n of ['AudioContext', 'webkitAudioContext', 'OfflineAudioContext'])"
        " delete window[n];"
    }
    added = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)
    try:
        driver = open_page()
        assert "no Web Audio" in driver.find_element("id", "problem").text
        lengths = driver.execute_async_script(
            "const done = arguments[0]; const players = [...document.querySelectorAll('audio')];"
            "const length = (p) => new Promise((told) => {"
            " p.onloadedmetadata = () => told(p.duration); p.load(); });"
            "Promise.all(players.map(length)).then(done);"
        )
        assert lengths == pytest.approx([1.2, 1.2, 1.2], abs=0.01)
        assert not driver.find_element("id", "transport").is_displayed()
        assert not driver.find_element("id", "tab-abx").is_displayed()
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def test_without_an_original_there_is_no_rating_but_a_difference(open_page):
    driver = open_page(Page("t", [clip(with_original=False)]))
    assert not driver.find_element("id", "tab-rating").is_displayed()
    driver.execute_script("document.getElementById('play').click()")
    driver.execute_script("document.querySelectorAll('#versions button')[1].click()")
    driver.find_element("id", "delta").click()
    assert driver.execute_script("return uncodec.state.player.mix") == [-1, 1]


def test_mono_is_played(open_page):
    driver = open_page(Page("t", [clip(channels=1)]))
    assert driver.execute_script("return uncodec.state.packed.channels") == 1


@pytest.mark.parametrize("width", [1200, 390])
def test_it_is_as_wide_as_the_window_and_everything_has_a_name(open_page, width):
    driver = open_page(Page("A long title " * 6, [clip("A clip with a long name " * 5)]))
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 2, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        for tab in ("listen", "abx", "rating", "tables", "help"):
            driver.execute_script(f"document.getElementById('tab-{tab}').click()")
            # Nothing is wider than the window, less its scroll bar.
            beyond, inner = driver.execute_script(
                "const e = document.documentElement;"
                "return [e.scrollWidth - e.clientWidth, e.clientWidth]"
            )
            assert beyond == 0
            assert width - 20 <= inner <= width
        nameless = driver.execute_script(
            "const named = (e) => e.textContent.trim() || e.getAttribute('aria-label') ||"
            " (e.labels && e.labels.length);"
            "return [...document.querySelectorAll('button, select, input, a')]"
            ".filter((e) => !e.hidden && !named(e)).map((e) => e.outerHTML)"
        )
        assert nameless == []
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
