// TeX as MathML, by Temml.

import temml from "temml";

const cache = new Map();

function render(tex, displayMode) {
  const key = `${displayMode}${tex}`;
  if (!cache.has(key)) {
    if (cache.size > 2000) cache.clear();
    cache.set(key, temml.renderToString(tex, { displayMode, throwOnError: true, annotate: false }));
  }
  return cache.get(key);
}

export function Tex({ tex, display = false }) {
  const Tag = display ? "div" : "span";
  return <Tag class={display ? "formula" : "symbol"} dangerouslySetInnerHTML={{ __html: render(tex, display) }} />;
}
