// The live log: while somebody reads (scrolled down, a text selected, Space) new rows are held back
// and counted; what went by without being shown is told, with the way to it. The list stays as long
// as the server sends it, and one update is held at most.
"use strict";

(() => {
  const pill = document.querySelector("button#live");
  const list = document.getElementById("requests");
  if (!pill || !list) return;
  const word = pill.querySelector(".pill-word");
  const skipped = document.getElementById("skipped");
  const rows = Number(list.dataset.rows); // of one update
  const why = { asked: false, scrolled: false, selected: false };
  let shown = document.getElementById("tail").dataset.place; // up to here the list has been shown
  let place = shown; // and up to here it is known
  let fresh = 0; // requests between the two
  let passed = 0; // requests that were never on the page, from the place `from` on
  let from = null;
  let roughly = ""; // "+" once one of them was not counted to the end
  let behind = 0;
  let held = null; // the newest list, while it is not shown

  const paused = () => why.asked || why.scrolled || why.selected;
  const many = (count) => count.toLocaleString("en");

  // --- what comes ---
  document.addEventListener("htmx:before:swap", ({ detail }) => {
    const tail = detail.tasks.find((task) => task.target?.id === "tail");
    if (!tail) return;
    const told = tail.fragment.firstElementChild.dataset;
    fresh += Number(told.more);
    if ("inexact" in told) roughly = "+";
    place = told.place;
    behind = Number(told.behind);
    if (!paused()) return show();
    const at = detail.tasks.findIndex((task) => task.target === list);
    if (at >= 0) held = detail.tasks.splice(at, 1)[0].fragment;
    return tell();
  });

  // The list is the newest from now on: what is not on it was passed over.
  function show() {
    const missed = Math.max(0, fresh - rows);
    if (missed) {
      passed += missed;
      from ??= shown;
      skipped.hidden = false;
      skipped.firstElementChild.textContent = `${many(passed)}${roughly} ${passed === 1 && !roughly ? "request" : "requests"} went by without being on this page: more came than it shows.`;
      skipped.lastElementChild.href = skipped.dataset.href + from;
    }
    [shown, fresh] = [place, 0];
    tell();
  }

  // --- pausing and going on ---
  function pause(cause, on) {
    if (why[cause] === on) return;
    why[cause] = on;
    if (paused()) tell();
    else goOn();
  }

  function goOn() {
    const box = document.createElement("div");
    if (held) box.append(held);
    held = null;
    show();
    if (!box.firstChild) return;
    const text = `<hx-partial hx-target="#requests" hx-swap="innerMorph">${box.innerHTML}</hx-partial>`;
    const region = document.getElementById("live-region");
    htmx.swap({ text, sourceElement: region, target: region, swap: "none" });
  }

  function toggle() {
    if (!paused()) return pause("asked", true);
    if (why.selected) getSelection().removeAllRanges();
    if (why.scrolled) scrollTo({ top: 0, behavior: "instant" });
    why.asked = why.scrolled = why.selected = false;
    return goOn();
  }

  function scrolled() {
    const top = document.querySelector(".bar").offsetHeight; // sticks to the top where it is shown
    pause("scrolled", list.getBoundingClientRect().top < top);
  }
  document.addEventListener("scroll", scrolled, { passive: true });
  document.addEventListener("selectionchange", () => {
    const selection = getSelection();
    pause("selected", !selection.isCollapsed && selection.containsNode(list, true));
  });
  pill.addEventListener("click", toggle);
  document.addEventListener("keydown", (event) => {
    const own = event.target.closest("input, textarea, select, button, summary, [contenteditable]");
    if (event.key !== " " || own || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    event.preventDefault();
    if (!event.repeat) toggle();
  });

  // --- the pill; what it says is read out politely, and its number not all the time ---
  function words() {
    if (pill.dataset.live !== "on") return ["", word.textContent];
    if (paused()) return ["paused", fresh ? `Paused - ${many(fresh)}${roughly} new` : "Paused"];
    return behind ? ["behind", `Behind by ${many(behind)}`] : ["", "Live"];
  }

  function tell() {
    const [tail, text] = words();
    if (pill.dataset.tail !== tail) pill.dataset.tail = tail;
    if (word.textContent !== text) word.textContent = text;
    say(`${pill.dataset.live} ${tail}`, text);
  }

  const SAID_MS = 10_000;
  function say(state, text) {
    if (say.state === state && Date.now() - say.at < SAID_MS) return;
    document.getElementById("live-said").textContent = text;
    [say.state, say.at] = [state, Date.now()];
  }

  // app.js notes whether the stream is there; its words come first.
  new MutationObserver(tell).observe(pill, { attributes: true, attributeFilter: ["data-live"] });
  scrolled();
})();
