"""An address leads to its widget once; after a reload and on the way back readers stay where they were.

Browsers put a page back to where it was, sooner or later than the page's own script acts. So what the script asks for
is counted here, not where the page ends up.
"""

COUNT = """globalThis.led = 0;
Element.prototype.scrollIntoView = new Proxy(Element.prototype.scrollIntoView, {
    apply: (scroll, host, options) => { led += 1; return Reflect.apply(scroll, host, options); } });"""
SHOWS = "(text) => [...document.querySelectorAll('.cnn-printed')].at(-1)?.textContent === text"
PAGE = "book/anatomy/questions.html"


def address_of_a_knob(page):
    """The address of the last widget, once a knob of it was moved."""
    knob = page.locator(".cnnlib-widget").last.locator(".cnn-controls :is(input[type=range], select)").first
    knob.focus()
    page.keyboard.press("End")
    page.wait_for_function("location.hash.includes('?')")
    return page.url


def printed(page):
    return page.locator(".cnn-printed").last.text_content()


def test_a_reload_and_the_way_back_set_the_knobs_and_do_not_scroll(visit):
    with visit(PAGE) as page:
        address, shown = address_of_a_knob(page), printed(page)
        page.add_init_script(COUNT)
        page.goto("about:blank")
        for come, led in ((lambda: page.goto(address), 1), (page.reload, 0),
                          (lambda: (page.goto("about:blank"), page.go_back()), 0)):
            come()
            page.wait_for_function(SHOWS, arg=shown)
            page.wait_for_timeout(300)                  # the page's script goes on when it has set the knobs
            assert page.evaluate("led") == led
        assert page.errors == []
