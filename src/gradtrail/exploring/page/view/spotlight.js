// How cells of a map are brought out: all others are dimmed, or a frame is drawn about one.
//
// A gradient may read hundreds of cells, and they change with every cell that is pointed at. So they are
// drawn as runs of neighbours in a row: one rectangle each, and one line where they end above and below.

/** The places as runs: neighbours in one row of one tile, from the left. */
function runsOf(tiles, places) {
  const { per, columns } = tiles;
  const runs = [];
  let last = null;
  for (const place of places) {
    const column = (place % per) % columns;
    if (last && place === last.place + last.length && column > 0 && place % per > 0) last.length++;
    else runs.push((last = { place, length: 1 }));
  }
  return runs;
}

/** One side of a run, where no cell of the others lies beyond: a line for each stretch that is free. */
function side(path, { x, length, cell }, y, beyond) {
  let from = -1;
  for (let at = 0; at <= length; at++) {
    const free = at < length && !beyond(at);
    if (free && from < 0) from = at;
    if (!free && from >= 0) {
      path.moveTo(x + from * cell, y);
      path.lineTo(x + at * cell, y);
      from = -1;
    }
  }
}

/**
 * Dim everything but some places, and frame these.
 * @param context the canvas's
 * @param tiles how the cells lie
 * @param {number[]} places ascending
 * @param style the computed one, for the colours
 * @param {string} colour the frame's
 */
export function spotlight(context, tiles, places, style, colour) {
  const { cell, high, per, columns } = tiles;
  const frame = new Path2D();
  const outside = new Path2D();
  const known = new Set(places);
  for (const { place, length } of runsOf(tiles, places)) {
    const rect = tiles.rect(place);
    if (!rect) continue;
    const { x, y } = rect;
    const within = place % per;
    const right = x + length * cell;
    outside.rect(x, y, right - x, high);
    const run = { x, length, cell };
    side(frame, run, y, (at) => within + at >= columns && known.has(place + at - columns));
    side(frame, run, y + high, (at) => within + at + columns < per && known.has(place + at + columns));
    for (const end of [x, right]) {
      frame.moveTo(end, y);
      frame.lineTo(end, y + high);
    }
  }
  outside.rect(0, 0, tiles.width, tiles.height);
  context.fillStyle = style.getPropertyValue("--scrim");
  context.fill(outside, "evenodd");
  context.strokeStyle = style.getPropertyValue(colour);
  context.lineWidth = 1.6;
  context.stroke(frame);
}

/** A frame about one cell, in front of a halo. */
export function frameCell(context, tiles, place, style, colour) {
  const rect = tiles.rect(place);
  if (!rect) return;
  const [width, height] = [tiles.cell, tiles.high].map((size) => Math.max(size, 3));
  const [x, y] = [rect.x - (width - tiles.cell) / 2, rect.y - (height - tiles.high) / 2];
  for (const [line, name] of [
    [3, "--halo"],
    [1.6, colour],
  ]) {
    context.lineWidth = line;
    context.strokeStyle = style.getPropertyValue(name);
    context.strokeRect(x - 0.5, y - 0.5, width + 1, height + 1);
  }
}
