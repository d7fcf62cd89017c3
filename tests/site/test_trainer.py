"""*Train here* on pages without a kernel, in a browser: it trains in a Worker, when asked, and nothing else suffers."""

import os
import re
import signal
import time

import numpy as np
import pytest
from playwright.sync_api import expect

from cnnlib.site import extension as sphinx_ext
from cnnlib.widgets import Explorer, Learning, RecordedCurves, SizeRule
from tests.widgets.trainer.engine import in_page, unpacked
from tests.widgets.trainer.networks import job_of, random_case

from .conftest import PHONE, drawn, stage, stay_here
from .phone import served

# No eval, and nothing from elsewhere
POLICY = ("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src blob:; img-src data:; "
          "style-src 'self' 'unsafe-inline'")
ENDED = "root => ['done', 'failed'].includes(root.dataset.state)"


@pytest.fixture(scope="module")
def explorer():
    return Explorer("resnet-cifar", {"depth": [8, 20, 56], "shortcut": ["A", "none"]}, recorded=["digits-degradation"],
                    width=8, depth=20, shortcut="A", batch=64)


@pytest.fixture
def staged(visit, tmp_path):
    return lambda *shown, **options: visit(stage(tmp_path, *shown), **options)


def train(page, **choices):
    """Choose, ask for the training, and wait until it is over."""
    root = page.locator(".train-here")
    for name, value in choices.items():
        root.locator(f"[data-train={name}]").select_option(str(value))
    root.locator("[data-action=train]").click()
    page.wait_for_function(ENDED, arg=root.element_handle(), timeout=120_000)
    return root


def error(root):
    return float(root.locator("[data-value=test-error]").text_content().removesuffix(" %"))


def test_a_page_trains_a_network_when_asked_and_the_curve_grows(staged, explorer):
    with staged(explorer) as page:
        root = page.locator(".train-here")
        expect(root).to_have_attribute("data-state", "idle")
        expect(root.locator("[data-value=training]")).to_contain_text("on a common laptop")
        assert page.workers == [], "nothing runs before the reader asks"
        train(page)
        assert error(root) < 3 and root.locator("[data-value=epoch]").text_content() == "6"
        assert float(root.locator("[data-value=train-error]").text_content().removesuffix(" %")) < 3
        expect(page.locator("[data-curve=live]")).to_contain_text("depth 20, shortcut A, trained in this page, seed 0")
        expect(page.locator("[data-curve=chosen]")).to_contain_text("depth 20, shortcut A")
        expect(root.locator("[data-value=training]")).to_contain_text("s here.")
        assert page.workers == [] and page.errors == [] and page.refused == []
        root.locator("[data-action=clear]").click()
        expect(page.locator("[data-curve=live]")).to_have_count(0)


def test_depths_that_nobody_recorded_side_by_side_with_seeds(staged, explorer):
    with staged(explorer) as page:
        root = page.locator(".train-here")
        train(page, depth=14, seeds=3)
        live = page.locator("[data-curve=live]")
        expect(live).to_contain_text("depth 14, shortcut A, trained in this page, seeds 0, 1, 2")
        expect(live.locator(".curves-spread")).to_contain_text("to")
        train(page, depth=8, seeds=1)
        expect(page.locator("[data-curve=live]")).to_contain_text("depth 8")
        expect(page.locator("[data-curve=other]")).to_contain_text("depth 14")
        assert root.locator("[data-run=done]").count() == 4


def test_a_network_that_needs_too_much_memory_is_refused_and_the_page_lives_on(staged):
    wide = Explorer("resnet-cifar", {"depth": [8, 80], "width": [32]}, recorded=["digits-degradation"], depth=80,
                    width=32, shortcut="A", batch=64)
    with staged(wide) as page:
        root = train(page, seeds=3)
        assert root.locator("[data-run=failed]").count() == 3, "what one seed cannot do, none can"
        expect(root.locator("[data-value=training]")).to_contain_text("64 MB of memory that a page may take")
        expect(root.locator("[data-action=train]")).to_be_disabled()
        root.locator("[data-train=depth]").select_option("8")
        expect(root.locator("[data-action=train]")).to_be_enabled()
        assert page.errors == []


def test_pause_goes_on_and_stop_ends_at_once(staged, explorer):
    with staged(explorer) as page:
        root = page.locator(".train-here")
        root.locator("[data-train=depth]").select_option("56")
        root.locator("[data-action=train]").click()
        expect(root.locator("[data-run=training]")).to_contain_text("left", timeout=60_000)
        root.locator("[data-action=pause]").click()
        expect(root).to_have_attribute("data-state", "paused")
        page.wait_for_timeout(1000)                     # what was under way is told
        before = root.locator("progress").get_attribute("value")
        page.wait_for_timeout(1000)
        assert root.locator("progress").get_attribute("value") == before and len(page.workers) == 1
        root.locator("[data-action=pause]").click()
        page.wait_for_function("([bar, before]) => bar.getAttribute('value') > before",
                               arg=[root.locator("progress").element_handle(), before], timeout=60_000)
        root.locator("[data-action=stop]").click()
        expect(root).to_have_attribute("data-state", "stopped")
        page.wait_for_timeout(200)
        assert page.workers == []


# From now on this thread has no WebAssembly, and counts what Workers tell it.
LISTEN = """() => {
    for (const name of ["instantiate", "compile", "Module", "Instance"]) WebAssembly[name] = () => { throw name; };
    const Plain = Worker, now = () => performance.now();
    globalThis.Worker = class extends Plain {
        constructor(...all) {
            globalThis.told = [now()];
            super(...all);
            this.addEventListener("message", () => told.push(now()));
        }
    };
}"""


