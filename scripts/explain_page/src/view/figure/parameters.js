// Which numbers of a layer's parameters the drawing shows in the current step.

/** A layer's parameters as they stand in the current step: the new ones as soon as the walk has put them in place. */
export const paramsInPlace = ({ pass, isRenewed }, layer) => (isRenewed(layer) ? pass.newParams : pass.params)[layer];

/** What the labels of a layer's weights or biases say: those in place, or what this step computes of them. */
export function showParameter(model, layer, name) {
  const { pass, step } = model;
  const isHere = step.layer === layer;
  if (isHere && step.kind === `d${name}`) return { name: "gradient", values: pass.grads[layer][name] };
  if (isHere && step.kind === "change") return { name: "update", values: pass.changes[layer][name] };
  return { name: model.isRenewed(layer) ? `new ${name}` : name, values: paramsInPlace(model, layer)[name] };
}
