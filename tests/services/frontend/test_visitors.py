"""Whose requests are counted together."""

import pytest
from fastapi import Request

from services.frontend.visitors import visitor_address


def request(*headers: tuple[str, str], peer: str = "192.0.2.1") -> Request:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return Request({"type": "http", "headers": raw, "client": (peer, 4711)})


@pytest.mark.parametrize(
    ("given", "counted"),
    [
        ("198.51.100.10:46532", "198.51.100.10"),
        ("2001:db8:1:2:3:4:5:6:46532", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2:3:4:5:6]:46532", "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.10:46532", "198.51.100.10"),
    ],
)
def test_the_viewer_is_the_one_that_cloudfront_names(given: str, counted: str) -> None:
    assert visitor_address(request(("CloudFront-Viewer-Address", given))) == counted


@pytest.mark.parametrize("given", ["", "nonsense", "198.51.100.10", "300.1.1.1:80", "a" * 5000, "\xff:1"])
def test_a_header_without_an_address_leaves_the_peer(given: str) -> None:
    assert visitor_address(request(("CloudFront-Viewer-Address", given))) == "192.0.2.1"


def test_two_viewers_are_none() -> None:
    twice = [("CloudFront-Viewer-Address", "198.51.100.10:1"), ("CloudFront-Viewer-Address", "198.51.100.11:1")]
    assert visitor_address(request(*twice)) == "192.0.2.1"


def test_a_forwarded_address_counts_for_nothing() -> None:
    assert visitor_address(request(("X-Forwarded-For", "198.51.100.10"), ("Forwarded", "for=198.51.100.10"))) == (
        "192.0.2.1"
    )


def test_a_peer_without_an_address_is_still_somebody() -> None:
    assert visitor_address(request(peer="/run/shop.sock")) == "/run/shop.sock"
