// The buttons of the blind tests, which `abx.js` keeps count of.
(function (uncodec) {
  "use strict";

  // `page` is what the page does: who plays, what is shown. Gives back what its keys ask for.
  uncodec.blindTests = function (page) {
    const { $, state, make, complain, choose, toggle, player, loopEdges, matchGain, blindPicture, currentTab } = page;

    function sound(index) {
      const version = state.clip.versions[index];
      return { name: version.name, role: version.role, sha256: version.sha256, gainDb: matchGain(index), version: index };
    }

    function setting() {
      return { title: state.data.title, clip: state.clip.name, matched: $("match").checked,
        crossfadeMs: Number($("fade").value) };
    }

    // While a test runs, nothing may be changed or seen that would tell what plays.
    function lock(blind) {
      state.blind = blind;
      for (const id of ["match", "fade", "clip"]) $(id).disabled = Boolean(blind);
      document.querySelectorAll("nav button").forEach((tab) => {
        tab.disabled = Boolean(blind) && tab.id !== "tab-" + blind;
      });
      document.dispatchEvent(new CustomEvent("blind", { detail: blind }));
      choose(state.current);
      blindPicture(Boolean(blind) || currentTab() === "abx" || currentTab() === "rating");
    }

    function press(buttons, pressed) {
      buttons.forEach((button) => button.setAttribute("aria-pressed", String(button === pressed)));
    }

    function saveLink(link, text, type) {
      if (link.href.startsWith("blob:")) URL.revokeObjectURL(link.href);
      link.href = URL.createObjectURL(new Blob([text], { type: type + ";charset=utf-8" }));
    }

    const abxButtons = ["a", "x", "b"].map((letter) => $("abx-play-" + letter));

    function abxStart() {
      const [a, b] = [Number($("abx-a").value), Number($("abx-b").value)];
      if (a === b) {
        complain("A and B must be two versions.");
        return;
      }
      if (!player()) return;
      $("problem").hidden = true;
      const count = Math.min(200, Math.max(1, Math.round(Number($("abx-count").value)) || 20));
      state.abx = new uncodec.Abx(sound(a), sound(b), count, setting());
      $("abx-setup").hidden = true;
      $("abx-about").hidden = true;
      $("abx-result").hidden = true;
      $("abx-test").hidden = false;
      lock("abx");
      abxTrial();
      toggle(true);
      $("abx-play-a").focus();
    }

    function abxTrial() {
      const test = state.abx;
      $("abx-progress").textContent = "Trial " + (test.trials.length + 1) + " of " + test.planned;
      $("abx-undo").disabled = !test.trials.length;
      $("abx-finish").disabled = !test.trials.length;
      abxPlay("a");
    }

    function abxPlay(letter) {
      const test = state.abx;
      choose(test.sounds[letter === "x" ? test.x : letter.toUpperCase()].version);
      press(abxButtons, $("abx-play-" + letter));
    }

    function abxVote(letter) {
      state.abx.vote(letter, loopEdges());
      if (state.abx.done) abxFinish();
      else abxTrial();
    }

    function abxUndo() {
      state.abx.undo();
      abxTrial();
    }

    function abxFinish() {
      const test = state.abx;
      toggle(false);
      const { count, correct, p } = test.result();
      $("abx-test").hidden = true;
      $("abx-result").hidden = false;
      $("abx-verdict").textContent = correct + " of " + count + " correct, p = " + p.toPrecision(3) +
        (count < test.planned ? " (ended early: " + test.planned + " were planned)" : "") +
        ". That is how likely so many or more are by guessing alone.";
      $("abx-text").textContent = test.toText();
      saveLink($("abx-save-text"), test.toText(), "text/plain");
      saveLink($("abx-save-csv"), test.toCsv(), "text/csv");
      lock(null);
      $("abx-verdict").setAttribute("tabindex", "-1");
      $("abx-verdict").focus();
    }

    function abxAgain() {
      state.abx = null;
      $("abx-result").hidden = true;
      $("abx-setup").hidden = false;
      $("abx-about").hidden = false;
    }

    function ratingStart() {
      if (!player()) return;
      state.rating = new uncodec.Rating(state.clip.versions.map((_, index) => sound(index)), setting());
      const reference = state.clip.versions.findIndex((version) => version.role === "original");
      const buttons = [$("rating-reference")];
      $("rating-reference").onclick = () => {
        choose(reference);
        press(buttons, $("rating-reference"));
      };
      $("rating-sounds").replaceChildren(...state.rating.entries.map((entry) => {
        const row = make("div", null, { class: "rated" });
        const button = make("button", entry.letter, { "aria-pressed": "false", "aria-label": "Play " + entry.letter });
        button.addEventListener("click", () => {
          choose(entry.sound.version);
          press(buttons, button);
        });
        buttons.push(button);
        const slider = make("input", null, { type: "range", min: "0", max: "100", step: "1", value: "50",
          "aria-label": "Rating of " + entry.letter });
        const shown = make("output", "–");
        slider.addEventListener("input", () => {
          state.rating.rate(entry.letter, Number(slider.value));
          shown.textContent = slider.value;
        });
        row.append(button, slider, shown);
        return row;
      }));
      for (const id of ["rating-start", "rating-about", "rating-result"]) $(id).hidden = true;
      $("rating-test").hidden = false;
      lock("rating");
      toggle(true);
      $("rating-reference").click();
      $("rating-reference").focus();
    }

    function ratingFinish() {
      const missing = state.rating.missing;
      if (missing.length) {
        complain("Not rated yet: " + missing.join(", "));
        return;
      }
      $("problem").hidden = true;
      toggle(false);
      const { heard: known, hidden } = state.rating.result();
      $("rating-test").hidden = true;
      $("rating-result").hidden = false;
      $("rating-verdict").textContent = "The hidden reference got " + hidden + (known ? "." :
        ": below 90, so that these ratings say little (ITU-R BS.1534).");
      $("rating-text").textContent = state.rating.toText();
      saveLink($("rating-save-text"), state.rating.toText(), "text/plain");
      saveLink($("rating-save-csv"), state.rating.toCsv(), "text/csv");
      lock(null);
      $("rating-verdict").setAttribute("tabindex", "-1");
      $("rating-verdict").focus();
    }

    function ratingLeave() {
      toggle(false);
      state.rating = null;
      $("problem").hidden = true;
      for (const id of ["rating-test", "rating-result"]) $(id).hidden = true;
      for (const id of ["rating-start", "rating-about"]) $(id).hidden = false;
      lock(null);
    }

    function listen() {
      $("abx-setup").addEventListener("submit", (event) => {
        event.preventDefault();
        abxStart();
      });
      ["a", "x", "b"].forEach((letter) => $("abx-play-" + letter).addEventListener("click", () => abxPlay(letter)));
      $("abx-vote-a").addEventListener("click", () => abxVote("A"));
      $("abx-vote-b").addEventListener("click", () => abxVote("B"));
      $("abx-undo").addEventListener("click", abxUndo);
      $("abx-finish").addEventListener("click", abxFinish);
      $("abx-again").addEventListener("click", abxAgain);
      $("rating-start").addEventListener("click", ratingStart);
      $("rating-finish").addEventListener("click", ratingFinish);
      $("rating-stop").addEventListener("click", ratingLeave);
      $("rating-again").addEventListener("click", ratingLeave);
    }

    return { listen, abxPlay, abxVote, abxUndo };
  };
})(window.uncodec = window.uncodec || {});
