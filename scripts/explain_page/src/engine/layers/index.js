// Every layer that the page computes, by its kind. A layer has
//
//     forward(layer, params, x, context) -> { y, cache }
//     backward(layer, params, cache, dy, { inputGradient }) -> { dx, grads }
//
// on nested arrays, a row per sample; `layer` is its description ({ kind, n_in, ... }), `context` is { training, random,
// shortcut }. One that treats each number alone has slopes(layer, params, cache, x) too: dy/dx of each; one that mixes
// those of a row, Linear aside, has slopeBetween(layer, params, x, y, from, to): dy_to/dx_from in a row. `state` names what
// stands among its parameters and is no parameter, and nextState(layer, params, cache) says what training makes of it.

import { activation, elementwise } from "./activations.js";
import { batchNorm } from "./batch_norm.js";
import { dropout } from "./dropout.js";
import { layerNorm } from "./layer_norm.js";
import { linear } from "./linear.js";
import { shortcut } from "./shortcut.js";
import { softmaxLayer } from "./softmax.js";

export const layerRules = {
  Linear: linear,
  Softmax: softmaxLayer,
  Dropout: dropout,
  LayerNorm: layerNorm,
  BatchNorm: batchNorm,
  Shortcut: shortcut,
  ...Object.fromEntries(Object.keys(elementwise).map((kind) => [kind, activation])),
};

/** The names of a layer's parameters, without those of its running statistics. */
export const parameterNames = (layer, params) =>
  Object.keys(params).filter((name) => !layerRules[layer.kind].state?.includes(name));

/** Whether each output of a layer depends on several of its inputs. */
export const mixes = ({ kind }) => kind === "Linear" || layerRules[kind].slopeBetween !== undefined;
