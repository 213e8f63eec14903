// The network of the page as a file that `bpx.load` reads: safetensors, with bpx's description and checksum in it.

import { layerRules } from "../engine/layers/index.js";

const encoder = new TextEncoder();

const TABLE = Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});

/** CRC-32 of some bytes, continued from that of those before them. */
function crc32(bytes, before = 0) {
  let crc = ~before >>> 0;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** The parameters as { name, shape, values }, in the order of their names, which is that of the checksum. */
function listArrays(layers, params) {
  const isState = (k, name) => layerRules[layers[k].kind].state?.includes(name);
  const arrays = params.flatMap((layer, k) =>
    Object.entries(layer).map(([name, array]) => ({
      name: `${isState(k, name) ? "state" : "params"}.${layers[k].name ?? k}.${name}`,
      shape: Array.isArray(array[0]) ? [array.length, array[0].length] : [array.length],
      bytes: new Uint8Array(new Float64Array(array.flat()).buffer),
    })),
  );
  return arrays.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A shape as Python writes a tuple: (3,) or (2, 3). */
const tuple = (shape) => `(${shape.length === 1 ? `${shape[0]},` : shape.join(", ")})`;

function checksum(metadata, arrays) {
  let crc = 0;
  for (const key of Object.keys(metadata).sort()) crc = crc32(encoder.encode(`${key}=${metadata[key]}`), crc);
  for (const { name, shape, bytes } of arrays) {
    crc = crc32(encoder.encode(`${name}:float64${tuple(shape)}`), crc);
    crc = crc32(bytes, crc);
  }
  return crc.toString(16).padStart(8, "0");
}

/** A layer as bpx's files describe it. */
function describeLayer({ kind, n_in: nIn, n_out: nOut, n_features, frozen = [], slope, rate, eps, momentum }, params) {
  if (kind === "Linear") return { kind, n_in: nIn, n_out: nOut, bias: "bias" in params, frozen };
  if (kind === "LeakyReLU") return { kind, slope };
  if (kind === "LayerNorm") return { kind, n_features, eps, frozen };
  if (kind === "BatchNorm") return { kind, n_features, eps, momentum, frozen };
  return kind === "Dropout" ? { kind, rate } : { kind };
}

/** The layers as bpx's files describe them: a residual block holds its layers, and its shortcut is no layer. */
function describeLayers(layers, params) {
  const described = [];
  layers.forEach((layer, k) => {
    if (layer.kind !== "Shortcut") described.push({ number: k, config: describeLayer(layer, params[k]) });
    else {
      const inside = described.splice(described.findIndex(({ number }) => number >= layer.from));
      described.push({
        number: inside[0].number,
        config: { kind: "Residual", layers: inside.map(({ config }) => config) },
      });
    }
  });
  return described.map(({ config }) => config);
}

/** The bytes of the file: `network` is { layers, loss }. */
export function writeNetwork({ layers, loss }, params) {
  const description = {
    layers: describeLayers(layers, params),
    loss,
    dtype: "float64",
    seed: 0,
  };
  const arrays = listArrays(layers, params);
  const metadata = { format: "bpx", version: "2", network: JSON.stringify(description) };
  const header = { __metadata__: { ...metadata, checksum: checksum(metadata, arrays) } };
  let end = 0;
  for (const { name, shape, bytes } of arrays) {
    header[name] = { dtype: "F64", shape, data_offsets: [end, end + bytes.length] };
    end += bytes.length;
  }
  const text = encoder.encode(JSON.stringify(header));
  const padding = (8 - (text.length % 8)) % 8; // arrays begin at a multiple of eight bytes
  const file = new Uint8Array(8 + text.length + padding + end).fill(0x20);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length + padding), true);
  file.set(text, 8);
  let at = 8 + text.length + padding;
  for (const { bytes } of arrays) {
    file.set(bytes, at);
    at += bytes.length;
  }
  return file;
}

/**
 * Parameters for columns as they were before they were standardized, x' = (x - mean) / scale: the first layer takes the
 * scaling into its weights, w / scale, and its bias, b - Σ mean w / scale. Where the target was standardized too, the
 * last layer takes it back: w scale and b scale + mean.
 */
export function foldScaling(params, scaling) {
  if (!scaling) return params;
  const folded = [...params];
  const { weight, bias } = params[0];
  const scaled = weight.map((row, i) => row.map((w) => w / scaling.scale[i]));
  const shift = (j) => scaled.reduce((sum, row, i) => sum + scaling.mean[i] * row[j], 0);
  folded[0] = { weight: scaled, bias: bias.map((b, j) => b - shift(j)) };
  if (scaling.target) {
    const { mean, scale } = scaling.target;
    const last = folded.at(-1);
    folded[folded.length - 1] = {
      weight: last.weight.map((row) => row.map((w) => w * scale)),
      bias: last.bias.map((b) => b * scale + mean),
    };
  }
  return folded;
}
