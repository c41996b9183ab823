// The arrays of a step: values and gradients by name, each a typed array laid out row by row.

const KINDS = { f4: Float32Array, f8: Float64Array, i4: Int32Array };

/** An empty array that holds numbers as Python stores them: f4, f8 or i4. */
export function emptyArray(dtype, size) {
  return new KINDS[dtype](size);
}

/** The bytes of numbers as an array of their kind. */
export function arrayOf(dtype, buffer, offset, bytes) {
  const Kind = KINDS[dtype];
  return new Kind(buffer, offset, bytes / Kind.BYTES_PER_ELEMENT);
}

/** Of what kind an array is. */
export function dtypeOf(array) {
  return Object.keys(KINDS).find((dtype) => array instanceof KINDS[dtype]);
}

/** Numbers in the precision of a kind; the array itself where it has it. */
export function keptAs(dtype, array) {
  const Kind = KINDS[dtype];
  return array instanceof Kind ? array : Kind.from(array);
}

export class Arrays {
  constructor() {
    this.sides = { value: new Map(), grad: new Map(), change: new Map() };
    this.version = 0;
  }

  array(side, name) {
    return this.sides[side].get(name);
  }

  set(side, name, array) {
    this.sides[side].set(name, array);
  }
}
