"""Pieces of HTML from text that may hold anything."""

import json
from html import escape


def element(tag, content="", **attributes):
    """<tag …>content</tag>; content is HTML, attributes are text ("class_" is class, "_" is "-")."""
    told = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    return f"<{tag}{told}>{content}</{tag}>"


def paragraph(text, **attributes):
    return element("p", escape(text), **attributes)


def folded(summary, content, **attributes):
    """Content behind a line that opens it; nothing where there is none."""
    if not content:
        return ""
    return element("details", f"<summary>{escape(summary)}</summary>\n{content}", **attributes)


def table(header, rows, caption="", **attributes):
    """A table that scrolls sideways on its own where it is too wide. Header is text, cells are HTML;
    a row's first cell is its heading. Without rows nothing."""
    if not rows:
        return ""
    head = "".join(element("th", escape(name), scope="col") for name in header)
    body = "\n".join(
        "<tr>"
        + element("th", row[0], scope="row")
        + "".join(element("td", cell) for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    title = element("caption", escape(caption)) if caption else ""
    whole = f"{title}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>"
    return scrolling(element("table", whole, **attributes), caption or ", ".join(header))


def scrolling(content, label):
    """A box of its own for what is wider than the page; with a name and reachable by keyboard."""
    return element("div", content, class_="scroll", tabindex=0, role="region", aria_label=label)


def items(texts):
    """A list of texts; nothing where there are none."""
    return element("ul", "".join(element("li", escape(text)) for text in texts)) if texts else ""


def inline_json(value):
    """JSON that nothing in it can end the surrounding script element or comment. Numbers that JSON
    has not are null."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
