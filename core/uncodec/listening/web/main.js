// The page: fills it from the data, and leads what its buttons and keys ask for to player, picture and tests.
(function (uncodec) {
  "use strict";

  const $ = (id) => document.getElementById(id);
  const Context = window.AudioContext || window.webkitAudioContext;
  const Offline = window.OfflineAudioContext || window.webkitOfflineAudioContext;
  const PEAKS = 4000;
  const SHORTEST_LOOP = 0.02; // seconds

  const state = {
    data: null, clip: null, clipIndex: -1, sounds: null, packed: null, context: null, player: null, picture: null,
    current: 0, abx: null, rating: null, plain: false, blind: null, previous: null,
  };
  uncodec.state = state;

  function make(tag, text, attributes) {
    const element = document.createElement(tag);
    if (text !== undefined && text !== null) element.textContent = text;
    Object.entries(attributes || {}).forEach(([name, value]) => element.setAttribute(name, value));
    return element;
  }

  function say(text) {
    $("status").textContent = text;
  }

  function complain(text) {
    $("problem").textContent = text;
    $("problem").hidden = false;
  }

  // Files of this page, by name: inside it, or in scripts beside it (a page from a disk may load nothing else).
  const files = new Map();
  window.uncodecFile = (name, base64) => files.set(name, base64);

  function fileOf(name) {
    const inside = $(name);
    if (inside) return Promise.resolve(uncodec.bytesOf(inside.textContent));
    if (files.has(name)) return Promise.resolve(uncodec.bytesOf(files.get(name)));
    return new Promise((resolve, reject) => {
      const script = make("script", null, { src: "sounds/" + name + ".js" });
      script.onload = () => {
        if (!files.has(name)) return reject(new Error("sounds/" + name + ".js is damaged"));
        return resolve(uncodec.bytesOf(files.get(name)));
      };
      script.onerror = () => reject(new Error("sounds/" + name + ".js is missing: it belongs beside this page"));
      document.head.append(script);
    });
  }

  const name = (index) => state.clip.versions[index].name;
  const seconds = (value) => value.toFixed(1) + " s";

  // ---- What plays

  function matchGain(index) {
    return $("match").checked ? state.clip.versions[index].match_db : 0;
  }

  function mixOf(index) {
    const mix = state.clip.versions.map(() => 0);
    if ($("delta").checked && !state.blind) {
      const boost = uncodec.toGain(Number($("delta-boost").value));
      mix[index] += boost;
      mix[Number($("delta-base").value)] -= boost;
    } else {
      mix[index] = uncodec.toGain(matchGain(index));
    }
    return mix;
  }

  function choose(index) {
    state.current = index;
    if (state.player) {
      state.player.fade = Number($("fade").value) / 1000;
      state.player.setMix(mixOf(index));
    }
    [...$("versions").querySelectorAll("button")].forEach((button) => {
      button.setAttribute("aria-pressed", String(Number(button.dataset.index) === index && !state.blind));
    });
    if (state.blind) return;
    if ($("shown").value === "playing") showPicture();
    const base = Number($("delta-base").value);
    say("Plays: " + ($("delta").checked ? name(index) + " minus " + name(base) : name(index)));
  }

  function player() {
    if (state.player || !state.packed) return state.player;
    if (!state.context) {
      try {
        state.context = new Context({ sampleRate: state.clip.rate, latencyHint: "interactive" });
      } catch (error) {
        state.context = new Context();
      }
    }
    state.player = new uncodec.Player(state.context, state.packed);
    state.player.onEnd = showPlaying;
    applyLoop();
    state.player.setVolume(Number($("volume").value));
    choose(state.current);
    return state.player;
  }

  function toggle(wanted) {
    if (state.plain || !player()) return;
    const play = wanted === undefined ? !state.player.playing : wanted;
    if (play) {
      state.context.resume();
      state.player.play();
    } else {
      state.player.pause();
    }
    showPlaying();
  }

  function showPlaying() {
    const playing = Boolean(state.player && state.player.playing);
    $("play").textContent = playing ? "Pause" : "Play";
    $("play").setAttribute("aria-pressed", String(playing));
    if (playing) requestAnimationFrame(follow);
    else showPlace();
  }

  function heard() {
    if (!state.player) return 0;
    const late = state.player.playing && state.context.outputLatency || 0;
    return Math.max(0, state.player.position(state.context.currentTime - late));
  }

  function showPlace() {
    const at = heard();
    $("time").textContent = at.toFixed(2) + " / " + seconds(state.clip.seconds);
    state.picture.setPlayhead(at, Boolean(state.player && state.player.playing));
  }

  function follow() {
    if (!state.player || !state.player.playing) return;
    showPlace();
    requestAnimationFrame(follow);
  }

  function seek(to) {
    if (!player()) return;
    state.player.seek(to);
    showPlace();
  }

  // ---- The loop

  function loopEdges() {
    const all = state.clip.seconds;
    const start = Math.min(Math.max(0, Number($("loop-start").value) || 0), all);
    const typed = Number($("loop-end").value) || all;
    // The field shows hundredths: the last of them is the end.
    const end = typed > all - 0.01 ? all : Math.max(0, typed);
    return end - start >= SHORTEST_LOOP ? [start, end] : [0, all];
  }

  function applyLoop() {
    const [start, end] = loopEdges();
    state.picture.setLoop(start, end);
    if (state.player) state.player.setLoop($("looping").checked, start, end);
  }

  function setLoop(start, end) {
    $("loop-start").value = start.toFixed(2);
    $("loop-end").value = end.toFixed(2);
    $("looping").checked = true;
    applyLoop();
    say("Loop from " + seconds(start) + " to " + seconds(end));
  }

  // ---- The picture

  function showPicture() {
    const shown = $("shown").value === "playing" ? state.current : Number($("shown").value);
    const compared = Number($("compared").value);
    const difference = compared >= 0 && compared !== shown;
    state.picture.show({ shown: shown, compared: difference ? compared : -1, scale: $("scale").value,
      range: Number($("range").value), blind: Boolean(state.blind) });
    const [low, high] = state.picture.legend($("colours"));
    $("legend-low").textContent = (difference ? "" : "≤ ") + low.toFixed(0) + " dB";
    $("legend-high").textContent = (difference ? "+" : "") + high.toFixed(0) + " dB";
    $("legend-title").textContent = difference ? "red: louder than " + name(compared) + ", blue: quieter" :
      "re full-scale sine";
    $("cells").setAttribute("aria-label", state.blind ? "Hidden during a blind test" : (difference ?
      "Difference of levels, " + name(shown) + " against " + name(compared) : "Spectrogram of " + name(shown)));
  }

  function blindPicture(blind) {
    $("picture").classList.toggle("blind", blind);
    $("view-choices").hidden = blind;
    $("legend").hidden = blind;
    showPicture();
  }

  // ---- Clips

  function options(select, entries) {
    select.replaceChildren(...entries.map(([value, text]) => make("option", text, { value: value })));
  }

  // Everything about a clip but its sounds and cells.
  function layOut(clip, index) {
    if (state.player) {
      state.player.close();
      state.player = null;
    }
    if (state.context && state.context.sampleRate !== clip.rate) {
      state.context.close();
      state.context = null;
    }
    Object.assign(state, { clip: clip, clipIndex: index, packed: null, sounds: null, current: 0 });
    $("play").disabled = true;
    $("play").textContent = "Loading";
    const open = clip.versions.map((version, i) => [i, version]).filter(([, version]) => version.role !== "anchor");
    options($("shown"), [["playing", "what plays"], ...open.map(([i, version]) => [i, version.name])]);
    options($("compared"), [["-1", "nothing"], ...open.map(([i, version]) => [i, version.name])]);
    options($("delta-base"), open.map(([i, version]) => [i, version.name]));
    options($("abx-a"), open.map(([i, version]) => [i, version.name]));
    options($("abx-b"), open.map(([i, version]) => [i, version.name]));
    const coded = open.find(([, version]) => version.role === "coded");
    if (coded) $("delta-base").value = String(coded[0]);
    $("abx-b").value = String(open[open.length - 1][0]);
    $("loop-start").max = $("loop-end").max = (clip.seconds + 0.01).toFixed(2);
    $("loop-start").value = "0";
    $("loop-end").value = clip.seconds.toFixed(2);
    showVersions(open);
    showFacts();
  }

  async function loadClip(index) {
    const clip = state.data.clips[index];
    layOut(clip, index);
    const cells = await Promise.all(clip.versions.map((version) => version.cells ?
      fileOf(version.cells).then(uncodec.inflate).catch(() => null) : null));
    if (state.clip !== clip) return;
    const drawn = clip.versions.every((version, i) => version.role === "anchor" || cells[i]);
    if (!drawn) complain("This browser cannot unpack the pictures. Everything else works.");
    state.picture.setClip(clip, drawn ? cells : null, null);
    $("compared").disabled = !drawn;
    showPicture();
    if (state.plain) return;
    const sounds = await Promise.all(clip.versions.map((version) =>
      fileOf(version.sound).then((bytes) => uncodec.decode(bytes, clip.rate))));
    if (state.clip !== clip) return;
    state.packed = uncodec.pack(sounds);
    state.picture.setClip(clip, drawn ? cells : null, peaks());
    ready(0);
  }

  function peaks() {
    const { buffer, channels, versions } = state.packed;
    return Array.from({ length: versions }, (_, i) => uncodec.peaksOf(buffer, i * channels, channels, PEAKS));
  }

  function ready(index) {
    $("play").disabled = false;
    showPlaying();
    choose(index);
  }

  // A clip whose sounds (AudioBuffers of its rate) and cells, or null, are here already.
  function openClip(clip, sounds, cells, index) {
    layOut(clip, 0);
    state.packed = uncodec.pack(sounds);
    state.picture.setClip(clip, cells, peaks());
    $("compared").disabled = !cells;
    showPicture();
    ready(index);
  }

  // Other sounds of the same length for the clip that is open: what plays goes on at its place.
  function swapSounds(sounds) {
    state.packed = uncodec.pack(sounds);
    if (state.player) state.player.replace(state.packed);
    state.picture.refill(state.picture.cells, peaks());
  }

  // What is known of the sounds by now: cells, and in the clip itself loudness and hashes.
  function swapFacts(cells) {
    state.picture.refill(cells, state.picture.peaks);
    $("compared").disabled = !cells;
    const open = state.clip.versions.map((version, i) => [i, version]).filter(([, version]) => version.role !== "anchor");
    const focused = document.activeElement && document.activeElement.dataset.index;
    showVersions(open);
    showFacts();
    showPicture();
    choose(state.current);
    if (focused !== undefined) $("versions").querySelector('[data-index="' + focused + '"]').focus();
  }

  function detail(version) {
    const parts = [version.detail];
    if (version.lufs !== null) parts.push(version.lufs.toFixed(1) + " LUFS");
    return parts.filter(Boolean).join(", ");
  }

  function showVersions(open) {
    const place = $("versions");
    place.replaceChildren(...open.map(([index, version], order) => {
      if (state.plain) {
        const box = make("div");
        const audio = make("audio", null, { controls: "", preload: "none", "aria-label": version.name });
        fileOf(version.sound).then((bytes) => {
          audio.src = URL.createObjectURL(new Blob([bytes], { type: "audio/flac" }));
        }, (error) => complain(error.message));
        box.append(make("strong", version.name), make("small", " " + detail(version)), audio);
        return box;
      }
      const button = make("button", null, { "data-index": index, "aria-pressed": "false" });
      button.append(make("kbd", order < 9 ? String(order + 1) : "", { "aria-hidden": "true" }),
        make("span", version.name), make("small", detail(version)));
      button.addEventListener("click", () => choose(index));
      return button;
    }));
  }

  function showFacts() {
    const clip = state.clip;
    const list = make("ul");
    const facts = [...clip.notes, ...state.data.facts];
    if (clip.gain_db) facts.unshift("All versions are turned down by " + (-clip.gain_db).toFixed(2) +
      " dB, so that none clips.");
    facts.forEach((fact) => list.append(make("li", fact)));
    clip.versions.filter((version) => version.sound).forEach((version) => {
      const item = make("li", version.name + ": ");
      const link = make("a", "save as FLAC", { href: "#", download: version.sound + ".flac" });
      link.addEventListener("click", (event) => {
        if (link.href.startsWith("blob:")) return;
        event.preventDefault();
        fileOf(version.sound).then((bytes) => {
          link.href = URL.createObjectURL(new Blob([bytes], { type: "audio/flac" }));
          link.click();
        }, (error) => complain(error.message));
      });
      item.append(link, ", SHA-256 " + version.sha256);
      list.append(item);
    });
    $("facts").replaceChildren(make("h2", "This clip"), list);
  }

  function showTables() {
    const panel = $("panel-tables");
    state.data.tables.forEach((table) => {
      const box = make("div", null, { class: "scrolled", tabindex: "0", role: "region", "aria-label": table.title });
      const element = make("table");
      element.append(make("caption", table.title));
      const head = make("tr");
      const words = table.words;
      table.header.forEach((text, i) => head.append(make("th", text, { scope: "col", class: words[i] ? "word" : "" })));
      const top = make("thead");
      top.append(head);
      const body = make("tbody");
      table.rows.forEach((row) => {
        const line = make("tr");
        row.forEach((text, i) => line.append(make("td", text, { class: words[i] ? "word" : "" })));
        body.append(line);
      });
      element.append(top, body);
      box.append(element);
      panel.append(box);
      if (table.note) panel.append(make("p", table.note));
    });
    $("tab-tables").hidden = !state.data.tables.length;
  }

  // ---- Tabs and keys

  const blind = uncodec.blindTests({ $, state, make, complain, choose, toggle, player, loopEdges, matchGain,
    blindPicture, currentTab });
  const tabs = [...document.querySelectorAll("nav button")];

  function currentTab() {
    return tabs.find((tab) => tab.getAttribute("aria-selected") === "true").id.slice(4);
  }

  function openTab(id) {
    tabs.forEach((tab) => {
      const open = tab.id === "tab-" + id;
      tab.setAttribute("aria-selected", String(open));
      tab.tabIndex = open ? 0 : -1;
      $("panel-" + tab.id.slice(4)).hidden = !open;
    });
    const sounding = ["listen", "abx", "rating"].includes(id);
    $("transport").hidden = !sounding || state.plain;
    $("view").hidden = !sounding;
    if (!state.clip) return;
    if (sounding) blindPicture(id !== "listen");
    else toggle(false);
    if (!state.blind) choose(state.current);
  }

  function listen() {
    $("play").addEventListener("click", () => toggle());
    $("volume").addEventListener("input", () => {
      $("volume").setAttribute("aria-valuetext", $("volume").value + " dB");
      if (state.player) state.player.setVolume(Number($("volume").value));
    });
    for (const id of ["match", "delta", "delta-base", "delta-boost"]) {
      $(id).addEventListener("change", () => choose(state.current));
    }
    for (const id of ["looping", "loop-start", "loop-end"]) $(id).addEventListener("change", applyLoop);
    $("loop-all").addEventListener("click", () => setLoop(0, state.clip.seconds));
    for (const id of ["shown", "compared", "scale", "range"]) $(id).addEventListener("change", showPicture);
    $("zoom-in").addEventListener("click", () => state.picture.zoom(2, heard()));
    $("zoom-out").addEventListener("click", () => state.picture.zoom(0.5));
    $("zoom-all").addEventListener("click", () => state.picture.view(0, state.clip.seconds));
    $("zoom-loop").addEventListener("click", () => state.picture.view(...loopEdges()));
    $("scroll").addEventListener("input", () => {
      const width = state.picture.to - state.picture.from;
      const from = Number($("scroll").value) / 1000 * (state.clip.seconds - width);
      state.picture.view(from, from + width);
    });
    $("clip").addEventListener("change", () => loadClip(Number($("clip").value)).catch(fail));
    blind.listen();
    tabs.forEach((tab) => {
      tab.addEventListener("click", () => openTab(tab.id.slice(4)));
      tab.addEventListener("keydown", (event) => {
        const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (!by) return;
        const usable = tabs.filter((each) => !each.hidden && !each.disabled);
        const next = usable[(usable.indexOf(tab) + by + usable.length) % usable.length];
        next.focus();
        openTab(next.id.slice(4));
        event.preventDefault();
        event.stopPropagation();
      });
    });
    // A button that was clicked with a pointer gives the keys back: Space then plays and does not press it again.
    document.addEventListener("click", (event) => {
      const button = event.target.closest && event.target.closest("button");
      if (button && event.detail > 0 && !button.getAttribute("role")) button.blur();
    });
    document.addEventListener("keydown", onKey);
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !state.clip || state.plain) return;
    const target = event.target;
    if (target.closest("input:not([type=checkbox]), select, textarea, pre")) return;
    if (event.key === " " && target.closest("button, a, input, summary")) return;
    if (event.key === "Enter") return;
    if (act(event)) event.preventDefault();
  }

  function act(event) {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const testing = state.blind === "abx";
    const step = event.shiftKey ? 0.1 : 1;
    if (key === " ") toggle();
    else if (key === "ArrowLeft") seek(heard() - step);
    else if (key === "ArrowRight") seek(heard() + step);
    else if (key === "l") {
      $("looping").checked = !$("looping").checked;
      applyLoop();
    } else if (key === "Escape") setLoop(0, state.clip.seconds);
    else if (testing && (key === "a" || key === "b") && event.shiftKey) blind.abxVote(key.toUpperCase());
    else if (testing && ["a", "b", "x"].includes(key)) blind.abxPlay(key);
    else if (testing && key === "u") {
      if (state.abx.trials.length) blind.abxUndo();
    } else if (key === "+" || key === "=") state.picture.zoom(2, heard());
    else if (key === "-") state.picture.zoom(0.5);
    else if (state.blind) return false;
    else if (key === "m" || key === "d") {
      const box = $(key === "m" ? "match" : "delta");
      box.checked = !box.checked;
      choose(state.current);
    } else if (/^[1-9]$/.test(key)) {
      const button = $("versions").querySelectorAll("button")[Number(key) - 1];
      if (button) choose(Number(button.dataset.index));
    } else if (key === "ArrowUp" || key === "ArrowDown") {
      const buttons = [...$("versions").querySelectorAll("button")];
      const at = buttons.findIndex((button) => Number(button.dataset.index) === state.current);
      const next = buttons[(at + (key === "ArrowUp" ? -1 : 1) + buttons.length) % buttons.length];
      choose(Number(next.dataset.index));
    } else return false;
    return true;
  }

  function fail(error) {
    complain("The sounds cannot be played here: " + (error && error.message || error));
    if (state.plain || !state.clip) return;
    beginPlain();
    showVersions(state.clip.versions.map((version, i) => [i, version]).filter(([, v]) => v.role !== "anchor"));
  }

  function beginPlain() {
    state.plain = true;
    for (const id of ["transport", "tab-abx", "tab-rating", "delta-row"]) $(id).hidden = true;
  }

  // `data`: title, clips, tables and facts; without clips, they come one by one through `openClip`.
  function begin(data) {
    state.data = data;
    document.title = state.data.title;
    $("title").textContent = state.data.title;
    options($("clip"), state.data.clips.map((clip, i) => [i, clip.name]));
    $("clip-choice").hidden = state.data.clips.length < 2;
    const known = state.data.clips.length && state.data.clips.every((clip) => clip.versions.some((version) => version.role === "original"));
    $("tab-rating").hidden = !known;
    state.picture = new uncodec.Picture(
      { cells: $("cells"), overlay: $("overlay"), wave: $("wave") },
      { looped: setLoop, sought: seek, viewed: (from, to) => {
        const rest = state.clip.seconds - (to - from);
        $("scroll").value = String(rest > 0 ? 1000 * from / rest : 0);
        $("scroll").disabled = rest <= 1e-6;
      } });
    listen();
    showTables();
    if (!Context || !Offline) {
      beginPlain();
      complain("This browser has no Web Audio: here are plain players. They do not switch without a gap.");
    }
  }

  uncodec.deck = { begin, openClip, swapSounds, swapFacts, toggle, heard, seek, make, say, complain };
  if ($("data")) {
    begin(JSON.parse($("data").textContent));
    loadClip(0).catch(fail);
  }
})(window.uncodec = window.uncodec || {});
