// An export that was begun on this page: how far it is, and a way to stop it. The browser saves it
// as any download; it is only given a name, by which the server tells of it.
"use strict";

(() => {
  const line = document.getElementById("exporting");
  const [words, stop] = line.children;
  const LOOK_MS = 500;
  const MOST_UNHEARD = 20; // looks until it should have begun
  let current = null;

  const many = (count) => count.toLocaleString("en");
  const requests = (count) => `${many(count)} ${count === 1 ? "request" : "requests"}`;
  const ask = (method) => fetch(`/api/v1/log/exports/${current.id}`, { method });

  function told({ rows, about, exact, state }) {
    if (state === "done") return `${requests(rows)} saved.`;
    if (state === "cancelled") return `stopped after ${requests(rows)}: the file is not whole.`;
    if (state === "broken") return `it broke off after ${requests(rows)}: the file is not whole.`;
    return about === null ? `${requests(rows)} so far` : `${many(rows)} of ${exact ? "" : "about "}${requests(about)}`;
  }

  function show(progress) {
    words.textContent = `${current.what}: ${told(progress)}`;
    stop.hidden = progress.state !== "running";
    if (stop.hidden) say(words.textContent);
  }

  function notBegun() {
    words.textContent = `${current.what}: it has not begun. There may be too many at one time: try again in a moment.`;
    stop.hidden = true;
    say(words.textContent);
  }

  async function look() {
    const mine = current;
    let answer = null;
    try {
      answer = await ask("GET");
    } catch {
      answer = null; // the panel may be restarting: asked again
    }
    if (mine !== current) return;
    if (answer?.ok) show(await answer.json());
    else if (++mine.unheard > MOST_UNHEARD) return void notBegun();
    if (!stop.hidden) setTimeout(look, LOOK_MS);
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-export]");
    if (!link) return;
    const id = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    const url = new URL(link.href);
    url.searchParams.set("follow", id);
    link.href = url;
    current = { id, what: link.textContent, unheard: 0 };
    line.hidden = stop.hidden = false;
    words.textContent = `${current.what}: counting`;
    setTimeout(look, LOOK_MS);
  });
  stop.addEventListener("click", async () => {
    const answer = await ask("DELETE");
    if (answer.ok) show(await answer.json());
  });
})();
