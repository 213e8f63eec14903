// Numbers for people: at most `digits` decimals, a true minus sign, powers of ten where decimals would say nothing.

const MINUS = "−";
const raised = (exponent) => [...String(exponent)].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("");

/** { sign, mantissa, exponent } of the rounded number; plain decimals have no exponent (null), others `few` decimals. */
function parts(value, digits, few = Math.max(1, digits - 2)) {
  const size = Math.abs(value);
  const sign = value < 0 ? MINUS : "";
  if (Number.isInteger(value) && size < 1e5) return { sign, mantissa: String(size), exponent: null };
  if (size >= 10 ** -(digits - 1) && size < 1e4) return { sign, mantissa: size.toFixed(digits), exponent: null };
  const [mantissa, exponent] = size.toExponential(few).split("e");
  return { sign, mantissa, exponent: Number(exponent) };
}

const special = (value) => (Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : `${MINUS}∞`);

export function format(value, digits = 4) {
  if (typeof value !== "number") return "–";
  if (!Number.isFinite(value)) return special(value);
  const { sign, mantissa, exponent } = parts(value, digits);
  return exponent === null ? sign + mantissa : `${sign}${mantissa}×10${raised(exponent)}`;
}

/** For tight places in the drawing: three decimals, four below 0.1, and powers of ten as e−5. */
export function formatShort(value, digits = Math.abs(value) < 0.1 ? 4 : 3) {
  if (!Number.isFinite(value)) return special(value);
  const { sign, mantissa, exponent } = parts(value, digits, 1);
  if (exponent === null) return sign + mantissa;
  return `${sign}${mantissa}e${exponent < 0 ? MINUS : ""}${Math.abs(exponent)}`;
}

/** A number that is added to something: its sign stands apart, as in − 7.023. */
export const formatAddend = (value) => formatShort(value).replace(/^(−?)/, (sign) => (sign ? `${MINUS} ` : "+ "));

/** TeX of a number; `inside` a sum or product, negative ones stand in parentheses. */
export function formatTex(value, { digits = 4, inside = false } = {}) {
  if (Number.isNaN(value)) return "\\text{NaN}";
  if (!Number.isFinite(value)) return value > 0 ? "\\infty" : "-\\infty";
  const { sign, mantissa, exponent } = parts(value, digits);
  const tex = `${sign ? "-" : ""}${mantissa}${exponent === null ? "" : ` \\times 10^{${exponent}}`}`;
  return inside && (sign || exponent !== null) ? `(${tex})` : tex;
}

/** Every digit, for tooltips and data attributes: reads back as the same float64. */
export const exact = (value) => String(value);

/** TeX with every digit, for what somebody chose, such as a learning rate. */
export const exactTex = (value) => exact(value).replace(/e\+?(-?\d+)$/, " \\times 10^{$1}");

export const plural = (count, one, many = `${one}s`) => `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`;
