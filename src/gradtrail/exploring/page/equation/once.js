// What follows from a part of the description, which stays the same: computed once for each.

/** A function of one object that keeps what it gave. */
export function once(compute) {
  const known = new WeakMap();
  return (key) => {
    let found = known.get(key);
    if (found === undefined) {
      found = compute(key);
      known.set(key, found);
    }
    return found;
  };
}
