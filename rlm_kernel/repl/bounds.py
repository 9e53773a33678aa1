"""Whether HTML or SVG of somebody else's can be cleaned in a moment.

A parser of HTML takes time by the square of how deep tags nest, and of how many attributes one has:
200,000 nested tags are minutes. So what is to be cleaned is looked at first.

Guarantees, whatever goes in: a look takes time in proportion to the text's length; what it lets
through is cleaned in about a second; what is shallow and written with care passes up to
``MOST_TAGS``, so that a long table does.
"""

from __future__ import annotations

import re
from itertools import islice

MOST = 5 << 20  # characters
ANY_TAGS = 6_000  # tags that may nest and be left open in any way
MOST_TAGS = 200_000  # tags that nest in order
DEEP = 200  # how deep these may be
ATTRIBUTES = 1_000  # of one tag
SLACK = 1 << 20  # characters that may be read more than once

# As the HTML standard reads a tag, to the letter: were its end elsewhere, all after it is misread.
# Nothing in it is tried in two ways (``*+``), and a tag that isn't closed goes on to the end.
_ATTRIBUTE = re.compile(
    r"(?:=[^\t\n\f\r />=]*+|[^\t\n\f\r />=]++)"
    r"(?:[\t\n\f\r ]*+=[\t\n\f\r ]*+"
    r"(?:\"[^\"]*+\"?+|'[^']*+'?+|[^\t\n\f\r >\"'][^\t\n\f\r >]*+|(?=>|\Z)))?+"
)
_TAG = re.compile(
    r"<(/?)([a-zA-Z][^\t\n\f\r />]*+)((?:[\t\n\f\r /]++|" + _ATTRIBUTE.pattern + r")*+)>?+"
)
_TAG_BEGINS = re.compile(r"</?[a-zA-Z]")
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source",
         "track", "wbr"}  # fmt: skip
# What is in these is read by other rules.
_OTHER_RULES = {"iframe", "math", "noembed", "noframes", "noscript", "plaintext", "script", "style",
                "svg", "template", "textarea", "title", "xmp"}  # fmt: skip


def html_is_light(text: str) -> bool:
    """Say whether HTML can be cleaned in a moment."""
    if len(text) > MOST:
        return False
    tags = text.count("<")
    if tags <= ANY_TAGS:
        return _few_attributes(text)
    return tags <= MOST_TAGS and _nests_in_order(text)


def svg_is_light(text: str) -> bool:
    """Say whether an SVG can be cleaned in a moment; how deep it nests shows only later."""
    return len(text) <= MOST and text.count("<") <= MOST_TAGS and text.count("=") <= MOST_TAGS * 2


def _few_attributes(text: str) -> bool:
    read = 0
    for begin in _TAG_BEGINS.finditer(text):
        # Each is looked at, though it may be part of another one's value: which is which is known
        # only to who has read everything before.
        tag = _TAG.match(text, begin.start())
        if tag is None or _attributes(tag) > ATTRIBUTES:
            return False
        read += tag.end() - tag.start()
        if read > SLACK + 2 * len(text):
            return False
    return True


def _nests_in_order(text: str) -> bool:
    """Say whether each tag that ends is the last one that began, and few are open at a time."""
    stack: list[str] = []
    at = text.find("<")
    while at >= 0:
        tag = _TAG.match(text, at)
        if tag is None:  # a comment, a declaration, a stray sign
            return False
        name = tag[2].lower()
        if not (name.isascii() and name.isalnum()) or name in _OTHER_RULES:
            return False
        if _attributes(tag) > ATTRIBUTES:
            return False
        if not tag[1] and name not in _VOID:
            stack.append(name)
            if len(stack) > DEEP:
                return False
        elif tag[1] and stack and stack[-1] == name:
            stack.pop()  # one that ends in another order is taken for never ended
        at = text.find("<", tag.end())
    return True


def _attributes(tag: re.Match[str]) -> int:
    """Count a tag's attributes, to one more than it may have."""
    if not tag[3]:
        return 0
    return sum(1 for _ in islice(_ATTRIBUTE.finditer(tag[3]), ATTRIBUTES + 1))
