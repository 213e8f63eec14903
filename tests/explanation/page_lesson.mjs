// What the steps of the lesson say, computed by the page's engine: `node page_lesson.mjs SOURCE` writes, for each step, its
// words and the phrases with numbers that are true.

const source = process.argv[2];
const { lessonSteps } = await import(`${source}/lesson/steps.js`);
const { scenes } = await import(`${source}/lesson/scenes.js`);
const { createRun, lossOver } = await import(`${source}/engine/training.js`);
const { forward, trainingStep } = await import(`${source}/engine/engine.js`);
const { dataOf, planOf } = await import(`${source}/lab/plan.js`);

const MINUS = "−";
const show = (value, digits) => value.toFixed(digits).replace("-", MINUS);
const whole = (value) => value.toLocaleString("en-US");
const column = (rows, k = 0) => rows.map((row) => row[k]);
const lossAt = (data, params) => lossOver(data, params, data.training);
const outputs = (data, params, layer = data.layers.length - 1) => forward(data.layers, params, data.training.x)[layer + 1];
const lists = (values, digits) => {
  const shown = values.map((value) => show(value, digits));
  return `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}`;
};

/** A training of a scene from its start; `until(loss)` takes steps until the loss is below one. */
function train(data, learningRate = data.learning_rate) {
  const run = createRun(data, data.snapshots[0].params, data.training, { optimizer: { kind: "sgd" }, learningRate });
  run.until = (loss) => {
    while (!(lossAt(data, run.params) < loss) && run.step < 20_000) run.advance(1);
    return run.step;
  };
  return run;
}

/** Some words, if what they say is so. */
function saying(words, isTrue) {
  if (!isTrue) throw new Error(`not true: ${words}`);
  return words;
}

const fixed = scenes.fixedBiases();
const free = scenes.freeBiases();
const start = fixed.snapshots[0].params;
const after = scenes.fixedBiasesTrained().snapshots.at(-1);
const learned = scenes.freeBiasesTrained().snapshots.at(-1);
const line = scenes.line();
const dead = scenes.deadUnits();
const leaky = scenes.leakyUnits();

