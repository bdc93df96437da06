"""A picture for every product, drawn from its category and id: the same bytes each time, about one kilobyte of SVG.

Flat shapes on a soft ground. The category gives motif and hue, the id varies shade, light and tilt.
"""

import hashlib
from collections.abc import Callable

Ink = Callable[[int], str]  # lightness in percent -> colour

_HUES = {"kitchen": 18, "audio": 258, "lighting": 42, "desk": 204, "travel": 172, "garden": 104}


def draw(category: str, product_id: int) -> bytes:
    seed = hashlib.sha256(f"{category}:{product_id}".encode()).digest()
    hue = _HUES.get(category, int.from_bytes(hashlib.sha256(category.encode()).digest()[:2], "big") % 360)
    hue = (hue + seed[0] % 25 - 12) % 360

    def ink(lightness: int) -> str:
        return f"hsl({hue},{38 + seed[1] % 22}%,{lightness}%)"

    accent = f"hsl({(hue + 150 + seed[2] % 60) % 360},62%,60%)"
    motif = _MOTIFS.get(category, _parcel)
    x, y, radius = 110 + seed[3] % 180, 90 + seed[4] % 90, 96 + seed[5] % 40
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" role="img" aria-label="Illustration">'
        f'<linearGradient id="g" x2=".6" y2="1"><stop stop-color="{ink(95)}"/>'
        f'<stop offset="1" stop-color="{ink(82)}"/>'
        f'</linearGradient><path fill="url(#g)" d="M0 0h400v400H0z"/>'
        f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{ink(98)}" opacity=".7"/>'
        f'<ellipse cx="200" cy="322" rx="118" ry="13" fill="{ink(30)}" opacity=".16"/>'
        f'<g transform="rotate({seed[6] % 7 - 3} 200 320)" stroke-linecap="round" stroke-linejoin="round">'
        f"{motif(ink, accent, seed[7] % 3)}</g></svg>"
    ).encode()


def _mug(ink: Ink, accent: str, variant: int) -> str:
    steam = "".join(
        f'<path d="M{165 + 32 * i} 132c-14-18 14-26 0-46" stroke="{ink(60)}" stroke-width="6" fill="none"'
        f' opacity=".55"/>'
        for i in range(variant + 1)
    )
    return (
        f'<path d="M262 190h22a38 38 0 0 1 0 76h-26" fill="none" stroke="{ink(40)}" stroke-width="18"/>'
        f'<path d="M122 156h150v112a52 52 0 0 1-52 52h-46a52 52 0 0 1-52-52z" fill="{ink(48)}"/>'
        f'<path d="M122 156h60v164h-8a52 52 0 0 1-52-52z" fill="{ink(58)}"/>'
        f'<path d="M122 214h150v30H122z" fill="{accent}"/>'
        f'<ellipse cx="197" cy="156" rx="75" ry="13" fill="{ink(26)}"/>{steam}'
    )


def _headphones(ink: Ink, accent: str, variant: int) -> str:
    band = 16 + 4 * variant
    return (
        f'<path d="M104 232v-22a96 96 0 0 1 192 0v22" fill="none" stroke="{ink(34)}" stroke-width="{band}"/>'
        f'<path d="M128 206a72 72 0 0 1 144 0" fill="none" stroke="{ink(66)}" stroke-width="6"/>'
        f'<rect x="82" y="214" width="58" height="104" rx="27" fill="{ink(46)}"/>'
        f'<rect x="260" y="214" width="58" height="104" rx="27" fill="{ink(46)}"/>'
        f'<rect x="118" y="222" width="26" height="88" rx="13" fill="{accent}"/>'
        f'<rect x="256" y="222" width="26" height="88" rx="13" fill="{accent}"/>'
        f'<circle cx="98" cy="266" r="7" fill="{ink(80)}"/><circle cx="302" cy="266" r="7" fill="{ink(80)}"/>'
    )


