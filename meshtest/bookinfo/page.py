"""productpage's HTML: the texts and classes by which tests of Bookinfo recognise what was answered."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files
from string import Template

_COLUMNS = {"ISBN-10": "ISBN-10", "publisher": "Publisher", "pages": "Pages", "type": "Type", "language": "Language"}
_SIGN_IN = (
    '<button type="button" id="sign-in-button">Sign in</button>\n'
    '<form method="post" action="login" name="login_form"><input id="username" name="username" required>'
    '<input id="password" name="passwd" type="password"><button type="submit">Sign in</button></form>'
)
PRODUCT = {
    "id": 0,
    "title": "The Comedy of Errors",
    "descriptionHtml": '<a href="https://en.wikipedia.org/wiki/The_Comedy_of_Errors">Wikipedia Summary</a>: '
    "The Comedy of Errors is one of <b>William Shakespeare's</b> early plays. "
    "It is his shortest and one of his most farcical comedies, with a major part of the humour coming from "
    "slapstick and mistaken identity, in addition to puns and word play.",
}

Outcome = tuple[int, object]  # status and JSON of a call


def product_page(user: str, details: Outcome, reviews: Outcome) -> bytes:
    """The page of the one product, with what its two calls brought."""
    account = f'<p>{escape(user)}</p>\n<a href="logout">Sign out</a>' if user else _SIGN_IN
    html = _template("page.html").substitute(
        account=account,
        title=escape(str(PRODUCT["title"])),
        description=PRODUCT["descriptionHtml"],
        details=_details(details),
        reviews=_reviews(reviews),
    )
    return html.encode()


def index_page(services: Mapping[str, str]) -> bytes:
    """The entry page; ``services`` maps URLs to endpoints."""
    rows = "\n".join(f"<tr><td>{escape(url)}</td><td>{escape(name)}</td></tr>" for url, name in services.items())
    return _template("index.html").substitute(services=rows).encode()


@cache
def _template(name: str) -> Template:
    return Template(files("meshtest.bookinfo").joinpath(name).read_text(encoding="utf-8"))


def _details(outcome: Outcome) -> str:
    status, details = outcome
    if status != 200:
        return _failure("Error fetching product details", details)
    head = "".join(f"<th>{title}</th>" for title in _COLUMNS.values())
    cells = "".join(f"<td>{escape(_member(details, name))}</td>" for name in _COLUMNS)
    return f"<h4>Book Details</h4>\n<table><tr>{head}</tr>\n<tr>{cells}</tr></table>"


def _reviews(outcome: Outcome) -> str:
    status, reviews = outcome
    if status != 200:
        return _failure("Error fetching product reviews", reviews)
    entries = reviews.get("reviews") if isinstance(reviews, dict) else None
    articles = [_review(entry, reviews) for entry in entries or []]
    return "\n".join(["<h4>Book Reviews</h4>", *articles])


def _review(entry: object, reviews: object) -> str:
    cluster = _member(reviews, "clustername")
    on_cluster = "" if cluster == "null" else f" on cluster <div>{escape(cluster)}</div>"
    return (
        f"<article>\n{_stars(entry)}"
        f'<blockquote><p>"{escape(_member(entry, "text"))}"</p></blockquote>\n'
        f'<div class="font-semibold">{escape(_member(entry, "reviewer"))}</div>\n'
        f'<div class="font-mono">Reviews served by: {escape(_member(reviews, "podname"))}{on_cluster}</div>\n</article>'
    )


def _stars(entry: object) -> str:
    rating = entry.get("rating") if isinstance(entry, dict) else None
    if not isinstance(rating, dict):
        return ""
    if stars := rating.get("stars"):
        shown = "★" * int(stars) + "☆" * (5 - int(stars))
        return f'<div class="flex gap-x-1 text-{escape(str(rating.get("color")))}-500">{shown}</div>\n'
    if error := rating.get("error"):
        return f'<p class="text-red-500">{escape(str(error))}</p>\n'
    return ""


def _failure(title: str, answer: object) -> str:
    return f'<p class="text-2xl text-red-500">{title}</p>\n<p class="text-lg">{escape(_member(answer, "error"))}</p>'


def _member(answer: object, name: str) -> str:
    return str(answer.get(name, "")) if isinstance(answer, dict) else ""
