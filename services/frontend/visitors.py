"""Whom a limit counts: the address of the visitor, from the one header that a visitor cannot write.

CloudFront sets `CloudFront-Viewer-Address` itself and replaces what the visitor sent (`cfn/boxes/cdn.py` tells it to).
`X-Forwarded-For` begins with whatever the visitor likes; its end, which the load balancer writes, is the peer here.
"""

from ipaddress import IPv6Address, ip_address, ip_network

from fastapi import Request


def visitor_address(request: Request) -> str:
    """An IPv4 address, or the /64 network that one IPv6 subscriber has; without CloudFront, those of the peer."""
    peer = request.client.host if request.client else ""
    given = request.headers.getlist("cloudfront-viewer-address")
    # address:port, the brackets of IPv6 left out
    return (len(given) == 1 and _countable(given[0].rpartition(":")[0])) or _countable(peer) or peer


def _countable(text: str) -> str:
    try:
        address = ip_address(text.strip("[]"))
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ip_network((int(address), 64), strict=False))
    return str(address)
