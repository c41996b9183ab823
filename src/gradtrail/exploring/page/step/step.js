// A learning step as the sums it consists of: for every element, what is multiplied and added.
//
// A gradient is one sum for each layer that reads its array; a value is the sum by which a layer made
// it. What is given, or is no sum (winners, probabilities), is one product: the element itself.

import { accessOf, elementAt, placeAlong, placeOf, positionAt, real } from "gradtrail/equation/affine.js";
import { contract } from "gradtrail/equation/contract.js";
import { logSoftmax } from "gradtrail/equation/forward.js";
import { pointsOf } from "gradtrail/equation/points.js";
import { functionOf } from "gradtrail/equation/scalar.js";

const SIDES = { value: "", grad: "d", change: "Δ" };

/** An array's name with its side: dconv1.weight, and Δconv1.weight for what an update adds. */
export function named(side, name) {
  return SIDES[side] + name;
}

/** An element as it is written: dconv1.weight[2,0,1,1]. */
export function written(side, name, index = []) {
  return named(side, name) + (index.length ? `[${index.join(",")}]` : "");
}

/** Where the elements that an access leads to lie in their array, point after point. */
export function placesOf(access, shape, points) {
  return points.along(placeAlong(access, shape));
}

/** What is multiplied where a factor reads a place; a comparison is told what must be there. */
function multiplied(factor, array, logarithms) {
  if (logarithms) return (place) => logarithms[place];
  if (factor.type === "Indicator") return (place, wanted) => (array[place] === wanted ? 1 : 0);
  if (factor.type !== "Applied") return (place) => array[place];
  const apply = functionOf(factor.function.body, array instanceof Float32Array);
  return (place) => apply(array[place]);
}

/** One factor of a part, with its array. */
export class Operand {
  /**
   * @param step the step
   * @param sum the sum that it stands in
   * @param factor as the equation has it
   * @param role whether it is a gate, and whether it is the cross-entropy's logarithm
   */
  constructor(step, sum, factor, role) {
    this.factor = factor;
    this.access = accessOf(factor);
    [this.side, this.name] = sum.arrays[this.access.array];
    this.shape = step.shape(this.name);
    this.array = step.array(this.side, this.name);
    this.gate = role.gate;
    this.kind = factor.type;
    this.multiplied = multiplied(factor, this.array, role.logarithm && step.logProbabilities);
  }

  /** What is multiplied, point after point. */
  values(points) {
    const places = placesOf(this.access, this.shape, points);
    const wanted = this.kind === "Indicator" ? points.along(this.factor.value) : places;
    const { multiplied } = this;
    const found = new Float64Array(places.length);
    // A loop: a sum may have a million points, and `map` takes several times as long.
    for (let i = 0; i < found.length; i++) found[i] = multiplied(places[i], wanted[i]);
    return found;
  }

  /** What the array holds, point after point. */
  stored(points) {
    return Float64Array.from(placesOf(this.access, this.shape, points), (place) => this.array[place]);
  }

  /** The factor at one point: which element it is, what is stored there, and what is multiplied. */
  at(point) {
    const index = elementAt(this.access, point);
    const place = placeOf(this.shape, index);
    const compares = this.kind === "Indicator";
    return {
      letter: this.access.array,
      side: this.side,
      name: this.name,
      index,
      stored: this.array[place],
      value: this.multiplied(place, compares ? positionAt(this.factor.value, point) : 0),
      called: compares ? "[·]" : (this.factor.function?.name ?? ""),
    };
  }
}

/** One term of a sum for one element: products over its points. */
export class Part {
  constructor(step, sum, number, access, element) {
    this.sum = sum;
    this.number = number;
    this.term = sum.equation.terms[number];
    this.scale = real(this.term.scale);
    this.points = pointsOf(this.term, sum.equation, access ?? this.term.target, element);
    this.step = step;
  }

  get length() {
    return this.points.length;
  }

  /** The factors with their arrays; made when their numbers are asked for. */
  get operands() {
    this.held ??= this.term.factors.map(
      (factor, place) => new Operand(this.step, this.sum, factor, this.sum.factors[this.number][place]),
    );
    return this.held;
  }

  /** The products, point after point. */
  products() {
    const found = new Float64Array(this.length).fill(this.scale);
    const shut = new Uint8Array(this.length);
    for (const operand of this.operands) {
      const values = operand.values(this.points);
      for (let i = 0; i < found.length; i++) {
        found[i] *= values[i];
        if (operand.gate && values[i] === 0) shut[i] = 1;
      }
    }
    for (let i = 0; i < found.length; i++) if (shut[i]) found[i] = 0;
    return found;
  }
}

