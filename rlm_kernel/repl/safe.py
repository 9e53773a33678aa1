"""What a model's code may show in a person's page: nothing that runs there, or calls out of it.

Outputs of a cell that just ran are trusted by JupyterLab: a script in them has the person's login
and could open a terminal. So of what a model's code shows only what is known to be inert is kept:
text, pictures, sanitised HTML and SVG, JSON.

Guarantees, whatever goes in: no script, event handler, form, frame, object, style sheet or link
that runs code comes out; no picture or style is fetched from anywhere; what can't be made safe, or
not in a moment, is left out, and named.
"""

from __future__ import annotations

import base64
import binascii
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from .bounds import DEEP, html_is_light, svg_is_light

RENDERED = 100_000  # characters of Markdown or LaTeX; a page takes long over more, as we do
WIDEST = 20_000  # pixels that a picture may be said to have
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_AS_THEY_ARE = ("text/plain", "application/json")
_SIZES = ("width", "height")
_MARKDOWN_MAY_RUN = re.compile(r"<\s*[a-z!/?]|script\s*:|data\s*:|!\[|&#", re.IGNORECASE)
_LATEX_MAY_RUN = re.compile(
    r"\\(?:href|url|includegraphics|html\w+|unicode|require|class|cssId|style|data)\b"
)
_STYLES = {
    "background-color", "border", "border-bottom", "border-collapse", "border-top", "color",
    "font-family", "font-size", "font-style", "font-weight", "margin", "padding",
    "text-align", "text-decoration", "vertical-align", "white-space", "width",
}  # fmt: skip
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "{http://www.w3.org/1999/xlink}href"
_SVG_LEFT_OUT = {
    "script", "foreignobject", "iframe", "object", "embed", "audio", "video", "canvas", "a",
    "animate", "animatemotion", "animatetransform", "set", "handler", "style", "use", "image",
    "feimage", "link", "meta",
}  # fmt: skip
_CALLS_OUT = re.compile(
    r"(?:java|vb)script\s*:|data\s*:|https?\s*:|//|@import|expression\s*\(", re.IGNORECASE
)
_OUTSIDE_URL = re.compile(r"url\s*\(\s*['\"]?\s*(?!#)", re.IGNORECASE)


