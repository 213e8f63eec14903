// The page of a network that is too large for it: one training step, each quantity in norm, mean, extremes and histogram.

import { exact, format } from "../text/format.js";
import { Scroller } from "./Scroller.jsx";
import { Tex } from "./Tex.jsx";

const COLUMNS = ["norm", "mean", "std", "min", "max"];

export function Summary({ data }) {
  const { network, loss_name: lossName, optimizer, samples, loss, loss_after: after, parts } = data.summary;
  return (
    <>
      <header>
        <div>
          <h1>{data.title}</h1>
          <p class="subtitle">
            {network}; loss {lossName}, {optimizer}, {samples.toLocaleString("en-US")} samples.
          </p>
        </div>
      </header>
      <main class="summary">
        <aside class="notices" aria-label="Notes">
          {data.notes.map((text) => (
            <p key={text}>{text}</p>
          ))}
        </aside>
        <p>
          Loss <b data-role="loss">{format(loss)}</b> before the update, <b data-role="loss-after">{format(after)}</b>{" "}
          after it.
        </p>
        {parts.map(({ part, quantities }) => (
          <section key={part} aria-labelledby={`part-${part}`}>
            <h2 id={`part-${part}`}>{part[0].toUpperCase() + part.slice(1)}</h2>
            <Scroller label={`Quantities of the part ${part}`}>
              <table>
                <thead>
                  <tr>
                    {["Layer", "Quantity", "Formula", "Shape", "Norm", "Mean", "Spread", "Least", "Most", "Zeros"].map(
                      (name) => (
                        <th key={name} scope="col">
                          {name}
                        </th>
                      ),
                    )}
                    <th scope="col">Histogram</th>
                  </tr>
                </thead>
                <tbody>
                  {quantities.map((quantity, n) => (
                    <Row key={n} quantity={quantity} part={part} />
                  ))}
                </tbody>
              </table>
            </Scroller>
          </section>
        ))}
      </main>
    </>
  );
}

function Row({ quantity, part }) {
  const { layer, name, latex, formula, shape, histogram, zeros, not_finite: lost } = quantity;
  return (
    <tr data-quantity={`${part}:${layer}:${name}`}>
      <td>{layer}</td>
      <th scope="row">{name}</th>
      <td class="formula-cell">
        <Tex tex={formula === latex ? latex : formula} />
      </td>
      <td>{shape.join("×")}</td>
      {COLUMNS.map((key) => (
        <td key={key} data-value={exact(quantity[key])}>
          {format(quantity[key])}
        </td>
      ))}
      <td>{zeros === undefined ? "–" : `${(100 * zeros).toFixed(0)} %`}</td>
      <td>
        {histogram && <Histogram {...histogram} name={name} />}
        {lost > 0 && <span class="problem"> {lost.toLocaleString("en-US")} not finite</span>}
      </td>
    </tr>
  );
}

const WIDTH = 96;
const HEIGHT = 28;

function Histogram({ counts, edges, name }) {
  const [low, high] = [edges[0], edges.at(-1)];
  const most = Math.max(...counts);
  const step = WIDTH / counts.length;
  const label = `Histogram of ${name} from ${format(low)} to ${format(high)}: ${counts.join(", ")}`;
  return (
    <svg class="histogram" width={WIDTH} height={HEIGHT} role="img" aria-label={label}>
      {counts.map((count, k) => {
        const height = (HEIGHT * count) / most;
        const middle = (edges[k] + (edges[k + 1] ?? edges[k])) / 2;
        return (
          <rect
            key={k}
            class={middle < 0 ? "negative" : "positive"}
            x={k * step}
            y={HEIGHT - height}
            width={Math.max(1, step - 1)}
            height={height}
          />
        );
      })}
    </svg>
  );
}
