"""What must not be read in a log, wherever it came from: credentials, passwords, cookies, e-mail addresses.

Patterns know the forms that such things have here. A secret without a form (a password in a sentence, somebody's
street) cannot be told from a word. So nothing logs what a client sends to begin with; this is the second line.
"""

import re

MARK = "[redacted]"

_VALUE = r"(?!\[redacted\])[^\s\"'\\,;&<>)}\]]{1,4096}"
_QUOTE = r"\\?[\"']"
# between a name and its value: in a header, a mapping, a query, a list of pairs
_IS = rf"(?:(?:{_QUOTE})?(?:\s{{0,3}}[:=]\s{{0,3}}|%3A|%3D)(?:b?{_QUOTE})?|{_QUOTE}\s{{0,3}},\s{{0,3}}b?{_QUOTE})"
_NAME = r"(?:authorization|x-origin-verify|password|passwd|secret|token|api[_-]?key|signature)"
_LOCAL = r"[\w.!#$&*+/=?^`{|}~'-]"
_SCHEME = r"(?:bearer|basic|tandem)"

_ANY_CASE = (
    (r"(input_value=).{1,500}?(, input_type=)", rf"\1{MARK}\2"),  # what pydantic quotes of the input
    (rf"(cookie{_IS})[^\"'\\\r\n<>]{{1,8192}}", rf"\1{MARK}"),
    (rf"({_NAME}{_IS}(?:{_SCHEME}\s++)?+){_VALUE}", rf"\1{MARK}"),
    (rf"\b({_SCHEME}(?:\s{{1,3}}|%20))(?=\S{{8}}){_VALUE}", rf"\1{MARK}"),
    (r"([a-z][a-z0-9+.-]{0,30}://)[^\s\"'/@<>]{1,1024}@", rf"\1{MARK}@"),  # passwords in addresses
    (r"(https?://[^\s\"'?<>]{1,2048}\?)[^\s\"'<>]{1,8192}", rf"\1{MARK}"),  # queries
    (rf"(?<!{_LOCAL}){_LOCAL}++(?:@|%40)[\w-]{{1,63}}(?:\.[\w-]{{1,63}}){{1,8}}", MARK),  # e-mail addresses
)
_EXACT = (
    (r"adm_\w{1,40}_[\w-]{16,}", MARK),  # admin keys
    # sessions, seals, and signatures between services: key id, time, text, signature
    (r"(?<!\w)(?:v1\.\w{1,40}\.)?\w{1,40}\.\d{9,11}\.[\w-]{0,8192}\.[\w-]{40,}", MARK),
    (r"eyJ[\w-]{8,4096}\.[\w-]{8,4096}(?:\.[\w-]{0,4096})?", MARK),  # JSON Web Tokens
)
_PATTERNS = (
    *((re.compile(pattern), replacement) for pattern, replacement in _EXACT),
    *((re.compile(pattern, re.IGNORECASE | re.DOTALL), replacement) for pattern, replacement in _ANY_CASE),
)
# Without one of these, in small letters, a text holds nothing of the above. Most lines have none of them.
_SIGNS = (
    *("@", "%40", "://", "adm_", "cookie", "author", "verify", "pass", "secret", "token", "key", "signature"),
    *("bearer", "basic", "tandem", "eyj", "input_value"),
)
_SEALED = re.compile(r"\.\d{9,11}\.")


def suspicious(text: str) -> bool:
    """Whether `redact` is worth its price, which is ten times that of this look."""
    small = text.lower()
    return any(sign in small for sign in _SIGNS) or _SEALED.search(text) is not None


def redact(text: str) -> str:
    """The text without what the patterns know."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
