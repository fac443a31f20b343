// The blind tests without their buttons: what is drawn, what is kept, and what comes out.
(function (uncodec) {
  "use strict";

  // An even number below `count`, drawn by the browser's own generator; what would make some likelier is drawn again.
  function draw(count) {
    const bytes = new Uint8Array(1);
    const limit = 256 - 256 % count;
    do crypto.getRandomValues(bytes); while (bytes[0] >= limit);
    return bytes[0] % count;
  }

  function shuffled(items) {
    const left = items.slice();
    const out = [];
    while (left.length) out.push(left.splice(draw(left.length), 1)[0]);
    return out;
  }

  // Chance of `correct` or more hits in `count` fair guesses: the exact one-sided binomial test.
  function chance(correct, count) {
    let logOfWays = 0;
    let sum = 0;
    for (let k = 0; k <= count; k += 1) {
      if (k > 0) logOfWays += Math.log(count - k + 1) - Math.log(k);
      if (k >= correct) sum += Math.exp(logOfWays - count * Math.LN2);
    }
    return Math.min(1, sum);
  }

  // A cell of a table for programs. What a spreadsheet would take for a formula begins with an apostrophe.
  function cell(value) {
    if (typeof value === "number") return String(value);
    let text = String(value);
    if (/^[=+\-@\t\r]/.test(text)) text = "'" + text;
    return '"' + text.replace(/"/g, '""') + '"';
  }

  function toCsv(header, rows) {
    return [header, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
  }

  // One line, whatever is in a name.
  function oneLine(text) {
    return String(text).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
  }

  class Abx {
    // `a`, `b`: {name, sha256, gainDb}. `setting`: {title, clip, matched, crossfadeMs}.
    constructor(a, b, planned, setting, clock) {
      this.sounds = { A: a, B: b };
      this.planned = planned;
      this.setting = setting;
      this.clock = clock || (() => performance.now() / 1000);
      this.date = new Date().toISOString();
      this.trials = [];
      this.undone = 0;
      this.next();
    }

    next() {
      this.x = draw(2) ? "B" : "A";
      this.begun = this.clock();
    }

    get done() {
      return this.trials.length >= this.planned;
    }

    vote(letter, loop) {
      if (this.done) return;
      this.trials.push({ x: this.x, vote: letter, seconds: this.clock() - this.begun, loop: loop });
      this.next();
    }

    // The trial before begins again, with an X of its own.
    undo() {
      if (!this.trials.length) return;
      this.trials.pop();
      this.undone += 1;
      this.next();
    }

    result() {
      const count = this.trials.length;
      const correct = this.trials.filter((trial) => trial.x === trial.vote).length;
      return { count: count, correct: correct, p: count ? chance(correct, count) : 1 };
    }

    toText() {
      const { count, correct, p } = this.result();
      const lines = [
        "ABX test: " + oneLine(this.setting.title),
        "clip: " + oneLine(this.setting.clip),
        ...["A", "B"].map((letter) => {
          const sound = this.sounds[letter];
          return letter + ": " + oneLine(sound.name) + ", gain " + sound.gainDb.toFixed(2) + " dB, SHA-256 " + sound.sha256;
        }),
        "begun: " + this.date,
        "loudness matched: " + (this.setting.matched ? "yes" : "no"),
        "crossfade at a switch: " + (this.setting.crossfadeMs ? this.setting.crossfadeMs + " ms" : "none"),
        "trials: " + count + " of " + this.planned + " planned, votes undone: " + this.undone,
        "correct: " + correct + " of " + count,
        "p (one-sided, exact binomial): " + p.toPrecision(3),
        "",
        "trial  X  vote  seconds  loop",
      ];
      this.trials.forEach((trial, index) => {
        lines.push([String(index + 1).padStart(5), trial.x, trial.vote.padEnd(4), trial.seconds.toFixed(1).padStart(7),
          trial.loop.map((edge) => edge.toFixed(2)).join(" to ") + " s"].join("  "));
      });
      return lines.join("\n") + "\n";
    }

    toCsv() {
      const { A: a, B: b } = this.sounds;
      const same = [this.setting.clip, a.name, a.sha256, a.gainDb, b.name, b.sha256, b.gainDb,
        this.setting.matched ? "yes" : "no", this.setting.crossfadeMs, this.undone, this.date];
      return toCsv(
        ["trial", "x", "vote", "correct", "seconds", "loop_start_s", "loop_end_s", "clip", "a_name", "a_sha256", "a_gain_db",
          "b_name", "b_sha256", "b_gain_db", "loudness_matched", "crossfade_ms", "votes_undone", "begun"],
        this.trials.map((trial, index) => [index + 1, trial.x, trial.vote, trial.x === trial.vote ? 1 : 0,
          Number(trial.seconds.toFixed(2)), ...trial.loop, ...same]));
    }
  }

  const LOWEST_OF_REFERENCE = 90; // ITU-R BS.1534-3: who rates the hidden reference lower often is left out

  class Rating {
    // `sounds`: {name, role, sha256, gainDb, version}; one of them has the role "original".
    constructor(sounds, setting) {
      this.setting = setting;
      this.date = new Date().toISOString();
      this.entries = shuffled(sounds).map((sound, index) => ({
        letter: String.fromCharCode(65 + index), sound: sound, score: 50, rated: false,
      }));
    }

    rate(letter, score) {
      const entry = this.entries.find((each) => each.letter === letter);
      entry.score = score;
      entry.rated = true;
    }

    get missing() {
      return this.entries.filter((entry) => !entry.rated).map((entry) => entry.letter);
    }

    result() {
      const sorted = this.entries.slice().sort((one, other) => other.score - one.score);
      const hidden = this.entries.find((entry) => entry.sound.role === "original");
      return { sorted: sorted, heard: hidden.score >= LOWEST_OF_REFERENCE, hidden: hidden.score };
    }

    toText() {
      const lines = ["Rating: " + oneLine(this.setting.title), "clip: " + oneLine(this.setting.clip),
        "begun: " + this.date, "loudness matched: " + (this.setting.matched ? "yes" : "no"),
        "crossfade at a switch: " + (this.setting.crossfadeMs ? this.setting.crossfadeMs + " ms" : "none"), ""];
      this.result().sorted.forEach((entry) => {
        lines.push(String(entry.score).padStart(3) + "  " + oneLine(entry.sound.name) +
          (entry.sound.role === "original" ? " (hidden reference)" : "") + ", SHA-256 " + entry.sound.sha256);
      });
      return lines.join("\n") + "\n";
    }

    toCsv() {
      return toCsv(
        ["place", "letter", "name", "role", "score", "sha256", "gain_db", "clip", "loudness_matched", "crossfade_ms", "begun"],
        this.result().sorted.map((entry, index) => [index + 1, entry.letter, entry.sound.name, entry.sound.role, entry.score,
          entry.sound.sha256, entry.sound.gainDb, this.setting.clip, this.setting.matched ? "yes" : "no",
          this.setting.crossfadeMs, this.date]));
    }
  }

  Object.assign(uncodec, { Abx: Abx, Rating: Rating, chance: chance, draw: draw, shuffled: shuffled });
})(window.uncodec = window.uncodec || {});
