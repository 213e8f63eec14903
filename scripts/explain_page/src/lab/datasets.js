// Data sets to play with, drawn in the page: rows to train on, and as many held out.
// Each entry is { name, draw(random, n) -> { x, y, classNames } }; y is a class, or a number where there are no classes.

const turn = (radius, angle) => [radius * Math.cos(angle), radius * Math.sin(angle)];
const jitter = ([a, b], { normal }, noise) => [a + noise * normal(), b + noise * normal()];

/** n points: point k of class k % classes, at `place(t, class)` for t spread over 0 to 1, with noise. */
function classes(names, place, noise) {
  return (random, n) => {
    const y = Array.from({ length: n }, (_, k) => k % names.length);
    const x = y.map((label) => jitter(place(random.uniform(), label), random, noise));
    return { x, y, classNames: names };
  };
}

function quadrants(random, n) {
  const side = () => (0.15 + 0.85 * random.uniform()) * (random.uniform() < 0.5 ? -1 : 1);
  const x = Array.from({ length: n }, () => [side(), side()]);
  return { x, y: x.map(([a, b]) => (a * b < 0 ? 1 : 0)), classNames: ["same signs", "different signs"] };
}

function hills(random, n) {
  const x = Array.from({ length: n }, () => [2 * random.uniform() - 1, 2 * random.uniform() - 1]);
  return { x, y: x.map(([a, b]) => Math.sin(Math.PI * a) * Math.cos(Math.PI * b)), classNames: null };
}

const truthTable = () => ({
  x: [
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ],
  y: [0, 1, 1, 0],
  classNames: ["0", "1"],
});

export const datasets = {
  xor: { name: "Exclusive or, its four rows", draw: truthTable, isWhole: true },
  quadrants: { name: "Exclusive or, a cloud", draw: quadrants },
  blobs: {
    name: "Two blobs",
    draw: classes(["left", "right"], (t, k) => [k === 0 ? -0.5 : 0.5, k === 0 ? -0.3 : 0.3], 0.22),
  },
  moons: {
    name: "Moons",
    draw: classes(
      ["upper", "lower"],
      (t, k) => {
        const [a, b] = turn(1, Math.PI * t);
        return k === 0 ? [a, b] : [1 - a, 0.5 - b];
      },
      0.1,
    ),
  },
  circles: {
    name: "Circles",
    draw: classes(["outer", "inner"], (t, k) => turn(k === 0 ? 1 : 0.5, 2 * Math.PI * t), 0.08),
  },
  spirals: {
    name: "Two spirals",
    draw: classes(["arm 0", "arm 1"], (t, k) => turn(0.1 + 0.9 * t, 2 * Math.PI * (0.1 + 0.9 * t + k / 2)), 0.02),
  },
  arms: {
    name: "Three spirals",
    draw: classes(
      ["arm 0", "arm 1", "arm 2"],
      (t, k) => turn(0.1 + 0.9 * t, 2 * Math.PI * (0.1 + 0.9 * t + k / 3)),
      0.02,
    ),
  },
  hills: { name: "Hills, a number to predict", draw: hills },
};
