"""Names and comments that would steer what shows them."""

from unicodedata import category

HOSTILE = (
    "red \x1b[31malert\x1b[0m",
    "title \x1b]0;owned\x07",
    "C1 \x9b2J",
    "bell\x07 back\x08space",
    "[bold red]markup[/]",
    "<b>bold</b><img src=x onerror=alert(1)>",
    "a & b &amp; c",
    "scan\u202egnp.exe",
    "\u2066isolate\u2069 zero\u200bwidth\ufeff",
    "filler\u3164 and\u115f",
    '=HYPERLINK("http://x.example","y")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1:A9)",
    "\t=1+1",
    "\r=1+1",
    "$x^2$ $\\frac",
    "line\n1 failed: none",
)
FORMULAS = tuple(text for text in HOSTILE if text[0] in "=+-@")


def hidden_in(text: str, *, lines: bool = True) -> list[str]:
    """Return the signs of a text that no one sees, but line ends."""
    return [
        sign
        for sign in text
        if category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") and not (lines and sign == "\n")
    ]
