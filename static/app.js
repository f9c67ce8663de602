// What the pages cannot do by themselves: copy, tell whether they are live, tick, fit the form.
// Everything works without it but for the copying. No inline code, nothing evaluated.
"use strict";

const WORDS = { on: "Live", lost: "Reconnecting", paused: "Paused" };

function live(state) {
  const mark = document.getElementById("live");
  if (!mark || mark.dataset.live === state) return;
  mark.dataset.live = state;
  mark.querySelector(".pill-word").textContent = WORDS[state] ?? "";
}

function say(text) {
  const said = document.getElementById("said");
  said.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { said.textContent = ""; }, 2000);
}

// --- the stream: one a page; its element is the sse element ---
const region = () => document.querySelector("#live-region[hx-sse\\:connect]");

function reopen() {
  live("lost");
  clearTimeout(reopen.timer);
  reopen.timer = setTimeout(() => region()?.dispatchEvent(new Event("reopen")), 2000);
}

const on = (name, act) => document.addEventListener(name, act);
const away = () => live(document.hidden ? "paused" : "lost");
on("htmx:sse:after:connection", () => live("on"));
on("htmx:sse:before:connection", (event) => { if (event.detail.connection.attempt > 0) away(); });
on("htmx:sse:error", away);
on("htmx:sse:close", (event) => { if (event.detail.reason === "message") live("off"); });
on("visibilitychange", () => { if (document.hidden && region()) live("paused"); });

// --- requests that came to nothing: the stream tries again, a button says so ---
function failed(event) {
  if (event.target === region()) return reopen();
  if (event.type === "htmx:response:error") return undefined; // an answer has its own words
  const line = Object.assign(document.createElement("p"), { className: "alarm", textContent: "The panel does not answer. It may be restarting: try again in a moment." });
  line.dataset.tone = "bad";
  return document.getElementById("notice").replaceChildren(line);
}
on("htmx:error", failed);
on("htmx:response:error", failed);
on("htmx:before:request", (event) => {
  if (event.target !== region()) document.getElementById("notice").replaceChildren();
});

// --- times that run on ---
const two = (number) => String(number).padStart(2, "0");

function ago(seconds) {
  if (seconds < 1) return "now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return seconds < 86400 ? `${Math.floor(seconds / 3600)} h ago` : `${Math.floor(seconds / 86400)} d ago`;
}

function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [days, hours, minutes] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  return days ? `${days} d ${two(hours)}:${two(minutes)}` : `${two(hours)}:${two(minutes)}:${two(whole % 60)}`;
}

function tick() {
  for (const time of document.querySelectorAll("time[data-ago], time[data-up]")) {
    const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
    const text = "up" in time.dataset ? span(seconds) : ago(seconds);
    if (time.textContent !== text) time.textContent = text;
  }
}
setInterval(tick, 1000);
on("htmx:after:swap", tick);

// --- a stream that may not be opened again, since nobody is logged in here any more ---
on("htmx:sse:error", (event) => {
  if (event.detail.status === 401) location.reload();
});

// --- copying: a text as it stands, or a payload as hex, text, base64, Python or a command ---
const escaped = (encoded, special, escape) => Array.from(atob(encoded), (c) => (c < " " || c > "~" || special.includes(c) ? escape(c.charCodeAt(0)) : c)).join("");
const AS = {
  base64: (encoded) => encoded,
  hex: (encoded) => Array.from(atob(encoded), (c) => c.charCodeAt(0).toString(16).padStart(2, "0")).join(" ").toUpperCase(),
  text: (encoded) => new TextDecoder().decode(Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0))),
  python: (encoded) => `b"${escaped(encoded, '"\\', (code) => `\\x${code.toString(16).padStart(2, "0")}`)}"`,
  // printf takes octal everywhere; every byte that a shell or printf would read is one.
  nc: (encoded, command) => `printf '${escaped(encoded, "'\\%", (code) => `\\${code.toString(8).padStart(3, "0")}`)}' | ${command}`,
};

on("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-as]");
  if (!button) return;
  const { payload, command } = button.closest("[data-payload]")?.dataset ?? {};
  const text = button.dataset.copy ?? AS[button.dataset.copyAs](payload, command);
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    say("Not copied: the browser does not let this page write to the clipboard.");
    return;
  }
  button.dataset.copied = "";
  setTimeout(() => delete button.dataset.copied, 1500);
  say("Copied");
});

// --- an address that ends in #received-0x1f4, #sent-500 or #chunk-3-16 leads to that byte ---
function toByte() {
  const [, of, at] = /^#(received|sent|chunk-\d+)-(0x[0-9a-f]+|\d+)$/i.exec(location.hash) ?? [];
  if (at && document.querySelector(".jump")) location.replace(`${location.pathname}?${new URLSearchParams({ of: of.replace("chunk-", ""), at })}#at`);
}
on("DOMContentLoaded", toByte);
addEventListener("hashchange", toByte);

// --- the form: only what fits the handler and the transport ---
function fit(form) {
  const transport = form.querySelector("[name=transport]:checked")?.value;
  const handler = form.elements.handler;
  for (const option of handler.options) {
    option.disabled = Boolean(transport && option.dataset.transports && !option.dataset.transports.split(" ").includes(transport));
  }
  if (handler.selectedOptions[0]?.disabled) handler.value = [...handler.options].find((option) => !option.disabled)?.value ?? "";
  const event = form.querySelector("[name=concurrency][value=event]");
  event.disabled = transport === "udp" || transport === "unix-datagram";
  if (event.disabled && event.checked) form.querySelector("[name=concurrency]").checked = true;
  for (const options of form.querySelectorAll("[data-handler]")) {
    options.hidden = options.disabled = options.dataset.handler !== handler.value;
  }
}
const form = document.getElementById("server-form");
if (form) {
  form.addEventListener("change", () => fit(form));
  fit(form);
}
on("change", (event) => {
  if ("submit" in event.target.dataset) event.target.form.requestSubmit();
});
