// Speaking with the server: the token, requests, streams of pieces, and what changes.
(function (uncodec) {
  "use strict";

  const KEY = "uncodec-token";

  class Refused extends Error {
    constructor(message, status) {
      super(message);
      this.status = status;
    }
  }

  // The token stands behind the # of the address that opens the page: no server is sent that part.
  function token() {
    const given = location.hash.slice(1);
    if (given) {
      localStorage.setItem(KEY, given);
      history.replaceState(null, "", location.pathname);
    }
    return localStorage.getItem(KEY) || "";
  }

  async function send(method, path, body, more) {
    const headers = { Authorization: "Bearer " + token() };
    if (typeof body === "string") headers["Content-Type"] = "application/json";
    const response = await fetch("/api/" + path, Object.assign({ method: method, headers: headers, body: body,
      credentials: "omit", cache: "no-store" }, more));
    if (response.ok) return response;
    let text = await response.text();
    try {
      text = JSON.parse(text).error || text;
    } catch (error) {
      // A sentence already.
    }
    throw new Refused(text || "the server refused", response.status);
  }

  async function call(method, path, asked, more) {
    const body = asked === undefined ? undefined : JSON.stringify(asked);
    return (await send(method, path, body, more)).json();
  }

  // Messages of a stream: a head, and what it tells of as bytes.
  async function* stream(path, asked, signal) {
    const response = await send("POST", path, JSON.stringify(asked), { signal: signal });
    const reader = response.body.getReader();
    let held = [];
    let count = 0;
    async function take(size) {
      while (count < size) {
        const { value, done } = await reader.read();
        if (done) return null;
        held.push(value);
        count += value.length;
      }
      const out = new Uint8Array(size);
      let at = 0;
      while (at < size) {
        const part = held[0].subarray(0, size - at);
        out.set(part, at);
        at += part.length;
        if (part.length === held[0].length) held.shift();
        else held[0] = held[0].subarray(part.length);
      }
      count -= size;
      return out;
    }
    for (;;) {
      const size = await take(4);
      if (!size) return;
      const text = await take(new DataView(size.buffer).getUint32(0, true));
      const head = JSON.parse(new TextDecoder().decode(text));
      yield [head, await take(head.bytes)];
    }
  }

  const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

  // Calls `changed` with what changes, for as long as there is a server; `lost` with why not, or null.
  async function watch(changed, lost) {
    let since = 0;
    let wait = 0.5;
    for (;;) {
      try {
        const told = await call("GET", "state?since=" + since);
        since = told.now;
        wait = 0.5;
        lost(null);
        changed(told);
      } catch (error) {
        lost(error);
        if (error.status === 401) return;
        await pause(wait);
        wait = Math.min(5, 2 * wait);
      }
    }
  }

  async function upload(id, file, signal, progress) {
    // fetch tells nothing of how far it is; this does.
    await new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("PUT", "/api/uploads/" + id);
      request.setRequestHeader("Authorization", "Bearer " + token());
      request.upload.onprogress = (event) => progress(event.loaded);
      request.onload = () => {
        if (request.status === 200) return resolve();
        let text = "the server refused";
        try {
          text = JSON.parse(request.responseText).error;
        } catch (error) {
          // As it is.
        }
        return reject(new Error(text));
      };
      request.onerror = () => reject(new Error("the connection broke"));
      request.onabort = () => reject(new DOMException("stopped", "AbortError"));
      signal.addEventListener("abort", () => request.abort());
      request.send(file);
    });
  }

  uncodec.wire = { call, stream, watch, upload, token, Refused };
})(window.uncodec = window.uncodec || {});
