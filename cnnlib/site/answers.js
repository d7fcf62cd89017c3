// Answer boxes: what a reader types on a page is judged as `check` would, on the data of the same judge and by the
// rules of course/answers.py. Nothing is sent or remembered.
(() => {
  "use strict";

  const SIGNS = { open: "…", correct: "✓", wrong: "✗" };
  const INTEGER = /^[+-]?\d+(\.0*)?$/;
  const IN_GROUPS = /^[+-]?\d{1,3}([ ,_\u00a0\u202f]\d{3})+(\.0*)?$/;      // 59,136 or 59 136

  // ---------------------------------------------------------------- judging

  // The number that was typed, or null if it is no whole number.
  function whole(text) {
    const typed = text.trim().replace(/^[−–]/, "-");
    const plain = IN_GROUPS.test(typed) ? typed.replace(/[ ,_\u00a0\u202f]/g, "") : typed;
    return INTEGER.test(plain) ? Number(plain) : null;
  }

  // Text as Python shows it: a number as it is, all else in quotes.
  const shown = (text) => (text.trim() && Number.isFinite(Number(text)) ? text.trim() : `'${text.trim()}'`);

  const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");

  const wrong = (message, place = null) => ({ status: "wrong", message, place });

  // What is wrong with one number, "" if nothing is.
  function told(part, given) {
    if (given === part.right) return "";
    if (String(given) in part.mistakes) return `${part.name}: ${part.mistakes[given]}`;
    return `${part.name}: ${grouped(given)} is too ${given > part.right ? "large" : "small"}. ${part.hint}`;
  }

  function judgeNumbers({ parts, together, why }, texts) {
    const given = texts.map(whole);
    const odd = given.indexOf(null);
    if (odd >= 0) return wrong(`${parts[odd].name}: a whole number is wanted, this is ${shown(texts[odd])}.`, odd);
    const faults = parts.map((part, i) => told(part, given[i]));
    const first = faults.findIndex((fault) => fault);
    if (first < 0) return { status: "correct", message: `correct. ${why}` };
    if (given.join() in together) return wrong(together[given.join()]);
    const sorted = (numbers) => numbers.slice().sort((a, b) => a - b).join();
    if (sorted(given) === sorted(parts.map((part) => part.right))) {
      return wrong(`the right numbers in the wrong order; wanted: ${parts.map((part) => part.name).join("; ")}.`);
    }
    const right = faults.filter((fault) => !fault).length;
    return wrong(faults[first] + (parts.length > 1 ? ` (${right} of ${parts.length} right)` : ""), first);
  }

  function judgeChoice({ options, right, mistakes, why }, [word]) {
    if (!options.includes(word)) return wrong(`one of ${options.join(", ")} is wanted, this is '${word}'.`, 0);
    return word === right ? { status: "correct", message: `correct. ${why}` } : wrong(mistakes[word], 0);
  }

  // What `check` says of an answer: `texts` has what stands in each field.
  function judge(asked, texts) {
    const empty = texts.findIndex((text) => !text.trim());
    if (empty >= 0) return { status: "open", message: "not answered yet.", place: empty };
    return asked.options ? judgeChoice(asked, texts) : judgeNumbers(asked, texts);
  }

  // The data of a judge. It is written so that nobody reads the answer in the page's source by chance; a reader who
  // wants it finds the solution folded under the exercise.
  function decode(text, key) {
    const salt = new TextEncoder().encode(key);
    const bytes = Uint8Array.from(atob(text.trim()), (sign, i) => sign.charCodeAt(0) ^ salt[i % salt.length]);
    return JSON.parse(new TextDecoder().decode(bytes));
  }

  // ---------------------------------------------------------------- the box

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  function field(name, options) {
    const input = options
      ? make("select", {}, make("option", { value: "" }, "choose …"),
        ...options.map((option) => make("option", {}, option)))
      : make("input", { type: "text", inputmode: "numeric", autocomplete: "off", spellcheck: "false" });
    return [make("label", { class: "answer-field" }, make("span", { class: "cnn-label" }, name), input), input];
  }

  function build(box) {
    const asked = decode(box.querySelector("script").textContent, box.dataset.answer);
    const fields = asked.options ? [field("your answer", asked.options)] : asked.parts.map((part) => field(part.name));
    const inputs = fields.map(([, input]) => input);
    const result = make("output", { class: "answer-told", "aria-live": "polite" });
    const form = make("form", { "aria-label": `Your answer to ${box.dataset.answer}`, novalidate: "" },
      make("div", { class: "answer-fields" }, ...fields.map(([label]) => label),
        make("button", { class: "cnn-button" }, "Check")), result);

    function forget() {                       // a verdict never stands beside another answer than its own
      result.replaceChildren();
      delete box.dataset.status;
      inputs.forEach((input) => input.removeAttribute("aria-invalid"));
    }

    form.addEventListener("input", forget);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      forget();
      const { status, message, place = null } = judge(asked, inputs.map((input) => input.value));
      box.dataset.status = status;
      result.append(make("span", { "aria-hidden": "true" }, `${SIGNS[status]} `), message);
      if (status === "wrong" && place !== null) inputs[place].setAttribute("aria-invalid", "true");
      if (place !== null) inputs[place].focus();
    });
    box.replaceChildren(form);
  }

  if (typeof document === "undefined") module.exports = { judge, decode };
  else document.querySelectorAll("[data-answer]").forEach(build);
})();