def _lamp(ink: Ink, accent: str, variant: int) -> str:
    top = 138 - 14 * variant
    return (
        f'<path d="M150 178 96 312h208l-54-134z" fill="{accent}" opacity=".22"/>'
        f'<path d="M200 {top + 40}v176" stroke="{ink(32)}" stroke-width="12"/>'
        f'<path d="M146 318a54 22 0 0 1 108 0z" fill="{ink(32)}"/>'
        f'<path d="M164 {top - 28}h72l44 86H120z" fill="{ink(52)}"/>'
        f'<path d="M164 {top - 28}h26l-22 86h-48z" fill="{ink(64)}"/>'
        f'<ellipse cx="200" cy="{top + 58}" rx="80" ry="12" fill="{accent}"/>'
        f'<path d="M232 {top + 68}v32" stroke="{ink(44)}" stroke-width="3"/>'
        f'<circle cx="232" cy="{top + 104}" r="6" fill="{accent}"/>'
    )


def _notebook(ink: Ink, accent: str, variant: int) -> str:
    rules = "".join(
        f'<path d="M{176} {176 + 24 * i}h{64 - 12 * (i % 2)}" stroke="{ink(80)}" stroke-width="6"/>'
        for i in range(variant + 2)
    )
    return (
        f'<rect x="126" y="104" width="162" height="216" rx="10" fill="{ink(92)}"/>'
        f'<rect x="116" y="98" width="162" height="218" rx="12" fill="{ink(44)}"/>'
        f'<path d="M128 98h22v218h-22a12 12 0 0 1-12-12V110a12 12 0 0 1 12-12z" fill="{ink(34)}"/>'
        f'<path d="M236 98h18v92l-9-12-9 12z" fill="{accent}"/>{rules}'
        f'<path d="m296 318 18-176 20 3-18 175-12 14z" fill="{accent}"/>'
        f'<path d="m314 142 2-16 20 3-2 16z" fill="{ink(30)}"/>'
    )


def _bag(ink: Ink, accent: str, variant: int) -> str:
    return (
        f'<path d="M160 142v-18a40 40 0 0 1 80 0v18" fill="none" stroke="{ink(32)}" stroke-width="14"/>'
        f'<rect x="106" y="136" width="188" height="184" rx="{26 + 12 * variant}" fill="{ink(46)}"/>'
        f'<path d="M106 200v-30a34 34 0 0 1 34-34h120a34 34 0 0 1 34 34v30z" fill="{ink(56)}"/>'
        f'<rect x="134" y="226" width="132" height="70" rx="16" fill="{ink(38)}"/>'
        f'<path d="M150 248h100" stroke="{ink(70)}" stroke-width="6"/>'
        f'<rect x="184" y="186" width="32" height="30" rx="6" fill="{accent}"/>'
        f'<path d="M122 318v10M278 318v10" stroke="{ink(26)}" stroke-width="12"/>'
    )


def _plant(ink: Ink, accent: str, variant: int) -> str:
    leaves = "".join(
        f'<path transform="rotate({angle} 200 232)" d="M200 232c-34-34-34-84 0-126 34 42 34 92 0 126z"'
        f' fill="{ink(shade)}"/>'
        for angle, shade in ((-58, 42), (58, 46), (-28, 52), (30, 56), (0, 38))[: 3 + variant]
    )
    return (
        f'{leaves}<path d="M200 236V142" stroke="{ink(72)}" stroke-width="4"/>'
        f'<path d="M138 226h124l-16 94h-92z" fill="{accent}"/>'
        f'<path d="M138 226h46l4 94h-34z" fill="#fff" opacity=".18"/>'
        f'<rect x="130" y="214" width="140" height="26" rx="8" fill="{accent}"/>'
        f'<rect x="130" y="232" width="140" height="8" rx="4" fill="{ink(20)}" opacity=".16"/>'
    )


def _parcel(ink: Ink, accent: str, variant: int) -> str:
    return (
        f'<path d="m200 116 104 46v112l-104 48-104-48V162z" fill="{ink(50)}"/>'
        f'<path d="m96 162 104 46v114L96 274z" fill="{ink(60)}"/>'
        f'<path d="m200 116 104 46-104 46-104-46z" fill="{ink(70)}"/>'
        f'<path d="m{138 + 8 * variant} 143 104 46v36l-22 10v-36l-104-46z" fill="{accent}"/>'
        f'<path d="m118 250 40 18" stroke="{ink(84)}" stroke-width="7"/>'
    )


_MOTIFS = {
    "kitchen": _mug,
    "audio": _headphones,
    "lighting": _lamp,
    "desk": _notebook,
    "travel": _bag,
    "garden": _plant,
}