const claims = [
  () => {
    const found = column(outputs(fixed, start));
    const isExclusive = fixed.training.x.every(([a, b], n) => fixed.training.y[n][0] === (a + b === 1 ? 1 : 0));
    return [
      saying("exclusive or: 1 where exactly one of the inputs is 1", isExclusive),
      `between ${show(Math.min(...found), 2)} and ${show(Math.max(...found), 2)} for all four rows`,
    ];
  },
  () => [
    `falls from ${show(lossAt(fixed, start), 3)}`,
    `after ${whole(after.step)} steps it is still ${show(after.loss, 3)}`,
    lists(column(outputs(fixed, after.params)), 2),
    `should be ${lists(column(fixed.training.y), 0)}`,
  ],
  () => {
    const [bias, biasThen] = [start[0].bias, after.params[0].bias];
    const [before, then] = [start, after.params].map((params) => outputs(fixed, params, 1)[0]);
    const same = String(bias) === String(biasThen) && String(before) === String(then);
    return [
      `after its ${whole(after.step)} steps`,
      saying("at the row (0, 0)", String(fixed.training.x[0]) === "0,0"),
      "Both inputs are 0",
      `${show(bias[0], 4)} and ${show(bias[1], 4)}`,
      "Set the training step to 0",
      saying(`${show(before[0], 3)} and ${show(before[1], 3)}, before the training as after it`, same),
    ];
  },
  () => {
    const { grads, changes } = trainingStep(fixed, after.params, [[0, 0]], [[0]], fixed.learning_rate);
    const unmoved = changes[0].bias.every((change) => change === 0);
    return [
      "at the row (0, 0)",
      saying("All four gradients of the weights are 0", grads[0].weight.flat().every((g) => g === 0)),
      "what came in is 0",
      saying(`Those of the biases are ${lists(grads[0].bias, 4)}`, unmoved),
    ];
  },
  () => {
    const run = train(free);
    const losses = [];
    while (run.step < 300) {
      run.advance(1);
      if (run.step >= 50) losses.push(lossAt(free, run.params));
    }
    const rests = losses.every((loss) => show(loss, 2) === "0.50");
    return [
      saying("it rests near 0.50 for more than 300 steps", rests),
      `after ${whole(run.until(0.1))} steps it is below 0.1`,
      `After ${whole(learned.step)} steps the outputs are ${lists(column(outputs(free, learned.params)), 3)}`,
    ];
  },
  () => {
    const units = outputs(free, learned.params, 1);
    const [first, second] = [column(units, 0), column(units, 1)];
    const { weight } = learned.params[2];
    const { bias } = learned.params[0];
    return [
      `“both”: ${show(first[3], 2)} at (1, 1)`,
      `at most ${show(Math.max(...first.slice(0, 3)), 2)} at the other rows`,
      `“at least one”: ${show(second[0], 2)} at (0, 0)`,
      `at least ${show(Math.min(...second.slice(1)), 2)} at the others`,
      `the weights ${show(weight[1][0], 1)} and ${show(weight[0][0], 1)}`,
      "At (0, 0) a unit is off only if its bias is negative",
      `the two biases to ${lists(bias, 2)}`,
    ];
  },
  () => {
    const rate = lessonSteps[6].rate;
    const fast = train(free, 50);
    fast.advance(100);
    const flat = outputs(free, fast.params).flat().every((p) => p < 0.001 && p * (1 - p) < 0.00001);
    const loss = lossAt(free, fast.params);
    fast.advance(10_000);
    return [
      `learning rate is now ${rate} in place of ${free.learning_rate}`,
      `below 0.1 after ${whole(train(free, rate).until(0.1))} steps, not ${whole(train(free).until(0.1))}`,
      "set the learning rate to 50",
      saying("after 100 steps it is below 0.001 for all four rows", flat),
      saying(`the loss stays at ${show(loss, 3)}`, show(lossAt(free, fast.params), 3) === show(loss, 3)),
      saying("its slope there is below 0.00001", flat),
    ];
  },
  () => {
    const run = train(line);
    const losses = [lossAt(line, run.params)];
    const weights = [0];
    for (let n = 0; n < 3; n += 1) {
      run.advance(1);
      losses.push(lossAt(line, run.params));
      weights.push(run.params[0].weight[0][0]);
    }
    const factors = (rate) => {
      const calm = train(line, rate);
      const errors = [2];
      for (let n = 0; n < 5; n += 1) {
        calm.advance(1);
        errors.push(calm.params[0].weight[0][0] - 2);
      }
      return errors.slice(1).map((error, n) => error / (n === 0 ? -errors[0] : errors[n]));
    };
    const all = (rate, factor) => factors(rate).every((found) => Math.abs(found - factor) < 1e-12);
    return [
      saying("the line y = 2x + 1", line.training.x.every(([x], n) => line.training.y[n][0] === 2 * x + 1)),
      `with the learning rate ${line.learning_rate}`,
      losses.slice(0, 3).map((loss) => show(loss, 2)).join(", "),
      "the best weight, 2",
      saying("lands 1.2 times as far on the other side", all(1.1, -1.2)),
      `at ${weights.slice(1).map((weight) => show(weight, 2)).join(", ")}`,
      "set the learning rate to 0.9",
      saying("the weight lands 0.8 times as far", all(0.9, -0.8)),
      `below 0.01 after ${train(line, 0.9).until(0.01)} steps`,
    ];
  },
  () => {
    const { params } = dead.snapshots[0];
    const { x, y } = dead.training;
    const off = outputs(dead, params, 0).every((row) => row.every((z) => z < 0));
    const { grads, slopes } = trainingStep(dead, params, x, y, dead.learning_rate);
    const run = train(dead);
    const before = show(lossAt(dead, params), 4);
    run.advance(100);
    const same = String(run.params[0].weight) === String(params[0].weight);
    return [
      saying(`biases to ${show(params[0].bias[0], 0)}`, params[0].bias.every((b) => b === params[0].bias[0])),
      saying(`negative for all ${x.length} rows`, off),
      saying("ReLU makes 0 of it, its slope there is 0", slopes[1].flat().every((slope) => slope === 0)),
      saying("all gradients of the first weights are 0", grads[0].weight.flat().every((g) => g === 0)),
      "Train for 100 steps",
      saying(`it stays at ${before}`, show(lossAt(dead, run.params), 4) === before && same),
    ];
  },
  () => {
    const fresh = dataOf({ ...planOf(leaky), activation: "ReLU" }, leaky, null);
    const { params } = fresh.snapshots[0];
    const alive = outputs(fresh, params, 1)[0].every((_, k) => outputs(fresh, params, 1).some((row) => row[k] > 0));
    return [
      saying(`a slope of ${leaky.layers[1].slope} where that of ReLU is 0`, String(leaky.training.x) === String(dead.training.x)),
      `Press Train: the loss is below 0.3 after ${train(leaky).until(0.3)} steps`,
      saying("puts the biases at 0", params[0].bias.every((b) => b === 0)),
      saying("every hidden unit is on for some of the rows", alive),
      `and the loss is below 0.3 after ${train(fresh, leaky.learning_rate).until(0.3)} steps`,
    ];
  },
];

const steps = lessonSteps.map(({ title, words, goal }, k) => ({ title, words, goal: goal.says, claims: claims[k]() }));
const notebook = [after, learned].map(({ params }) => outputs(fixed, params));
console.log(JSON.stringify({ steps, notebook }));
