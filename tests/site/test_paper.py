"""On paper: results stand open with their figures, widgets as their knobs are; solutions and code stay shut."""

PAGE = "book/resnet/networks.html"                      # an explorer in a fold, folded source, solutions
SEEN = """() => ({
    seen: [...document.querySelectorAll('.cnnlib-widget')].map((host) => host.checkVisibility()
        && host.querySelector('.cnn') !== null),
    drawn: [...document.querySelectorAll('[data-widget=Explorer]')].map((widget) => [
        widget.querySelectorAll('.ex-block').length > 5, widget.querySelector('.cnn-printed').textContent !== '']),
    results: [...document.querySelectorAll('article details.hide:has(.cnnlib-widget)')].map((fold) => fold.open),
    code: [...document.querySelectorAll('article details.hide:not(:has(.cell_output))')].map((fold) => fold.open),
    source: [...document.querySelectorAll('article details.hide:has(.cnnlib-html > .highlight)')]
        .map((fold) => fold.open),
    solutions: [...document.querySelectorAll('article details.sd-dropdown')].map((fold) => fold.open),
})"""
SAID = """[...document.querySelectorAll('article details:not([open]) > summary')]
    .filter((line) => line.checkVisibility()).map((line) => getComputedStyle(line, '::after').content)"""


def test_paper_has_all_results_and_says_what_it_leaves_out(visit):
    with visit(PAGE, lazy=True) as page:
        assert not all(page.evaluate(SEEN)["seen"]), "nothing is far away or folded: the page does not test it"
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        seen = page.evaluate(SEEN)
        page.emulate_media(media="print")
        said = page.evaluate(SAID)
        faint = page.evaluate("""[...document.querySelectorAll('article details[open] > *')]
            .filter((part) => part.checkVisibility() && getComputedStyle(part).opacity !== '1').length""")
        page.emulate_media(media="screen")
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.evaluate(SEEN)["results"] == [False]
    assert all(seen["seen"]) and seen["drawn"] == [[True, True]] * 2
    assert seen["results"] == [True]
    assert seen["solutions"] and not any(seen["code"] + seen["source"] + seen["solutions"])
    assert said and all("on the page only" in words for words in said)
    assert faint == 0


def test_printing_itself_mounts_what_is_far_away(visit):
    with visit(PAGE, lazy=True) as page:
        page.pdf()
        assert page.locator(".cnnlib-widget").count() == page.locator(".cnnlib-widget[data-mounted=static]").count() > 1
