// One weight and its chain rule: every path to the loss, the factors along it, and the sum that is the gradient.

import { parameterTex } from "../network.js";
import { cutOff, factorText, pathName } from "../text/chain_text.js";
import { exact, format, plural } from "../text/format.js";
import { partial } from "../text/tex.js";
import { Lazy } from "./Lazy.jsx";
import { PathTable } from "./PathTable.jsx";
import { Tex } from "./Tex.jsx";
import { WeightPicker } from "./WeightPicker.jsx";

export function ChainPanel({ model, actions }) {
  const { net, weight, chain, batch, state } = model;
  const block = net.blockOfLayer(weight.layer);
  const tex = parameterTex(block, weight);
  const path = chain.paths[state.path ?? strongest(chain.paths)];
  const value = model.pass.params[weight.layer][weight.name];
  return (
    <section class="chain-panel" aria-labelledby="chain-title">
      <p class="kicker">
        <b>chain rule</b> <code data-role="key">{net.keyOf(weight)}</code>
      </p>
      <h2 id="chain-title">
        One weight, all the way to the loss <Tex tex={tex} />
      </h2>
      <WeightPicker model={model} actions={actions} />
      <div class="chain">
        <p class="lead">
          {introduction(chain, weight, value, batch, model.isRenewed(weight.layer))}
          {cutOff(chain)}
        </p>
        {chain.paths.length > 1 && <PathTable model={model} actions={actions} current={path} />}
        <Factors model={model} path={path} />
        <Total {...{ model, chain, tex, batch }} />
      </div>
    </section>
  );
}

function introduction(chain, weight, value, batch, isRenewed) {
  const number = weight.name === "bias" ? value[weight.j] : value[weight.i][weight.j];
  const where = batch > 1 ? " for the sample shown" : "";
  const start = `${isRenewed ? `Before the update this ${weight.name} was` : `This ${weight.name} is`} ${format(number)}.`;
  if (chain.count === 1)
    return `${start} A single path leads from it to the loss${where}, and the factors along it multiply.`;
  const paths =
    `${start} ${plural(chain.count, "path")} lead from it to the loss${where}: ` +
    "the factors along each multiply, and the products add up.";
  if (!chain.grouped) return paths;
  const bundled =
    "so paths through the same unit of the next layer are summed: backpropagation already knows their sum there.";
  return `${paths} That is too many to read, ${bundled}`;
}

export const strongest = (paths) =>
  paths.reduce((best, path, k) => (Math.abs(path.product) > Math.abs(paths[best].product) ? k : best), 0);

/** The product of one path, written like arithmetic on paper. */
function Factors({ model: { net, weight, chain, isRenewed }, path }) {
  return (
    <table class="factors">
      <caption>
        {chain.paths.length === 1
          ? "Factors along the path"
          : `${chain.grouped ? "The bundle" : "The path"} ${pathName(net, weight, path)}`}
      </caption>
      <tbody>
        {path.factors.map((factor, n) => {
          const { tex, name } = factorText(net, weight, factor);
          return (
            <tr key={n} class={factor.kind}>
              <td class="factor">
                <Tex tex={tex} />
              </td>
              <th scope="row" class="meaning">
                {name}
                {factor.kind === "weight" && isRenewed(factor.layer) && ", before the update"}
              </th>
              <td class="sign">{n > 0 && "×"}</td>
              <td class="value" data-role="factor" data-value={exact(factor.value)}>
                {format(factor.value)}
              </td>
            </tr>
          );
        })}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">product</th>
          <td class="meaning" />
          <td class="sign">=</td>
          <td class="value" data-role="product" data-value={exact(path.product)}>
            {format(path.product)}
          </td>
        </tr>
      </tfoot>
    </table>
  );
}

/** The sum over paths (and over samples) beside the gradient of the backward pass: they must agree. */
function Total({ model, chain, tex, batch }) {
  const sum = batch > 1 ? chain.contributions.reduce((total, value) => total + value, 0) : chain.sum;
  const difference = Math.abs(sum - chain.gradient);
  return (
    <>
      {batch > 1 && <Contributions model={model} chain={chain} />}
      <dl class="total">
        <div>
          <dt>{batch > 1 ? "Sum over samples" : chain.paths.length > 1 ? "Sum over paths" : "Product"}</dt>
          <dd data-role="chain-sum" data-value={exact(sum)}>
            {format(sum)}
          </dd>
        </div>
        <div>
          <dt>
            Gradient <Tex tex={partial("L", tex)} /> of the backward pass
          </dt>
          <dd data-role="gradient" data-value={exact(chain.gradient)}>
            {format(chain.gradient)}
          </dd>
        </div>
        <div>
          <dt>Difference</dt>
          <dd>{difference === 0 ? "none" : `${format(difference)}, rounding`}</dd>
        </div>
      </dl>
    </>
  );
}

function Contributions({ model, chain }) {
  return (
    <Lazy class="numbers" startOpen={chain.contributions.length <= 8} summary="What each sample of the batch adds">
      {() => (
        <table class="contributions">
          <caption>Sum over paths, by sample</caption>
          <tbody>
            {chain.contributions.map((value, n) => (
              <tr key={n} class={n === model.row ? "marked" : ""}>
                <th scope="row">x[{n}]</th>
                <td data-value={exact(value)}>{format(value)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Lazy>
  );
}
