// How weights start, by bpx's rules: uniform between -r and r, with r = √(6 / n_in) before a rectifier (He) and
// r = √(6 / (n_in + n_out)) elsewhere (Glorot); biases at 0. Normalizations start at γ = 1 and β = 0, their running
// statistics at mean 0 and variance 1. The draws are the page's own.

const RECTIFIERS = new Set(["ReLU", "LeakyReLU", "GELU", "SiLU", "Softplus"]);

export function initialize(layers, { uniform }) {
  return layers.map(({ kind, n_in: nIn, n_out: nOut, n_features: features }, k) => {
    const filled = (value) => new Array(features).fill(value);
    if (kind === "LayerNorm") return { weight: filled(1), bias: filled(0) };
    if (kind === "BatchNorm")
      return { weight: filled(1), bias: filled(0), running_mean: filled(0), running_var: filled(1) };
    if (kind !== "Linear") return {};
    const next = layers.slice(k + 1).find((layer) => !layer.kind.endsWith("Norm"));
    const r = Math.sqrt(6 / (RECTIFIERS.has(next?.kind) ? nIn : nIn + nOut));
    const draw = () => (2 * uniform() - 1) * r;
    return {
      weight: Array.from({ length: nIn }, () => Array.from({ length: nOut }, draw)),
      bias: new Array(nOut).fill(0),
    };
  });
}
