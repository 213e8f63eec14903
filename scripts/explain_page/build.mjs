// Builds bpx/explanation/page.html: one file with the scripts, the styles and the licenses of the bundled libraries; and
// page_licenses.txt beside it, the licenses alone, which the wheel names among its own.
// `node build.mjs` writes both; `node build.mjs --check` only says whether the committed files are up to date.

import { build } from "esbuild";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const explanation = join(here, "..", "..", "bpx", "explanation");

const bundle = (entry, options) =>
  build({
    absWorkingDir: here,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    charset: "utf8",
    legalComments: "none",
    ...options,
  });

/** Licenses of the packages that esbuild put into the bundle, each under its name and version. */
function licensesOf(metafile) {
  const inputs = Object.keys(metafile.inputs).map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]);
  const packages = [...new Set(inputs.filter(Boolean))].sort();
  return packages.map((name) => {
    const folder = join(here, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), "utf8").trim()}`;
  });
}

const escapeHtml = (text) => text.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);

const script = await bundle("src/main.jsx", {
  format: "iife",
  target: ["es2022"],
  jsx: "automatic",
  jsxImportSource: "preact",
});
const styles = await bundle("src/styles/page.css", { loader: { ".css": "css" } });
// An inline script ends at the first "</script", also inside a string.
const code = script.outputFiles[0].text.trim().replaceAll("</script", "<\\/script");
const hash = createHash("sha256").update(code, "utf8").digest("base64");

const policy = [
  "default-src 'none'",
  `script-src 'sha256-${hash}'`,
  "style-src 'unsafe-inline'",
  "base-uri 'none'",
  "form-action 'none'",
];
const licenses = licensesOf(script.metafile).join(`\n\n${"-".repeat(72)}\n\n`);
const parts = {
  __CSP__: policy.join("; "),
  __STYLES__: styles.outputFiles[0].text.trim(),
  __LICENSES__: escapeHtml(licenses),
  __SCRIPT__: code,
};
const template = readFileSync(join(here, "src", "template.html"), "utf8");
const page = template.replace(/__(CSP|STYLES|LICENSES|SCRIPT)__/g, (name) => parts[name]);

for (const placeholder of ["__BPX_DATA__", "__BPX_TITLE__"]) {
  if (page.split(placeholder).length !== 2) throw new Error(`${placeholder} must stand in the page exactly once`);
}

const size = `${Math.round(Buffer.byteLength(page) / 1000)} kB`;
for (const [name, text] of [
  ["page.html", page],
  ["page_licenses.txt", `${licenses}\n`],
]) {
  const target = join(explanation, name);
  if (!process.argv.includes("--check")) writeFileSync(target, text);
  else if (readFileSync(target, "utf8") !== text) {
    console.error(
      `bpx/explanation/${name} is not what its source builds; run \`npm run build\` in scripts/explain_page`,
    );
    process.exit(1);
  }
}
console.log(`bpx/explanation/page.html is ${process.argv.includes("--check") ? "up to date" : "written"}, ${size}`);
