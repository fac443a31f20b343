// The page as a whole: it begins when there is a token, and says when the server is gone.
(function (uncodec) {
  "use strict";

  const $ = (id) => document.getElementById(id);
  const { call, watch, token } = uncodec.wire;
  let started = false;
  let ended = false;

  function lost(error) {
    const box = $("lost");
    if (error && error.status === 401) {
      $("gate").hidden = false;
      $("columns").hidden = true;
      box.hidden = true;
      return;
    }
    box.hidden = !error;
    if (ended) box.textContent = "The server has ended. Start it again with “uncodec web”.";
    else if (error) {
      box.textContent = "The server does not answer. This page goes on when it does; if it was started again, open the " +
        "address that it printed.";
    }
  }

  function changed(told) {
    if (!started) {
      started = true;
      $("gate").hidden = true;
      $("columns").hidden = false;
      uncodec.hear.begin(told.defaults, told.preview_s, again);
    }
    uncodec.files.changed(told);
    uncodec.keep.changed(told);
    if (told.engine) {
      $("engine-state").textContent = told.engine.problem ? "No preview: " + told.engine.problem :
        told.engine.warm ? "" : "The engine is loading …";
    }
  }

  function again() {
    const { files, ticked } = uncodec.files;
    uncodec.keep.counted([...files.values()].filter(ticked).length);
  }

  function open() {
    started = false;
    watch(changed, lost);
  }

  function begin() {
    uncodec.deck.begin({ title: "Uncodec", clips: [], tables: [], facts: [] });
    uncodec.files.begin({ chosen: uncodec.hear.chosen, ticked: uncodec.keep.counted });
    uncodec.keep.begin();
    $("end").addEventListener("click", () => {
      const left = uncodec.keep.state.queue.tickets.filter((t) => t.state === "waiting" || t.state === "working").length;
      const warning = left ? left + " files are not done yet. Those of the folder go on with the next start; dropped ones have to " +
        "be dropped again. End the server?" : "End the server? Files that were dropped are deleted; results stay.";
      if (!window.confirm(warning)) return;
      ended = true;
      call("POST", "end", {}).catch(() => {});
    });
    $("login").addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        const told = await call("POST", "login", { password: $("password").value });
        location.hash = told.token;
        token();
        $("password").value = "";
        open();
      } catch (error) {
        $("lost").textContent = error.message;
        $("lost").hidden = false;
      }
    });
    // The address with a token, opened in a tab that is here already.
    window.addEventListener("hashchange", () => {
      if (location.hash.length > 1) {
        token();
        location.reload();
      }
    });
    if (token()) open();
    else lost({ status: 401 });
  }

  begin();
})(window.uncodec = window.uncodec || {});
