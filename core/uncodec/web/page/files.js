// The list of files: what was dropped and what is in the folder, and what was found out about each.
(function (uncodec) {
  "use strict";

  const $ = (id) => document.getElementById(id);
  const { call, upload } = uncodec.wire;
  const AUDIO = /\.(aac|ac3|aif|aifc|aiff|alac|amr|ape|au|caf|dts|eac3|flac|m4a|m4b|mka|mkv|mov|mp1|mp2|mp3|mp4|mpc|oga|ogg|opus|ra|rf64|snd|spx|tak|tta|w64|wav|wave|webm|wma|wv)$/i;

  const files = new Map();
  const rows = new Map();
  const state = { limits: null, chosen: null, uploading: null, listeners: { chosen: () => {}, ticked: () => {} } };

  const length = (seconds) => {
    const whole = Math.round(seconds || 0);
    const rest = String(whole % 60).padStart(2, "0");
    return whole >= 3600 ? Math.floor(whole / 3600) + ":" + String(Math.floor(whole / 60) % 60).padStart(2, "0") + ":" + rest :
      Math.floor(whole / 60) + ":" + rest;
  };
  const size = (bytes) => bytes >= 1e9 ? (bytes / 1e9).toFixed(1) + " GB" : (bytes / 1e6).toFixed(1) + " MB";

  const VERDICTS = {
    lossless: ["undamaged", "Undamaged: there is nothing to give back."],
    lossy: ["compressed", "Compressed: something was taken away."],
    fake: ["fake lossless", "In a lossless file, and compressed nevertheless."],
    unknown: ["not sure", "It cannot be told whether this was compressed."],
  };
  const CODECS = { mp3: "MP3", aac: "AAC", vorbis: "Vorbis", opus: "Opus", wma: "WMA", ac3: "AC-3" };

  function verdict(file) {
    if (file.state === "arriving") return ["arriving", "It is being copied."];
    if (file.state === "broken") return ["cannot be read", file.error];
    if (file.state === "ready") {
      if (file.found.restore || file.found.verdict !== "lossy") return VERDICTS[file.found.verdict];
      return ["hardly damaged", "Compressed, but so little that hardly anything is missing."];
    }
    return file.state === "inspecting" ? ["looking …", "It is being looked at."] : ["waiting", "It will be looked at."];
  }

  // What is known of a file, in a line.
  function facts(file) {
    const { header, found } = file;
    const out = [];
    const codec = found.codec ? CODECS[found.codec] : "";
    if (header.coding) out.push(codec && codec !== header.coding ? header.format + " from " + codec : header.coding.replace(/^PCM_/, header.format + " "));
    if (found.kbps) out.push(found.kbps[0] === found.kbps[1] ? found.kbps[0] + " kb/s" : found.kbps[0] + "–" + found.kbps[1] + " kb/s");
    else if (found.declared_lossy && found.file_kbps) out.push(Math.round(found.file_kbps) + " kb/s");
    if (found.cutoff_hz) out.push("treble to " + (found.cutoff_hz / 1000).toFixed(1) + " kHz");
    if (found.lufs !== undefined && found.lufs !== null) out.push(found.lufs.toFixed(1).replace("-", "−") + " LUFS");
    if (header.seconds) out.push(length(header.seconds));
    else out.push(size(file.size));
    return out.join(" · ");
  }

  // Damaged files are taken, others are not, unless somebody says otherwise.
  function ticked(file) {
    if (file.state === "broken" || file.state === "arriving") return false;
    return file.wanted !== undefined ? file.wanted : Boolean(file.found.restore);
  }

  function row(file) {
    const { make } = uncodec.deck;
    const item = make("li", null, { class: "file", "data-id": file.id });
    const box = make("input", null, { type: "checkbox" });
    const open = make("button", null, { class: "open", "aria-pressed": "false" });
    const name = make("span", file.name.split("/").pop(), { class: "name" });
    const path = file.name.includes("/") ? file.name.split("/").slice(0, -1).join("/") + "/" : "";
    const about = make("span", "", { class: "about" });
    const chip = make("span", "", { class: "chip" });
    const off = make("button", "×", { class: "off", "aria-label": "Take " + file.name + " off the page", title: "Take off the page" });
    if (path) open.append(make("span", path, { class: "path" }));
    open.append(name, about);
    item.append(box, open, chip, off);
    box.setAttribute("aria-label", "Restore " + file.name);
    box.addEventListener("change", () => {
      file.wanted = box.checked;
      update(file);
      count();
    });
    open.addEventListener("click", () => choose(file.id));
    off.addEventListener("click", () => {
      const next = item.nextElementSibling || item.previousElementSibling;
      call("DELETE", "files/" + file.id).then(() => next && next.querySelector(".open").focus(), (error) => refuse([error.message]));
    });
    rows.set(file.id, { item, box, open, about, chip });
    return item;
  }

  function update(file) {
    const { item, box, open, about, chip } = rows.get(file.id);
    const [word, sentence] = verdict(file);
    const line = file.state === "broken" ? file.error : facts(file);
    if (about.textContent !== line) about.textContent = line;
    if (chip.textContent !== word) chip.textContent = word;
    chip.title = sentence;
    chip.className = "chip " + (file.state === "ready" ? file.found.verdict + (file.found.restore ? " restore" : "") : file.state);
    box.checked = ticked(file);
    box.disabled = file.state === "broken" || file.state === "arriving";
    open.disabled = file.state === "arriving";
    item.classList.toggle("broken", file.state === "broken");
    open.setAttribute("aria-pressed", String(file.id === state.chosen));
    item.hidden = !shown(file);
  }

  function shown(file) {
    const words = $("find").value.trim().toLowerCase();
    if (words && !file.name.toLowerCase().includes(words)) return false;
    if ($("show").value === "damaged") return Boolean(file.found.restore) || file.state !== "ready";
    if ($("show").value === "ticked") return ticked(file);
    return true;
  }

  function count() {
    const all = [...files.values()];
    const many = all.filter(ticked).length;
    const looked = all.filter((file) => file.state === "ready" || file.state === "broken").length;
    $("counted").textContent = all.length + (all.length === 1 ? " file" : " files") + ", " + many + " ticked" +
      (looked < all.length ? ", " + looked + " looked at" : "");
    $("file-tools").hidden = all.length < 2;
    const named = all.filter((file) => file.header.seconds && file.state !== "broken").map((file) => file.id).join();
    if (named !== state.named) uncodec.hear.references(all);
    state.named = named;
    state.listeners.ticked(many);
  }

  // What the server says has changed.
  function changed(told) {
    const news = [];
    for (const file of told.files) {
      const before = files.get(file.id);
      const now = Object.assign(before || {}, file);
      files.set(file.id, now);
      if (!before) news.push(row(now));
      update(now);
    }
    if (news.length) $("list").append(...news);
    for (const id of told.removed) {
      if (!files.delete(id)) continue;
      rows.get(id).item.remove();
      rows.delete(id);
      if (state.chosen === id) choose(null);
    }
    if (told.files.length || told.removed.length) {
      count();
      const file = files.get(state.chosen);
      if (file && told.files.some((each) => each.id === file.id)) state.listeners.chosen(file, false);
    }
    if (told.limits) {
      state.limits = told.limits;
      $("limits").textContent = "Up to " + told.limits.files + " files, " + size(told.limits.file_bytes) + " each, " +
        size(told.limits.room) + " in all. They are deleted when the server ends.";
      $("folder-told").textContent = (told.folder ? "Folder: " + told.folder : "") + (told.left_out ?
        " (" + told.left_out + " more are left out: too many, or links that lead out of it)" : "");
    }
  }

  function choose(id) {
    // What a blind test compares stays.
    if (uncodec.state.blind) return;
    const before = files.get(state.chosen);
    state.chosen = id;
    if (before) update(before);
    const file = files.get(id) || null;
    if (file) {
      update(file);
      call("POST", "files/" + id + "/look", {}).catch(() => {});
    }
    state.listeners.chosen(file, true);
  }

  // ---- Dropping

  function refuse(sentences) {
    const { make } = uncodec.deck;
    const box = $("refused");
    const list = make("ul");
    sentences.slice(0, 8).forEach((text) => list.append(make("li", text)));
    if (sentences.length > 8) list.append(make("li", "and " + (sentences.length - 8) + " more"));
    const close = make("button", "Close");
    close.addEventListener("click", () => {
      box.hidden = true;
    });
    box.replaceChildren(list, close);
    box.hidden = false;
  }

  async function take(found) {
    const named = found.filter(([name]) => !name.split("/").some((part) => part.startsWith(".")));
    // Of a folder only what may be sound; a file that was dropped by itself is tried whatever its name is.
    const wanted = named.filter(([name, , alone]) => alone || AUDIO.test(name));
    if (!wanted.length) {
      refuse([found.length ? "There is no audio in what was dropped." : "Nothing was dropped."]);
      return;
    }
    if (state.uploading) {
      refuse(["Files are being copied already. Wait for them, or stop them."]);
      return;
    }
    $("refused").hidden = true;
    const stop = new AbortController();
    state.uploading = stop;
    const problems = [];
    try {
      const asked = wanted.map(([name, file]) => ({ name: name, size: file.size }));
      const { accepted, refused } = await call("POST", "uploads", { files: asked });
      problems.push(...refused.map((each) => each.why));
      const all = accepted.reduce((sum, each) => sum + wanted[each.index][1].size, 0);
      let done = 0;
      $("upload").hidden = !accepted.length;
      for (const [number, { index, id }] of accepted.entries()) {
        const [name, file] = wanted[index];
        $("upload-told").textContent = "Copying " + (number + 1) + " of " + accepted.length + ": " + name;
        try {
          await upload(id, file, stop.signal, (loaded) => {
            $("upload-bar").value = all ? (done + loaded) / all : 0;
          });
          if (state.chosen === null && number === 0) choose(id);
        } catch (error) {
          if (stop.signal.aborted) {
            // What was announced and will not come.
            await Promise.all(accepted.slice(number).map((each) => call("DELETE", "files/" + each.id).catch(() => {})));
            break;
          }
          problems.push(error.message.includes(name) ? error.message : name + ": " + error.message);
          call("DELETE", "files/" + id).catch(() => {});
        }
        done += file.size;
      }
    } catch (error) {
      problems.push(error.message);
    }
    state.uploading = null;
    $("upload").hidden = true;
    if (problems.length) refuse(problems);
  }

  async function walk(entry, path, out) {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      out.push([path + file.name, file, path === ""]);
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!part.length) return;
      for (const each of part) await walk(each, path + entry.name + "/", out);
    }
  }

  async function dropped(transfer) {
    const entries = [...transfer.items].filter((item) => item.kind === "file")
      .map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry());
    if (!entries.length || entries.some((entry) => !entry)) {
      await take([...transfer.files].map((file) => [file.name, file, true]));
      return;
    }
    const out = [];
    for (const entry of entries) await walk(entry, "", out);
    await take(out);
  }

  function begin(listeners) {
    state.listeners = listeners;
    $("choose-files").addEventListener("click", () => $("input-files").click());
    $("choose-folder").addEventListener("click", () => $("input-folder").click());
    for (const input of [$("input-files"), $("input-folder")]) {
      input.addEventListener("change", () => {
        const picked = [...input.files].map((file) => [file.webkitRelativePath || file.name, file, !file.webkitRelativePath]);
        input.value = "";
        take(picked).catch((error) => refuse([error.message]));
      });
    }
    $("upload-stop").addEventListener("click", () => state.uploading && state.uploading.abort());
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      document.body.classList.add("dragging");
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) document.body.classList.remove("dragging");
    });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      document.body.classList.remove("dragging");
      dropped(event.dataTransfer).catch((error) => refuse([error.message]));
    });
    for (const [id, name] of [["find", "input"], ["show", "change"]]) {
      $(id).addEventListener(name, () => files.forEach(update));
    }
    $("list").addEventListener("keydown", (event) => {
      const by = { ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity }[event.key];
      if (!by) return;
      const items = [...$("list").children].filter((item) => !item.hidden);
      const at = items.indexOf(event.target.closest("li"));
      const next = items[Math.min(items.length - 1, Math.max(0, at + by))];
      if (next) next.querySelector(event.target.type === "checkbox" ? "input" : ".open").focus();
      event.preventDefault();
      event.stopPropagation();
    });
  }

  uncodec.files = { begin, changed, choose, files, ticked, facts, verdict, length, refuse, take, state };
})(window.uncodec = window.uncodec || {});
