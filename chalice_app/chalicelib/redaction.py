"""What must never be read in Slack or in a log, wherever it came from: keys, tokens, webhooks, passwords, addresses.

Patterns know the forms that credentials have. `hide` adds the values that this process holds, which may have any form;
they are remembered for the process, because whoever writes a line does not know who has read a secret.
"""

import re
from collections.abc import Iterable

MARK = "[redacted]"
SHORTEST = 6  # a shorter value would be found in the middle of words

# A value ends where JSON, a URL or Slack's markup would go on, so that a redacted line is still the line it was.
_VALUE = r"[^\s\"'\\&<>|`]"
_NAME = (
    r"((?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key(?:[_-]?id)?|private[_-]?key|session[_-]?key"
    r"|credential|signature)s?(?:\\*[\"']|%22)?(?:\s|%20)*(?:=|:|%3D|%3A)(?:\s|%20)*+)"
)
_OPEN = r"(?!\[redacted\])"
_CALLED = ("pass", "pwd", "secret", "token", "key", "credential", "signature")

# What a text must hold, in small letters, to be worth a look; the pattern; what stands in its place.
_ANY_CASE = (
    (("slack",), r"(?:https?:\\?/\\?/)?hooks\.slack(?:-gov)?\.com[^\s\"'<>|`]*", MARK),
    (("bearer", "basic"), rf"\b((?:bearer|basic)(?:\s+|%20)){_VALUE}{{8,}}", rf"\1{MARK}"),
    # whatever is called a secret, in JSON, in JSON inside JSON, in a query or in a sentence
    (_CALLED, rf"{_NAME}(\\*[\"']|%22)(?:(?!\2).){{1,500}}?\2", rf"\1\2{MARK}\2"),
    (_CALLED, rf"{_NAME}(\\*[\"']?){_OPEN}{_VALUE}{{3,}}", rf"\1\2{MARK}"),
    # passwords in URLs, and in URLs inside URLs
    (("%3a%2f",), r"\b([a-z][a-z0-9+.-]{0,30}%3A%2F%2F[^\s\"'/:@<>|%]*%3A)[^\s\"'/<>|]+?%40", rf"\1{MARK}%40"),
    (
        ("://", ":\\/"),
        rf"\b([a-z][a-z0-9+.-]{{0,30}}:\\?/\\?/[^\s\"'/:@<>|]*:){_OPEN}[^\s\"'/<>|]+@",
        rf"\1{MARK}@",
    ),
)
_EXACT = (
    (("xox", "xapp"), r"x(?:ox[a-z]|app)(?:\.xox[a-z])?-[\w-]{6,}", MARK),  # Slack
    (("gh",), r"gh[pousr]_\w{20,}|github_pat_\w{20,}", MARK),
    (("adm_",), r"adm_\w{1,40}?_[\w-]{20,}", MARK),  # admin keys of ours
    (("a",), r"A(?:KIA|SIA|ROA|IDA|BIA|CCA)[A-Z0-9]{12,}", MARK),
    # An AWS secret access key: forty characters of both cases and a digit, which a hash in hexadecimal has not.
    (("",), r"(?<![\w/+])(?=[\w/+]*[A-Z])(?=[\w/+]*[a-z])(?=[\w/+]*[0-9])[A-Za-z0-9/+]{40}(?![\w/+])", MARK),
    (("eyj",), r"eyJ[\w-]{8,4000}\.[\w-]{8,4000}(?:\.[\w-]*)?", MARK),  # JSON Web Token
    (("-----begin",), r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", MARK),
)
_PATTERNS = (
    *((needles, re.compile(pattern, re.IGNORECASE), replacement) for needles, pattern, replacement in _ANY_CASE),
    *((needles, re.compile(pattern, re.DOTALL), replacement) for needles, pattern, replacement in _EXACT),
)
_hidden: set[str] = set()


def hide(values: Iterable[str]) -> None:
    """From now on these values are redacted wherever this process writes, in either case of letters."""
    _hidden.update(value for value in values if len(value) >= SHORTEST)


def redact(text: str) -> str:
    """The text without anything that looks like a credential, or is one of ours."""
    for value in _hidden:
        text = re.sub(re.escape(value), MARK, text, flags=re.IGNORECASE)
    small = text.lower()
    for needles, pattern, replacement in _PATTERNS:
        if any(needle in small for needle in needles):
            text = pattern.sub(replacement, text)
    return text
