// Every layer that the page computes, by its kind. A layer has
//
//     forward(layer, params, x, context) -> { y, cache }
//     backward(layer, params, cache, dy, { inputGradient }) -> { dx, grads }
//
// on nested arrays, a row per sample; `layer` is its description ({ kind, n_in, ... }), `context` is { training, random }.
// One that treats each number alone has slopes(layer, params, cache, x) too: dy/dx of each.

import { activation, elementwise } from "./activations.js";
import { dropout } from "./dropout.js";
import { linear } from "./linear.js";
import { softmaxLayer } from "./softmax.js";

export const layerRules = {
  Linear: linear,
  Softmax: softmaxLayer,
  Dropout: dropout,
  ...Object.fromEntries(Object.keys(elementwise).map((kind) => [kind, activation])),
};
