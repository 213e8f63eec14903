// Numbers in nested arrays: a parameter is a list of numbers (a bias) or a list of such lists (a matrix of weights).

/** The function of the numbers at the same place in some arrays, at every place. */
export const mapArray = (array, each, ...others) =>
  Array.isArray(array)
    ? array.map((item, k) => mapArray(item, each, ...others.map((other) => other[k])))
    : each(array, ...others);

export const makeZeros = (array) => mapArray(array, () => 0);
export const copyArray = (array) => mapArray(array, (value) => value);

/** The rows of a parameter, each a list of numbers: a bias is one row. */
export const rowsOf = (array) => (Array.isArray(array[0]) ? array : [array]);

export const copyParams = (params) =>
  params.map((layer) => Object.fromEntries(Object.entries(layer).map(([name, array]) => [name, copyArray(array)])));