def safe_bundle(
    data: Mapping[str, Any], metadata: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Give of a display's data and metadata what is safe, and the kinds that were left out.

    Args:
        data: content by MIME type.
        metadata: of the display, by MIME type too.
    """
    kept: dict[str, Any] = {}
    left_out: list[str] = []
    for kind, value in data.items():
        safe = _safe(str(kind), value)
        if safe is None:
            left_out.append(str(kind)[:80])
        else:
            kept[safe[0]] = safe[1]
            if kind == "text/html" and _lost_script(value, safe[1]):
                left_out.append("a script in text/html")
    return kept, {k: _sizes(v) for k, v in (metadata or {}).items() if k in kept}, left_out


def left_out_text(kinds: list[str]) -> str:
    """Say what was left out, in one line."""
    said = ", ".join(kinds)
    why = "since it could run in this page or hold it up"
    return f"[rlm: left out of a model's output, {why}: {said}]"


def _safe(kind: str, value: Any) -> tuple[str, Any] | None:
    if kind in _AS_THEY_ARE:
        return kind, value
    if kind in _PICTURES:
        return (kind, value) if _is_base64(value) else None
    if not isinstance(value, str):
        return None
    if kind == "text/html":
        return _named(kind, safe_html(value))
    if kind == "image/svg+xml":
        return _named(kind, safe_svg(value))
    if kind in ("text/markdown", "text/latex") and len(value) > RENDERED:
        return None
    if kind == "text/markdown":
        if not _MARKDOWN_MAY_RUN.search(value):
            return kind, value
        return _named("text/html", _rendered(value))
    if kind == "text/latex":
        return None if _LATEX_MAY_RUN.search(value) else (kind, value)
    return None


def _named(kind: str, safe: str | None) -> tuple[str, str] | None:
    return None if safe is None else (kind, safe)


def safe_html(text: str) -> str | None:
    """Give HTML without anything that runs, is fetched, or is sent; None where it takes long."""
    import nh3

    text = text.replace("\0", "")  # each is a fault to the parser, and nothing on a page
    if not html_is_light(text):
        return None
    attributes = {name: set(found) for name, found in nh3.ALLOWED_ATTRIBUTES.items()}
    attributes["*"] = {"class", "style", "title", "align", "colspan", "rowspan", "scope"}
    return nh3.clean(
        text,
        attributes=attributes,
        attribute_filter=_attribute,
        filter_style_properties=_STYLES,
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="noopener noreferrer",
    )


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name == "src":  # a picture from elsewhere would tell elsewhere that it is looked at
        return value if re.match(r"data:image/(?:png|jpeg|gif|webp);base64,", value) else None
    if name in ("href", "cite", "action", "longdesc", "background"):
        return value if re.match(r"(?:https?:|mailto:|#)", value.strip(), re.I) else None
    if name == "style":
        return None if _OUTSIDE_URL.search(value) or "\\" in value or "/*" in value else value
    return value


def safe_svg(text: str) -> str | None:
    """Give an SVG without scripts, handlers and references outside.

    None where it isn't one, or takes long.
    """
    if not svg_is_light(text):
        return None
    if "<!ENTITY" in text.upper() or ("<!DOCTYPE" in text.upper() and "[" in text[:2_000]):
        return None
    try:
        root = ET.fromstring(text)
    except (ET.ParseError, ValueError, RecursionError):
        return None
    if root.tag not in ("svg", f"{{{_SVG}}}svg"):
        return None
    if not _strip(root):
        return None
    ET.register_namespace("", _SVG)
    return ET.tostring(root, encoding="unicode")


def _strip(root: ET.Element) -> bool:
    """Take out what isn't inert; False where what is left nests too deep to be written."""
    stack = [(root, 1)]
    while stack:
        node, depth = stack.pop()
        if depth > DEEP:
            return False
        for name, value in list(node.attrib.items()):
            plain = name.rpartition("}")[2].lower()
            runs = plain.startswith("on") or plain in ("href", "src", "attributename", "to", "from")
            if (runs and not (plain == "href" and value.startswith("#"))) or (
                _CALLS_OUT.search(value) and not name.endswith("xmlns")
            ) or _OUTSIDE_URL.search(value):  # fmt: skip
                del node.attrib[name]
        kept = [child for child in node if _stays(child)]
        if len(kept) < len(node):
            node[:] = kept  # at once: of many children, to take out each alone takes long
        stack += [(child, depth + 1) for child in kept]
    return True


def _stays(child: ET.Element) -> bool:
    if not isinstance(child.tag, str):
        return False
    space, _, name = child.tag.rpartition("}")
    if space and space != f"{{{_SVG}":
        return False
    kind = name.lower()
    if kind == "use":
        return child.get(_XLINK, child.get("href", "")).startswith("#")
    return kind not in _SVG_LEFT_OUT


def _rendered(markdown: str) -> str | None:
    from markdown_it import MarkdownIt

    return safe_html(MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown))


def _is_base64(value: Any) -> bool:
    if isinstance(value, bytes):  # the kernel encodes it when it sends it
        return True
    if not isinstance(value, str):
        return False
    try:
        base64.b64decode(value[:4_000].replace("\n", "")[:4_000 // 4 * 4], validate=True)
    except (binascii.Error, ValueError):
        return False
    return re.fullmatch(r"[A-Za-z0-9+/=\s]*", value) is not None


def _sizes(metadata: Any) -> dict[str, Any]:
    if not isinstance(metadata, Mapping):
        return {}
    return {
        k: metadata[k]
        for k in _SIZES
        if type(metadata.get(k)) in (int, float) and 0 <= metadata[k] <= WIDEST
    }


def _lost_script(before: Any, after: str) -> bool:
    pattern = re.compile(r"<\s*(?:script|iframe|object|embed)|\son\w+\s*=", re.IGNORECASE)
    return bool(pattern.search(str(before))) and not pattern.search(after)
