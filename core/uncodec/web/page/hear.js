// Hearing a file: its course, the knobs, and twenty seconds that are restored while they move.
(function (uncodec) {
  "use strict";

  const $ = (id) => document.getElementById(id);
  const { call, stream } = uncodec.wire;
  const REST_MS = 50; // a knob that rests so long is listened to
  const EMPTY = { columns: 1, bins: 1, hop_s: 1, floor_db: -127.5, step_db: 0.5, top_db: 0 };
  const TAB = crypto.getRandomValues(new Uint32Array(2)).join("-");

  const state = {
    file: null, excerpt: null, running: null, timer: 0, start: 0, begun: false, course: null, preview_s: 20,
    common: null, own: new Map(), latency: null, changed: () => {},
  };

  // ---- Knobs

  function read() {
    const headroom = $("headroom").value;
    return {
      engine: document.querySelector("input[name=engine]:checked").value,
      amount: Number($("amount").value) / 100,
      brightness_db: Number($("brightness").value),
      repairs: $("repairs").checked,
      like: $("like").value,
      like_amount: Number($("like-amount").value) / 100,
      steps: Math.min(32, Math.max(1, Math.round(Number($("steps").value)) || 2)),
      seed: Math.max(0, Math.round(Number($("seed").value)) || 0),
      bits: Number($("bits").value),
      headroom: headroom === "auto" ? "auto" : Number(headroom),
      salvage: $("salvage").checked,
    };
  }

  function show(knobs) {
    document.querySelector("input[name=engine][value=" + knobs.engine + "]").checked = true;
    $("amount").value = Math.round(100 * knobs.amount);
    $("brightness").value = knobs.brightness_db;
    $("repairs").checked = knobs.repairs;
    // A preset says nothing of a reference.
    if (knobs.like !== undefined) $("like").value = knobs.like;
    if ($("like").selectedIndex < 0) $("like").value = "";
    $("like-amount").value = Math.round(100 * knobs.like_amount);
    $("steps").value = knobs.steps;
    $("seed").value = knobs.seed;
    $("bits").value = knobs.bits;
    $("headroom").value = String(knobs.headroom);
    $("salvage").checked = knobs.salvage;
    tell();
  }

  function tell() {
    const knobs = read();
    $("amount-told").textContent = Math.round(100 * knobs.amount) + " %";
    const db = knobs.brightness_db;
    $("brightness-told").textContent = (db > 0 ? "+" : db < 0 ? "−" : "") + Math.abs(db) + " dB";
    $("like-told").textContent = Math.round(100 * knobs.like_amount) + " %";
    $("like-amount").setAttribute("aria-valuetext", $("like-told").textContent);
    $("like-how").hidden = !knobs.like;
    $("amount").setAttribute("aria-valuetext", $("amount-told").textContent);
    $("brightness").setAttribute("aria-valuetext", $("brightness-told").textContent);
    $("stand-in").hidden = knobs.engine !== "offline";
    $("steps-choice").hidden = knobs.engine !== "offline";
  }

  // Every file that can be read may be the reference of the others.
  function references(files) {
    const before = $("like").value;
    const found = files.filter((file) => file.header.seconds && file.state !== "broken");
    $("like").replaceChildren(uncodec.deck.make("option", "no reference", { value: "" }),
      ...found.map((file) => uncodec.deck.make("option", file.name, { value: file.id })));
    $("like-row").hidden = found.length < 2;
    const known = new Set(found.map((file) => file.id));
    for (const knobs of [state.common, ...state.own.values()]) {
      if (knobs && knobs.like && !known.has(knobs.like)) knobs.like = "";
    }
    $("like").value = known.has(before) ? before : "";
    if ($("like").value !== before) moved();
  }

  // The settings of a file: its own, or those of all.
  function knobsOf(id) {
    return state.own.get(id) || state.common;
  }

  function moved() {
    const knobs = read();
    tell();
    $("copied").hidden = true;
    if ($("scope").value === "one" && state.file) state.own.set(state.file.id, knobs);
    else state.common = knobs;
    clearTimeout(state.timer);
    state.timer = setTimeout(preview, REST_MS);
    state.changed();
  }

  function apply(knobs) {
    show(knobs);
    moved();
  }

  function scope() {
    if (!state.file) return;
    if ($("scope").value === "one") state.own.set(state.file.id, read());
    else state.own.delete(state.file.id);
    show(knobsOf(state.file.id));
    preview();
    state.changed();
  }

  // ---- The preview

  function buffers(excerpt) {
    return [excerpt.source, excerpt.restored].map((channels) => {
      const buffer = new AudioBuffer({ numberOfChannels: channels.length, length: excerpt.samples, sampleRate: excerpt.rate });
      channels.forEach((samples, i) => buffer.copyToChannel(samples, i));
      return buffer;
    });
  }

  function planes(bytes, channels) {
    const all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    const count = all.length / channels;
    return Array.from({ length: channels }, (_, i) => all.subarray(i * count, (i + 1) * count));
  }

  function open(excerpt) {
    const version = (name, role, detail) => ({ name, role, detail, lufs: null, match_db: 0, sha256: "" });
    const file = state.file;
    const kept = uncodec.state.clip && uncodec.state.clip.key === excerpt.file ? uncodec.state.current : 1;
    const playing = Boolean(uncodec.state.player && uncodec.state.player.playing);
    excerpt.clip = {
      key: excerpt.file, name: file.name, rate: excerpt.rate, seconds: excerpt.samples / excerpt.rate,
      channels: excerpt.channels, gain_db: 0, spectrogram: EMPTY,
      notes: ["From " + uncodec.files.length(excerpt.start_s) + " on, of " + file.name + "."],
      versions: [version("Source", "coded", "as it is"), version("Restored", "restored", "preview")],
    };
    $("deck").hidden = false;
    uncodec.deck.openClip(excerpt.clip, buffers(excerpt), null, kept);
    if (playing) uncodec.deck.toggle(true);
  }

  async function hash(channels) {
    const all = new Uint8Array(await new Blob(channels).arrayBuffer());
    if (!crypto.subtle) return "";
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", all));
    return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  async function facts(excerpt, head, payload, current) {
    const cells = [];
    let at = 0;
    for (const size of head.cells) {
      cells.push(await uncodec.inflate(payload.subarray(at, at + size)).catch(() => null));
      at += size;
    }
    const hashes = await Promise.all([excerpt.source, excerpt.restored].map(hash));
    if (!current()) return;
    const drawn = cells.length > 0 && cells.every(Boolean);
    excerpt.clip.spectrogram = drawn ? head.spectrogram : EMPTY;
    excerpt.clip.versions.forEach((version, i) => Object.assign(version, head.versions[i], { sha256: hashes[i] }));
    uncodec.deck.swapFacts(drawn ? cells : null);
  }

  // Restores what is around the playhead again, from there on. What was under way is stale.
  async function preview() {
    clearTimeout(state.timer);
    state.timer = 0;
    const file = state.file;
    if (!file || file.state === "broken" || uncodec.state.blind) return;
    if (state.running) state.running.abort();
    const running = new AbortController();
    state.running = running;
    const current = () => state.running === running;
    const begun = performance.now();
    const held = state.excerpt && state.excerpt.file === file.id && state.excerpt.asked === state.start ? state.excerpt : null;
    const at = held ? uncodec.deck.heard() : 0;
    busy(true);
    let first = true;
    let excerpt = held;
    try {
      const asked = { file: file.id, tab: TAB, start_s: state.start, at_s: at, known: held ? held.key : "", knobs: knobsOf(file.id) };
      for await (const [head, payload] of stream("preview", asked, running.signal)) {
        if (!current()) return;
        if (head.kind === "excerpt") {
          const source = planes(payload, head.channels);
          excerpt = Object.assign(head, { file: file.id, asked: state.start, source: source, restored: source.map((each) => each.slice()) });
        } else if (head.kind === "piece") {
          planes(payload, excerpt.channels).forEach((samples, i) => excerpt.restored[i].set(samples, head.at));
          if (state.excerpt !== excerpt) {
            state.excerpt = excerpt;
            open(excerpt);
          } else {
            uncodec.deck.swapSounds(buffers(excerpt));
          }
          if (first) state.latency = performance.now() - begun;
          first = false;
        } else if (head.kind === "facts") {
          await facts(excerpt, head, payload, current);
        } else if (head.kind === "failed") {
          uncodec.deck.complain(head.message);
          $("deck").hidden = false;
        }
      }
    } catch (error) {
      if (current() && error.name !== "AbortError") uncodec.deck.complain("No preview: " + error.message);
    }
    if (!current()) return;
    state.running = null;
    busy(false);
  }

  function busy(working) {
    $("right").classList.toggle("busy", working);
    $("deck").setAttribute("aria-busy", String(working));
    // A blind test compares what stays as it is.
    $("abx-start").disabled = working;
  }

  // ---- The course of the file

  function draw() {
    const canvas = $("course");
    const unit = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(canvas.clientWidth * unit));
    const height = Math.max(1, Math.round(canvas.clientHeight * unit));
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    const context = canvas.getContext("2d");
    const style = getComputedStyle(document.body);
    context.clearRect(0, 0, width, height);
    const { course, file } = state;
    const seconds = course ? course.seconds : file && file.header.seconds || 0;
    if (!seconds) return;
    const from = state.start / seconds * width;
    const to = Math.min(width, (state.start + state.preview_s) / seconds * width);
    context.fillStyle = style.getPropertyValue("--line");
    context.fillRect(from, 0, Math.max(2 * unit, to - from), height);
    if (!course) return;
    const count = course.low.length;
    const accent = style.getPropertyValue("--accent");
    const soft = style.getPropertyValue("--soft");
    const wide = Math.max(1, width / count);
    for (let i = 0; i < count; i += 1) {
      const x = i / count * width;
      context.fillStyle = x >= from - wide && x < to ? accent : soft;
      const top = 0.5 * height * (1 - Math.min(1, course.high[i]));
      context.fillRect(x, top, wide, Math.max(1, 0.5 * height * (1 - Math.max(-1, course.low[i])) - top));
    }
  }

  function lengthOf() {
    return state.course ? state.course.seconds : state.file.header.seconds || 0;
  }

  function place(start) {
    const most = Math.max(0, lengthOf() - state.preview_s);
    state.start = Math.round(10 * Math.min(most, Math.max(0, start))) / 10;
    const slider = $("overview");
    slider.setAttribute("aria-valuemax", Math.round(most));
    slider.setAttribute("aria-valuenow", Math.round(state.start));
    slider.setAttribute("aria-valuetext", uncodec.files.length(state.start) + " to " +
      uncodec.files.length(Math.min(lengthOf(), state.start + state.preview_s)));
    draw();
  }

  function move(start) {
    const before = state.start;
    place(start);
    if (state.start !== before) {
      clearTimeout(state.timer);
      state.timer = setTimeout(preview, 200);
    }
  }

  async function course(file) {
    try {
      const found = await call("GET", "files/" + file.id + "/overview");
      if (state.file !== file) return;
      state.course = found;
      place(state.start);
    } catch (error) {
      // It goes without.
    }
  }

  // ---- Choosing

  function describe(file) {
    const [word, sentence] = uncodec.files.verdict(file);
    $("chosen-title").textContent = file.header.title ? (file.header.artist ? file.header.artist + " – " : "") + file.header.title : file.name.split("/").pop();
    $("chosen-facts").textContent = file.state === "broken" ? file.error : [uncodec.files.facts(file), sentence || word].join(" · ");
    const reasons = [...(file.found.reasons || []), ...(file.found.problems || []).map((each) => "damaged: " + each)];
    $("reasons").hidden = !reasons.length;
    $("reason-list").replaceChildren(...reasons.map((text) => uncodec.deck.make("li", text)));
    for (const id of ["overview", "hint", "knobs"]) $(id).hidden = file.state === "broken";
  }

  function chosen(file, anew) {
    if (uncodec.state.blind) return;
    if (!anew) {
      describe(file);
      if (file.state === "broken") stop();
      else if (!state.begun && file.header.seconds) begun(file);
      return;
    }
    stop();
    Object.assign(state, { file: file, course: null, start: 0, begun: false });
    for (const id of ["chosen", "knobs"]) $(id).hidden = !file;
    $("welcome").hidden = Boolean(file);
    $("deck").hidden = true;
    $("problem").hidden = true;
    if (!file) return;
    uncodec.deck.toggle(false);
    describe(file);
    $("scope").value = state.own.has(file.id) ? "one" : "all";
    show(knobsOf(file.id));
    $("copied").hidden = true;
    if (file.header.seconds) begun(file);
    state.changed();
  }

  // A song is heard from its first third on: most begin quietly.
  function begun(file) {
    state.begun = true;
    place(file.header.seconds > 2 * state.preview_s ? file.header.seconds / 3 : 0);
    preview();
    course(file);
  }

  function stop() {
    if (state.running) state.running.abort();
    state.running = null;
    clearTimeout(state.timer);
    state.timer = 0;
    busy(false);
  }

  function begin(defaults, preview_s, changed) {
    Object.assign(state, { common: defaults, preview_s: preview_s, changed: changed });
    show(defaults);
    for (const id of ["amount", "brightness", "like-amount"]) $(id).addEventListener("input", moved);
    for (const id of ["repairs", "like", "steps", "seed", "bits", "headroom", "salvage"]) $(id).addEventListener("change", moved);
    document.querySelectorAll("input[name=engine]").forEach((each) => each.addEventListener("change", moved));
    $("scope").addEventListener("change", scope);
    const slider = $("overview");
    const at = (event) => {
      const box = slider.getBoundingClientRect();
      return (event.clientX - box.left) / box.width * lengthOf() - state.preview_s / 2;
    };
    slider.addEventListener("pointerdown", (event) => {
      if (event.button || uncodec.state.blind) return;
      slider.setPointerCapture(event.pointerId);
      move(at(event));
    });
    slider.addEventListener("pointermove", (event) => {
      if (slider.hasPointerCapture(event.pointerId)) move(at(event));
    });
    slider.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -5, ArrowRight: 5, ArrowDown: -5, ArrowUp: 5, PageDown: 20, PageUp: -20, Home: -Infinity, End: Infinity }[event.key];
      if (!by || uncodec.state.blind) return;
      move(state.start + by);
      event.preventDefault();
      event.stopPropagation();
    });
    window.addEventListener("resize", draw);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    document.addEventListener("blind", (event) => {
      $("knob-set").disabled = Boolean(event.detail);
      for (const id of ["scope", "preset", "preset-save"]) $(id).disabled = Boolean(event.detail);
      $("preset-delete").disabled = Boolean(event.detail) || !$("preset").value;
      document.body.classList.toggle("testing", Boolean(event.detail));
    });
  }

  uncodec.hear = { begin, references, chosen, knobsOf, apply, preview, read, state };
})(window.uncodec = window.uncodec || {});
