"""What shuts somebody out of a page, as axe sees it."""

from pathlib import Path

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Only what is wrong: all that is right would be megabytes of JSON a page. And no style sheets asked for again, which a
# page from files may not read, and none of these rules needs.
VIOLATIONS = """async ([where, rules]) => {
    const options = { runOnly: rules, resultTypes: ['violations'], preload: false };
    return (await axe.run(where ?? document, options)).violations;
}"""
# Two of the theme's own: the names of its search button and theme switch, and its logo outside all landmarks.
THEMES_OWN = {
    "label-content-name-mismatch": ("search-button", "theme-switch-button"),
    "region": ("navbar-brand",),
}


def barriers(page, where=None):
    """["rule: place element"] of the page as it stands, or of the part that a CSS selector names; the theme's own are
    left out."""
    if not page.evaluate("'axe' in globalThis"):
        page.evaluate(AXE)
    return [f"{violation['id']}: {node['target']} {node['html'][:200]}"
            for violation in page.evaluate(VIOLATIONS, [where, RULES]) for node in violation["nodes"]
            if not any(mark in node["html"] for mark in THEMES_OWN.get(violation["id"], ()))]
