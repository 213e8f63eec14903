// The lesson: ten steps, each a scene, what to do in it, what to watch and why, and a goal.
//
// A step is { chapter, title, words, scene, at, rate, speed, view, goal }. `words` are two to four sentences; every number
// in them is computed by the engine in tests/explanation/test_page_lesson.py. `at` is where the walk begins, [kind, layer];
// `view` is what comes first on the page, as in the page's data; `goal` is { says, isMet(state, step of the walk) }: it
// is shown as done when it is met, and never keeps anybody from going on.

import { scenes } from "./scenes.js";

const CHAPTERS = {
  bias: "Why it does not learn XOR, and what the bias changes",
  rate: "A learning rate that is too large",
  dead: "Dead units",
};

const hasTrained = (least) => (state) => (state.own?.taken ?? 0) >= least;
const lossBelow = (most) => (state) => state.own?.curve != null && state.own.curve.loss.at(-1) < most;
const isAt = (kind, layer) => (state, step) => step.kind === kind && step.layer === layer;

export const lessonSteps = [
  {
    chapter: CHAPTERS.bias,
    title: "Four rows, two answers",
    words: [
      "Two inputs, two hidden units and one output are to learn exclusive or: 1 where exactly one of the inputs is 1.",
      "Press Next in the walk below, or the right arrow key, until you reach the loss.",
      "Look at “All numbers of this step” there: before any training the output is between 0.84 and 0.87 for all four rows, so it does not tell them apart yet.",
    ],
    scene: scenes.fixedBiases,
    at: ["input", null],
    view: "walk",
    goal: { says: "Walk to the loss.", isMet: (state, step) => step.part !== "forward" },
  },
  {
    chapter: CHAPTERS.bias,
    title: "Train it, but leave the biases alone",
    words: [
      "Press Train: the weights learn, and the biases stay as chance drew them.",
      "Watch the loss: it falls from 0.753, slower and slower, and after 10,000 steps it is still 0.380.",
      "The four outputs are then 0.42, 0.52, 0.48 and 0.28, as the walk further down shows; they should be 0, 1, 1 and 0.",
    ],
    scene: scenes.fixedBiases,
    at: ["loss", null],
    speed: "fastest",
    view: "lab",
    goal: { says: "Train for 10,000 steps.", isMet: hasTrained(10_000) },
  },
  {
    chapter: CHAPTERS.bias,
    title: "The row that no weight can reach",
    words: [
      "This is that network after its 10,000 steps, at the row (0, 0).",
      "Both inputs are 0 and every weight is multiplied by one of them, so what arrives at the hidden units is their biases alone, 0.4376 and 0.8918.",
      "Set the training step to 0 and walk on to the activation: here the hidden units say 0.608 and 0.709, before the training as after it.",
    ],
    scene: scenes.fixedBiasesTrained,
    at: ["weighted", 0],
    view: "walk",
    goal: { says: "Look at training step 0.", isMet: (state) => state.snapshot === 0 },
  },
  {
    chapter: CHAPTERS.bias,
    title: "A gradient that nobody uses",
    words: [
      "Stay at the row (0, 0) and go one step on, from the gradient of the weights to that of the biases.",
      "All four gradients of the weights are 0, because a gradient is what came in times the error behind it, and what came in is 0.",
      "Those of the biases are −0.0215 and −0.0223: this row asks for other biases, but they are frozen, and no update touches them.",
    ],
    scene: scenes.fixedBiasesTrained,
    at: ["dweight", 0],
    view: "walk",
    goal: { says: "Walk to the gradient of the biases of hidden layer 1.", isMet: isAt("dbias", 0) },
  },
  {
    chapter: CHAPTERS.bias,
    title: "Let the biases learn",
    words: [
      "The start is the same to the last digit, but now the biases are trained too: press Train.",
      "Watch the loss: it rests near 0.50 for more than 300 steps, while the network finds no way to tell the rows apart, and then it drops; after 1,092 steps it is below 0.1.",
      "After 10,000 steps the outputs are 0.019, 0.983, 0.983 and 0.017: it has learned exclusive or.",
    ],
    scene: scenes.freeBiases,
    at: ["loss", null],
    speed: "fast",
    view: "lab",
    goal: { says: "Train until the loss is below 0.1.", isMet: lossBelow(0.1) },
  },
  {
    chapter: CHAPTERS.bias,
    title: "What the biases did",
    words: [
      "Choose the two small pictures of what the hidden units see, and compare them; the walk further down has the numbers.",
      "The first unit says “both”: 0.89 at (1, 1) and at most 0.08 at the other rows; the second says “at least one”: 0.05 at (0, 0) and at least 0.97 at the others.",
      "The output takes the second and subtracts the first, with the weights 9.6 and −10.3.",
      "At (0, 0) a unit is off only if its bias is negative, and training has moved the two biases to −7.02 and −2.88.",
    ],
    scene: scenes.freeBiasesTrained,
    at: ["activation", 1],
    view: "lab",
    goal: { says: "Choose one of the pictures.", isMet: (state) => state.units[1] !== undefined },
  },
  {
    chapter: CHAPTERS.rate,
    title: "Faster, and then too fast",
    words: [
      "The learning rate is now 2 in place of 0.5: press Train, and the loss is below 0.1 after 275 steps, not 1,092.",
      "Then press Reset, set the learning rate to 50 and train again.",
      "Watch the output: after 100 steps it is below 0.001 for all four rows, and the loss stays at 1.000.",
      "Steps of that size throw the output unit to the flat end of its sigmoid: its slope there is below 0.00001, and no error comes back to mend it.",
    ],
    scene: scenes.freeBiases,
    at: ["slope", 3],
    rate: 2,
    speed: "steady",
    view: "lab",
    goal: {
      says: "Train for 100 steps with the learning rate 50.",
      isMet: (state) => state.learningRate >= 50 && hasTrained(100)(state),
    },
  },
  {
    chapter: CHAPTERS.rate,
    title: "Too far, and further each time",
    words: [
      "One weight and one bias are to find the line y = 2x + 1 through five points: press One step a few times, with the learning rate 1.1.",
      "The loss grows, 4.50, 5.77, 8.29, because each step jumps over the best weight, 2, and lands 1.2 times as far on the other side: at 4.40, −0.88, 5.46.",
      "Press Reset and set the learning rate to 0.9: now the weight lands 0.8 times as far, and the loss is below 0.01 after 14 steps.",
    ],
    scene: scenes.line,
    at: ["weighted", 0],
    speed: "slow",
    view: "lab",
    goal: { says: "Train to a loss below 0.01, with a learning rate of your own.", isMet: lossBelow(0.01) },
  },
  {
    chapter: CHAPTERS.dead,
    title: "Units that say nothing",
    words: [
      "Say that a step which was too large has thrown the four hidden biases to −6.",
      "What arrives at each unit is then negative for all 200 rows: ReLU makes 0 of it, its slope there is 0, and walking on you find that all gradients of the first weights are 0.",
      "Train for 100 steps and watch the loss: it stays at 0.6931, as of a coin that is tossed, because no error gets through to the hidden units.",
    ],
    scene: scenes.deadUnits,
    at: ["slope", 1],
    speed: "steady",
    view: "walk",
    goal: { says: "Train for 100 steps.", isMet: hasTrained(100) },
  },
  {
    chapter: CHAPTERS.dead,
    title: "Back to life",
    words: [
      "The same start again, but a leaky ReLU has a slope of 0.1 where that of ReLU is 0, so some of the error comes through.",
      "Press Train: the loss is below 0.3 after 177 steps.",
      "Then choose ReLU as the activation: that draws new weights and puts the biases at 0, every hidden unit is on for some of the rows, and the loss is below 0.3 after 12 steps.",
    ],
    scene: scenes.leakyUnits,
    at: ["slope", 1],
    speed: "steady",
    view: "lab",
    goal: { says: "Train until the loss is below 0.3.", isMet: lossBelow(0.3) },
  },
];
