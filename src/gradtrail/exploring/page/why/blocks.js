// In which block of products Python looks at one: it names the first of each block before the next one's.

const BLOCK = 2 ** 17;

/** The number of the block that a point belongs to, as `gradtrail.trace.points` walks them. */
export function blockOf(points, at) {
  const { sizes } = points;
  const from = (axis) => sizes.slice(axis).reduce((product, size) => product * size, 1);
  const split = [...sizes.keys(), sizes.length].find((axis) => from(axis) <= BLOCK);
  if (split === 0) return 0;
  const inner = from(split);
  const rows = Math.max(1, Math.floor(BLOCK / Math.max(inner, 1)));
  const row = Math.floor(at / inner);
  const along = sizes[split - 1];
  return Math.floor(row / along) * Math.ceil(along / rows) + Math.floor((row % along) / rows);
}
