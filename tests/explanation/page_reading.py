"""Everything that the page says, read from its visible elements, and the numbers in it."""

from __future__ import annotations

import math
import re
from typing import Any

READ = r"""
// What is visible, by its place in the page. Formulas come as lines of text without their indices.
const isSeen = (element) =>
  element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
  element.getBoundingClientRect().width > 0;
const all = (selector, root = document) => [...root.querySelectorAll(selector)].filter(isSeen);
const textOf = (element) => (element ? say(element) : "").replace(/\s+/g, " ").trim();
const first = (selector, root = document) => textOf(all(selector, root)[0]);

/** Text as it is spoken: a formula loses subscripts and marks, but keeps the exponents of e and of 10. */
function say(node) {
  if (node.nodeType === Node.TEXT_NODE) return node.data;
  if (node.nodeType !== Node.ELEMENT_NODE || (!node.closest("math") && !isSeen(node))) return "";
  const parts = [...node.childNodes];
  const kids = [...node.children];
  const together = () => parts.map(say).join("");
  switch (node.localName) {
    case "msub": case "munder": case "munderover": return say(kids[0]);
    case "msup": case "msubsup": {
      const base = say(kids[0]).trim();
      const keeps = node.localName === "msup" && /(^|[^a-z])e$|10$/.test(base);
      return keeps ? `${base}^{${say(kids[1])}}` : base;
    }
    case "mfrac": return ` (${say(kids[0])})/(${say(kids[1])}) `;
    case "mspace": return " ";
    case "mtr": return ` ${kids.map(say).join(" ; ")} |`;
    case "td": case "th": case "option": case "p": case "text": case "dt": case "dd": return ` ${together()} `;
    default: return together();
  }
}

const table = (element) => ({
  caption: first("caption", element),
  head: all("thead th", element).map(textOf),
  names: all("tbody tr", element).map((row) => first("th", row)),
  marked: all("tbody tr", element).map((row) => row.classList.contains("marked")),
  rows: all("tbody tr", element).map((row) => all("td", row).map(textOf).filter((text) => text !== "")),
  foot: all("tfoot td", element).map(textOf).filter((text) => /\d/.test(text)),
});
const spoken = (attribute, root = document) =>
  all(`[${attribute}]`, root).map((element) => [element, element.getAttribute(attribute)]);
const named = (selector, key, value) => Object.fromEntries(all(selector).map((e) => [e.dataset[key], value(e)]));

const figure = document.querySelector("figure.network");
const surface = document.querySelector("figure.surface");
const curve = document.querySelector(".loss-curve");
const panel = document.querySelector(".step-panel");
const chain = document.querySelector(".chain-panel");
const result = {
  count: first(".count"),
  count_aria: document.querySelector(".count").getAttribute("aria-label"),
  announced: document.querySelector("[data-role=announcer]").textContent,
  subtitle: first(".subtitle"),
  notices: all(".notices p").map(textOf),
  settings: {
    rate: document.querySelector("[data-role=learning-rate]").value,
    samples: [...document.querySelectorAll("[data-role=sample] option")].map((o) => o.textContent),
    sample: document.querySelector("[data-role=sample]").selectedOptions[0].textContent,
    moments: [...document.querySelectorAll("[data-role=snapshot] option")].map((o) => o.textContent),
    moment: document.querySelector("[data-role=snapshot]").selectedOptions[0].textContent,
    own: first(".own-steps"),
  },
  units: named("figure.network [data-unit]", "unit", (e) => ({
    numbers: all("text.number", e).map(textOf),
    title: e.querySelector("title")?.textContent ?? null,
  })),
  symbols: all("figure.network .column").map((e) => first(".column-symbol", e)),
  biases: named("figure.network .bias", "weight", (e) => first("text", e)),
  biases_aria: named("figure.network .bias", "weight", (e) => e.getAttribute("aria-label")),
  edges_aria: named("figure.network .edge", "weight", (e) => e.getAttribute("aria-label")),
  labels: named("figure.network .label", "label", (e) => first("text", e)),
  notes: all("figure.network .link").map((e) => all("text", e).map(textOf).filter(Boolean)),
  loss: first("figure.network [data-loss]"),
  loss_name: all("figure.network .loss > text").map(textOf).join(" ").trim(),
  caption: first("figcaption", figure),
  kicker: first(".kicker", panel),
  lead: first(".lead", panel),
  hint: first(".hint", panel),
  unit: panel.querySelector("[data-role=unit]")?.selectedIndex ?? 0,
  formulas: all(".formula", panel).map(textOf),
  tables: all(".number-table", panel).map(table),
  chain: {
    key: first("[data-role=key]", chain),
    lead: first(".lead", chain),
    paths: all(".path-table table", chain).map(table)[0] ?? null,
    factors: table(chain.querySelector(".factors")),
    contributions: all(".contributions", chain).map(table)[0] ?? null,
    total: all(".total dd", chain).map(textOf),
    gradients: all(".picker .number-table", chain).map(table),
  },
  slider: first(".slider span"),
  slider_aria: document.querySelector("[data-role=snapshot-slider]")?.getAttribute("aria-valuetext"),
  curve: curve.getAttribute("aria-label"),
  surface: surface && surface.querySelector("svg").getAttribute("aria-label"),
  surface_caption: surface && first("figcaption", surface),
};

// Digits anywhere else would be numbers that nobody compares.
const claimed = [
  "h1", ".subtitle", ".notices", ".settings", ".count", "[data-role=announcer]", "figure.network [data-unit]",
  "figure.network .bias", "figure.network .edge", "figure.network .label", "figure.network .link",
  "figure.network .loss > text", "figure.network .unit", "figure.network .column-name", "figure.network figcaption",
  ".step-panel .kicker", "#step-title", ".step-panel .lead", ".step-panel .hint", ".step-panel .formula",
  ".step-panel .numbers summary", ".step-panel .number-table", ".step-panel select", "#chain-title",
  "[data-role=key]", ".chain > .lead", ".path-table", ".factors", ".contributions", ".total", ".picker", ".slider",
  ".loss-curve", ".surface svg", ".surface figcaption", ".lab", ".play", ".legend", ".unit-views",
].join(",");
const strays = [];
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const { data, parentElement } = texts.currentNode;
  if (/\d/.test(data) && isSeen(parentElement) && !parentElement.closest(claimed)) strays.push(data);
}
for (const attribute of ["aria-label", "aria-valuetext", "title", "alt"]) {
  for (const [element, text] of spoken(attribute)) {
    const isUse = element.matches("[aria-label*='learning rate'], .scroller, [data-path]");
    if (/\d/.test(text) && !isUse && !element.closest(claimed)) strays.push(`${attribute}: ${text}`);
  }
}
return { ...result, strays };
"""

