// Keeping: the queue, where results go, presets, and what can be copied.
(function (uncodec) {
  "use strict";

  const $ = (id) => document.getElementById(id);
  const { call } = uncodec.wire;
  const tickets = new Map();
  const state = { queue: { tickets: [], paused: "", left_s: null }, presets: {}, told: null };

  const say = (text) => {
    $("app-status").textContent = text;
  };

  function fail(error) {
    uncodec.files.refuse([error.message]);
  }

  function wanted(ids) {
    return ids.map((id) => ({ file: id, knobs: uncodec.hear.knobsOf(id) }));
  }

  function folder() {
    return $("place").value === "folder" ? $("folder").value.trim() : "";
  }

  async function keep(ids) {
    try {
      const asked = { files: wanted(ids), folder: folder(), overwrite: $("overwrite").checked };
      const { added, refused } = await call("POST", "keep", asked);
      if (refused.length) uncodec.files.refuse(refused.map((each) => each.why));
      if (added) say(added + (added === 1 ? " file is" : " files are") + " in the queue");
    } catch (error) {
      fail(error);
    }
  }

  function time(seconds) {
    if (seconds < 60) return Math.max(1, Math.round(seconds)) + " s";
    return seconds < 3600 ? Math.round(seconds / 60) + " min" : (seconds / 3600).toFixed(1) + " h";
  }

  // ---- The queue

  // Where one waits alone there is no order.
  const movable = (ticket) => ticket.state === "waiting" && state.queue.tickets.filter((t) => t.state === "waiting").length > 1;
  const ACTIONS = [
    ["earlier", "↑", "Do it earlier", movable],
    ["later", "↓", "Do it later", movable],
    ["cancel", "Cancel", "Cancel", (t) => t.state === "waiting" || t.state === "working"],
    ["again", "Again", "Do it again", (t) => t.state === "failed" || t.state === "cancelled"],
    ["replace", "Replace what is there", "Replace the result that is there", (t) => t.state === "failed" && /exists already/.test(t.told)],
    ["save", "Save a copy", "Save a copy", (t) => t.state === "done"],
    ["report", "A/B report", "Write the A/B report", (t) => t.state === "done"],
    ["forget", "×", "Take off the list", (t) => t.state !== "waiting" && t.state !== "working"],
  ];

  async function act(name, id) {
    const ticket = tickets.get(id).ticket;
    if (name === "save") return save(id, "result");
    if (name === "report") {
      const chosen = uncodec.hear.state;
      const start = chosen.file && chosen.file.id === ticket.file ? Math.max(0, chosen.start - 20) : 0;
      tickets.get(id).told.textContent = "The report is being written …";
      const { path } = await call("POST", "queue/" + id + "/report", { start_s: start });
      state.told = [id, "Report: " + path];
      tickets.get(id).told.textContent = state.told[1];
      say("The report is written");
      return save(id, "report");
    }
    if (name === "replace") return call("POST", "queue/" + id, { action: "again", overwrite: true });
    return call("POST", "queue/" + id, { action: name });
  }

  async function save(id, what) {
    const { link } = await call("POST", "queue/" + id + "/offer", { what: what });
    const anchor = uncodec.deck.make("a", "", { href: "/download/" + link, download: "" });
    document.body.append(anchor);
    anchor.click();
    anchor.remove();
  }

  function item(ticket) {
    const { make } = uncodec.deck;
    const element = make("li", null, { class: "ticket", "data-id": ticket.id });
    const name = make("span", ticket.name, { class: "name" });
    const target = make("span", "", { class: "about" });
    const bar = make("progress", null, { max: "1", value: "0", "aria-label": "Progress of " + ticket.name });
    const told = make("p", "", { class: "told" });
    const line = make("div", null, { class: "buttons" });
    const buttons = ACTIONS.map(([action, text, label]) => {
      const button = make("button", text, { "data-action": action, "aria-label": label + ": " + ticket.name, title: label });
      button.addEventListener("click", () => act(action, ticket.id).catch(fail));
      return button;
    });
    line.append(...buttons);
    element.append(name, target, bar, told, line);
    const parts = { element, target, bar, told, buttons, ticket };
    tickets.set(ticket.id, parts);
    return parts;
  }

  const STATES = { waiting: "waiting", working: "at work", done: "done", failed: "not done", cancelled: "cancelled" };

  function engine(knobs, like) {
    const parts = [knobs.engine, Math.round(100 * knobs.amount) + " %"];
    if (knobs.brightness_db) parts.push((knobs.brightness_db > 0 ? "+" : "−") + Math.abs(knobs.brightness_db) + " dB");
    if (knobs.repairs) parts.push("repairs");
    if (like) parts.push("like " + like);
    return parts.join(", ");
  }

  function update(ticket) {
    const parts = tickets.get(ticket.id) || item(ticket);
    const { element, target, bar, told, buttons } = parts;
    if (parts.ticket.state !== ticket.state && ticket.state !== "working") say(ticket.name + ": " + STATES[ticket.state]);
    parts.ticket = ticket;
    element.className = "ticket " + ticket.state;
    let about = STATES[ticket.state] + " · " + engine(ticket.knobs, ticket.like) + " → " + ticket.target;
    if (ticket.state === "working" && ticket.left_s !== null) about += " · " + time(ticket.left_s) + " left";
    if (ticket.state === "done") about += " · took " + time(ticket.elapsed_s);
    if (target.textContent !== about) target.textContent = about;
    target.title = ticket.place;
    bar.hidden = ticket.state !== "working";
    bar.value = ticket.share;
    const text = ticket.told || (state.told && state.told[0] === ticket.id ? state.told[1] : "");
    if (told.textContent !== text && !(told.textContent && ticket.state === "done" && !text)) told.textContent = text;
    told.hidden = !told.textContent;
    buttons.forEach((button, i) => {
      button.hidden = !ACTIONS[i][3](ticket);
    });
    return element;
  }

  function showQueue(queue) {
    state.queue = queue;
    $("queue").hidden = !queue.tickets.length;
    const elements = queue.tickets.map(update);
    const list = $("tickets");
    // Only what moved is moved: a button keeps the focus.
    elements.forEach((element, i) => {
      if (list.children[i] !== element) list.insertBefore(element, list.children[i] || null);
    });
    while (list.children.length > elements.length) {
      tickets.delete(list.lastElementChild.dataset.id);
      list.lastElementChild.remove();
    }
    $("paused").hidden = !queue.paused;
    $("paused").textContent = queue.paused;
    $("queue-pause").textContent = queue.paused ? "Go on" : "Pause";
    const left = queue.tickets.filter((ticket) => ticket.state === "waiting" || ticket.state === "working").length;
    const done = queue.tickets.filter((ticket) => ticket.state === "done").length;
    $("queue-forget").hidden = queue.tickets.length === left;
    $("queue-pause").hidden = !left;
    $("queue-left").textContent = (left ? left + " to do" : "All done") + (done ? ", " + done + " done" : "") +
      (queue.left_s !== null ? ", about " + time(queue.left_s) + " left" : "");
  }

  // ---- Presets

  function showPresets(presets) {
    state.presets = presets;
    const { make } = uncodec.deck;
    const before = $("preset").value;
    $("preset").replaceChildren(make("option", "none", { value: "" }),
      ...Object.keys(presets).map((name) => make("option", name, { value: name })));
    $("preset").value = before in presets ? before : "";
    $("preset-delete").disabled = !$("preset").value;
  }

  // ---- Copying

  async function copy(what) {
    const file = uncodec.hear.state.file;
    if (!file) return;
    const told = await call("POST", "copy", { file: file.id, knobs: uncodec.hear.knobsOf(file.id), folder: folder() });
    $("copied-text").textContent = told[what];
    $("copied").hidden = false;
    let done = true;
    try {
      await navigator.clipboard.writeText(told[what]);
    } catch (error) {
      done = false;
    }
    $("copied-told").textContent = (done ? "Copied. " : "This browser does not let it be copied; mark it and copy it. ") +
      (file.dropped ? "The source is called as it was dropped: run it in the folder where that lies." : "");
  }

  function changed(told) {
    if (told.queue) showQueue(told.queue);
    if (told.presets) showPresets(told.presets);
    if (told.output) {
      $("place-told").textContent = told.folder ? "Dropped files go to " + told.output + ", or into the folder below " + told.folder + "." :
        "Dropped files go to " + told.output + ".";
      if (!told.folder) $("place").closest("label").hidden = true;
    }
    $("keep").hidden = !uncodec.files.files.size;
  }

  function counted(many) {
    $("keep-all").disabled = !many;
    $("keep-all").textContent = many ? "Restore " + many + " ticked " + (many === 1 ? "file" : "files") : "Restore ticked files";
    $("keep").hidden = !uncodec.files.files.size;
    const file = uncodec.hear.state.file;
    $("keep-one").disabled = !file || file.state === "broken" || file.state === "arriving";
  }

  function begin() {
    $("keep-one").addEventListener("click", () => keep([uncodec.hear.state.file.id]));
    $("keep-all").addEventListener("click", () => {
      const { files, ticked } = uncodec.files;
      keep([...files.values()].filter(ticked).map((file) => file.id));
    });
    $("place").addEventListener("change", () => {
      $("folder-choice").hidden = $("place").value !== "folder";
    });
    $("queue-pause").addEventListener("click", () => {
      call("POST", "queue", { action: state.queue.paused ? "resume" : "pause" }).catch(fail);
    });
    $("queue-forget").addEventListener("click", () => call("POST", "queue", { action: "forget" }).catch(fail));
    $("preset").addEventListener("change", () => {
      const knobs = state.presets[$("preset").value];
      $("preset-delete").disabled = !knobs;
      if (knobs) uncodec.hear.apply(knobs);
    });
    $("preset-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const name = $("preset-name").value.trim();
      if (!name) return;
      call("POST", "presets", { name: name, knobs: uncodec.hear.read() }).then(() => {
        $("preset-name").value = "";
        say("The preset is saved");
      }, fail);
    });
    $("preset-delete").addEventListener("click", () => {
      call("DELETE", "presets", { name: $("preset").value }).then(() => say("The preset is deleted"), fail);
    });
    $("copy-command").addEventListener("click", () => copy("command").catch(fail));
    $("copy-python").addEventListener("click", () => copy("python").catch(fail));
  }

  uncodec.keep = { begin, changed, counted, keep, state };
})(window.uncodec = window.uncodec || {});