@pytest.mark.parametrize("watched", [False, True])
def test_the_page_only_listens_while_it_trains(staged, explorer, watched):
    """All computing is done by the Worker, and it reports ten times a second at most: what the page does for a report
    is measured by `python -m tests.site.phone`."""
    with staged(Learning("lenet5_modern", {"activation": ["relu"]}) if watched else explorer) as page:
        page.evaluate(LISTEN)
        root = train(page)
        assert root.get_attribute("data-state") == "done" and error(root) < 20
        epochs = int(root.locator("[data-value=epoch]").text_content())
        told, seconds = page.evaluate("[told.length, (told.at(-1) - told[0]) / 1000]")
        assert epochs < told < 10 * seconds + epochs + 5


def test_it_survives_a_closed_lid(browser, staged, explorer):
    """A closed laptop stops every process, here with a signal; opened again it goes on as if nothing had been."""
    with staged(explorer) as page:
        root = page.locator(".train-here")
        root.locator("[data-train=depth]").select_option("56")
        root.locator("[data-action=train]").click()
        expect(root.locator("[data-run=training]")).to_contain_text("left", timeout=60_000)
        processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
        pages = [process["id"] for process in processes if process["type"] == "renderer"]
        for signal_sent in (signal.SIGSTOP, signal.SIGCONT):
            for process in pages:
                os.kill(process, signal_sent)
            time.sleep(3)
        page.wait_for_function(ENDED, arg=root.element_handle(), timeout=120_000)
        assert root.get_attribute("data-state") == "done" and error(root) < 10
        assert root.locator("[data-value=epoch]").text_content() == "6" and page.errors == []


def test_the_page_finds_degradation_and_the_gradients_that_explain_it(staged, explorer):
    with staged(explorer) as page:
        residual = error(train(page, depth=56))
        page.locator("[data-input=shortcut]").select_option("none")
        plain = error(train(page, depth=56))
        assert plain > 30 > 10 > residual


def test_lenet_trains_and_works_on_a_phone(staged):
    with staged(RecordedCurves(experiment="lenet-activation-pooling"), viewport=PHONE) as page:
        page.evaluate("document.querySelector('[data-input=train_epochs]').value = 1")
        page.locator("[data-input=train_epochs]").dispatch_event("input")
        root = train(page)
        assert root.get_attribute("data-state") == "done" and 0 < error(root) < 80
        drawn(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_its_inside_is_seen_while_it_learns(staged):
    """Six kernels and maps, the gradient of every layer, and what is read; kernels change with the training."""
    with staged(Learning("lenet5_modern", {"activation": ["relu", "tanh"]})) as page:
        page.evaluate("document.querySelector('[data-input=train_epochs]').value = 1")
        page.locator("[data-input=train_epochs]").dispatch_event("input")
        train(page)
        expect(page.locator(".watch-tiles canvas")).to_have_count(12)
        gradients = page.locator(".watch-content .cnn-chart")
        expect(gradients).to_have_attribute("aria-label", re.compile("in the first layer"))
        expect(page.locator("[data-value=reads]")).to_contain_text("reads it as")
        first = page.locator(".watch-tiles canvas").first
        seen = first.evaluate("canvas => canvas.toDataURL()")
        train(page)
        page.wait_for_function("([canvas, before]) => canvas.toDataURL() !== before",
                               arg=[first.element_handle(), seen])
        assert page.errors == [] and page.workers == []


def test_without_simd_it_is_said_and_the_curves_remain(browser, explorer, tmp_path):
    page = browser.new_page()
    page.add_init_script("WebAssembly.validate = () => false")
    page.goto(stage(tmp_path, explorer).as_uri())
    expect(page.locator("[data-state=missing]")).to_contain_text("lacks WebAssembly with SIMD")
    expect(page.locator("[data-curve=chosen]")).to_contain_text("depth 20")
    assert page.locator("[data-action=train]").count() == 0
    page.close()


def test_scripts_of_the_trainer_load_where_it_is_used(explorer):
    assert {"trainer.js", "digits.js"} <= set(sphinx_ext.widget_scripts(explorer.to_html()))
    other = SizeRule().to_html() + Explorer("resnet", {"depth": [18]}).to_html()
    assert not {"trainer.js", "digits.js"} & set(sphinx_ext.widget_scripts(other))


def test_it_trains_over_http_under_a_strict_policy(browser, explorer, tmp_path):
    path = stage(tmp_path, explorer)
    text = path.read_text()
    for source in [*sphinx_ext.WIDGET_SCRIPTS.glob("*.js"), sphinx_ext.WIDGET_STYLE]:
        (tmp_path / source.name).write_bytes(source.read_bytes())
        text = text.replace(source.as_uri(), source.name)
    path.write_text(text)
    with served(tmp_path, POLICY) as site:
        page = browser.new_page()
        stay_here(page)
        page.goto(f"{site}/{path.name}")
        root = train(page, depth=8)
        assert root.get_attribute("data-state") == "done" and error(root) < 20 and page.refused == []
        page.close()


def test_gradients_in_chromium_are_those_of_float64(browser):
    cases = [random_case(number) for number in range(14)]
    jobs = [job_of(case) for case in cases]
    page = browser.new_page()
    answers = in_page(page, [job for job, _, _ in jobs])
    page.close()
    for case, (_, (_, gradient), _), answer in zip(cases, jobs, answers, strict=True):
        off = np.linalg.norm(unpacked(answer["gradient"]) - gradient) / np.linalg.norm(gradient)
        assert off < 2e-5, f"{case.label}: {off:.1e}"