_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_NUMBER = re.compile(r"(−|-)?\s?(\d{1,3}(?:,\d{3})+(?!\d)|\d+(?:\.\d+)?)(?:e([−-]?\d+))?(?:\s?×\s?10\^?\{?(-?\d+)\}?)?")


class Number:
    """A number as it is written.

    Attributes
    ----------
    value : float
    half : float
        Half a unit of the last digit that is shown; 0 for whole numbers, which the page writes only where they are
        exact.
    """

    def __init__(self, sign: str | None, digits: str, *exponents: str | None) -> None:
        digits = digits.replace(",", "")
        exponent = next((int(e.replace("−", "-")) for e in exponents if e), 0)
        decimals = len(digits.partition(".")[2])
        self.value = float(f"{'-' if sign else ''}{digits}e{exponent}")
        self.half = 0.5 * 10.0 ** (exponent - decimals) if decimals else 0.0
        self.text = f"{sign or ''}{digits}{f'e{exponent}' if exponent else ''}"

    def is_that_of(self, value: float, *, signed: bool = True) -> bool:
        """Whether `value`, rounded to as many digits, is written like this."""
        if not signed:
            return abs(abs(self.value) - abs(value)) <= self.half * (1 + 1e-9) + 1e-12
        return abs(self.value - value) <= self.half * (1 + 1e-9) + 1e-12


def read_numbers(text: str) -> list[Number]:
    """Return the numbers in a text, in reading order."""
    text = re.sub(r"×10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", lambda match: f"×10{{{match[1].translate(_RAISED)}}}", text)
    text = re.sub(r"×\s*10\^\{\s*(?:−|-)\s*(\d+)\s*\}", r"×10{-\1}", text)
    return [Number(*match.groups()) for match in _NUMBER.finditer(text)]


def assert_reads(text: str, value: float, what: str, *, signed: bool = True) -> None:
    """Assert that a text holds one number, and that it is this one."""
    if math.isnan(value):
        assert "NaN" in text, what
        return
    numbers = read_numbers(text)
    assert len(numbers) == 1, f"{what}: one number in {text!r}?"
    assert numbers[0].is_that_of(value, signed=signed), f"{what}: the page shows {text!r}, explain has {value!r}"


def assert_table(rows: list[list[str]], values: Any, what: str) -> None:
    """Assert that the cells of a table are these numbers."""
    expected = [list(row) for row in values]
    assert [len(row) for row in rows] == [len(row) for row in expected], f"{what}: {rows}"
    for r, (row, expected_row) in enumerate(zip(rows, expected, strict=True)):
        for c, (cell, value) in enumerate(zip(row, expected_row, strict=True)):
            assert_reads(cell, float(value), f"{what}, row {r}, column {c}")
