// How weights start, by bpx's rules: uniform between -r and r, with r = √(6 / n_in) before a rectifier (He) and
// r = √(6 / (n_in + n_out)) elsewhere (Glorot); biases at 0. The draws are the page's own.

const RECTIFIERS = new Set(["ReLU", "LeakyReLU", "GELU", "SiLU", "Softplus"]);

export function initialize(layers, { uniform }) {
  return layers.map(({ kind, n_in: nIn, n_out: nOut }, k) => {
    if (kind !== "Linear") return {};
    const r = Math.sqrt(6 / (RECTIFIERS.has(layers[k + 1]?.kind) ? nIn : nIn + nOut));
    const draw = () => (2 * uniform() - 1) * r;
    return {
      weight: Array.from({ length: nIn }, () => Array.from({ length: nOut }, draw)),
      bias: new Array(nOut).fill(0),
    };
  });
}