/** The sums of a learning step, over arrays that a store holds. */
export class Step {
  /**
   * @param description what `gradtrail.exploring.step_description` gives
   * @param store whose `array(side, name)` is a typed array, laid out row by row
   */
  constructor(description, store) {
    this.description = description;
    this.store = store;
    this.arrays = new Map(description.arrays.map((array) => [array.name, array]));
    this.nodes = new Map(description.nodes.map((node) => [node.name, node]));
    this.producers = new Map();
    for (const node of description.nodes) {
      for (const letter of [node.target, ...node.saved]) this.producers.set(node.arrays[letter], node);
    }
    this.parameters = description.arrays.filter((array) => array.role === "parameter");
    const { arrays, target } = description.nodes.at(-1);
    this.loss = arrays[target]; // what it is called
    this.compared = description.nodes.filter(({ equation }) => equation.type === "Loss");
    const [first] = this.compared;
    this.targets = first.arrays[first.equation.labels];
  }

  array(side, name) {
    return this.store.array(side, name);
  }

  shape(name) {
    return this.arrays.get(name).shape;
  }

  /** How an array's numbers are stored on one side: f4, f8 or i4. */
  dtype(side, name) {
    const { dtype, gradient_dtype: gradient } = this.arrays.get(name);
    return side === "grad" ? gradient : dtype;
  }

  /**
   * What one node sends back to an array, where others may send something, too.
   * @param sent its node, its equation and the array that receives it
   */
  sentBack({ node, equation, receives }) {
    const several = this.description.backward.filter(
      (one) => this.nodes.get(one.node).arrays[one.operand] === receives,
    );
    const held = this.array("grad", receives);
    if (several.length === 1) return held;
    const delta = `d${node.target}`;
    const read = (letter) => {
      const name = node.arrays[letter === delta ? node.target : letter];
      return this.array(letter === delta ? "grad" : "value", name);
    };
    return held.constructor.from(contract(equation, read));
  }

  /** One element, as it is stored. */
  at(side, name, index) {
    return this.array(side, name)[placeOf(this.shape(name), index)];
  }

  /** Whether a layer was given an array for every sample, as dropout is its mask. */
  isMask(name) {
    const { role, by_sample: bySample } = this.arrays.get(name);
    return role === "given" && bySample;
  }

  /** Whether an array has numbers on one side. */
  has(side, name) {
    const array = this.arrays.get(name);
    return array !== undefined && (side === "value" || array.gradient);
  }

  /** The sums that make up an array; their elements are added. */
  sums(side, name) {
    return this.description.sums[side][name];
  }

  /** All products that make up one element. */
  parts(side, name, element) {
    return this.sums(side, name).flatMap((sum) =>
      sum.equation.terms.map((_, number) => new Part(this, sum, number, null, element)),
    );
  }

  /** Where each array is read: the sums, terms and accesses, with what they make. */
  everyReader() {
    const found = new Map();
    for (const [side, sums] of Object.entries(this.description.sums)) {
      for (const [name, list] of Object.entries(sums)) {
        for (const sum of list.filter((one) => !one.given)) {
          sum.equation.terms.forEach((term, number) => {
            term.factors.forEach((factor) => {
              const access = accessOf(factor);
              const key = sum.arrays[access.array].join(" ");
              if (!found.has(key)) found.set(key, []);
              found.get(key).push({ side, name, sum, number, access });
            });
          });
        }
      }
    }
    return found;
  }

  /** The products in which an element is a factor, one part for each place where it is read. */
  partsReading(side, name, element) {
    this.readers ??= this.everyReader();
    return (this.readers.get(`${side} ${name}`) ?? []).map((reader) => {
      const part = new Part(this, reader.sum, reader.number, reader.access, element);
      return { side: reader.side, name: reader.name, part };
    });
  }

  /** The logarithms of the softmax from the outputs: what is stored of them is rounded. */
  get logProbabilities() {
    const { output } = this.description;
    const [, classes, ...places] = this.shape(output);
    const positions = places.reduce((all, size) => all * size, 1);
    return this.cached("logarithms", () => logSoftmax(this.array("value", output), classes, positions));
  }

  /** What is computed from the present numbers, once while they are the same. */
  cached(key, compute) {
    if (this.cachedAt !== this.store.version) {
      this.cachedAt = this.store.version;
      this.cache = new Map();
    }
    if (!this.cache.has(key)) this.cache.set(key, compute());
    return this.cache.get(key);
  }
}
