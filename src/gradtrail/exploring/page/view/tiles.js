// How the elements of an array lie on a canvas: tiles of cells, one tile for each map or filter.
//
// The last two axes make up a tile, those before them count the tiles. Of a matrix each row is a tile,
// and a row of features is wrapped. Of a sequence each channel is a line, one below the other.

import { sizeOf } from "gradtrail/equation/affine.js";

const GAP = 4;
const LINE = 10; // how high a sequence's cells are, however narrow

/** The side of a cell, for tiles about as large as `aim`. */
function cellFor(rows, columns, aim, most) {
  return Math.max(1, Math.min(most, Math.floor(aim / Math.max(rows, columns))));
}

/** How many features stand in a line: a number that divides them all, where one is near. */
function columnsFor(count, most) {
  for (let columns = Math.min(count, most); columns > most / 2; columns--)
    if (count % columns === 0) return columns;
  return Math.min(count, most);
}

export class Tiles {
  /**
   * @param {number[]} shape of one sample, or of a whole parameter
   * @param {{width: number, zoom: number, aim: number, height: number, sequence?: boolean}} room in CSS
   *   pixels; what would be higher than `height` is folded; whether the last axis is a sequence's places
   * @param {number} near a place that is to be seen, though others are folded away then
   */
  constructor(shape, room, near = 0) {
    this.shape = shape;
    this.count = sizeOf(shape);
    this.sequence = Boolean(room.sequence) && shape.length === 2;
    const [rows, columns, tiles] = this.arrangement(shape, room);
    this.rows = rows;
    this.columns = columns;
    this.per = this.count / tiles;
    this.high = this.sequence ? room.zoom * LINE : this.cell;
    const span = [columns * this.cell + GAP, rows * this.high + (this.sequence ? 2 : GAP)];
    this.across = this.perLine(tiles, room, span, shape);
    const lines = Math.ceil(tiles / this.across);
    const fitting = Math.max(1, Math.floor((room.height + GAP) / span[1]));
    this.lines = Math.min(lines, fitting);
    const line = Math.floor(near / this.per / this.across);
    this.first = Math.max(0, Math.min(line, lines - this.lines)) * this.across;
    this.shown = Math.min(tiles - this.first, this.lines * this.across);
    this.folded = tiles - this.shown;
    this.span = span;
    this.width = Math.min(this.across, this.shown) * span[0] - GAP;
    this.height = this.lines * span[1] - (span[1] - rows * this.high);
  }

  arrangement(shape, { width, zoom, aim }) {
    if (shape.length < 2) {
      const count = this.count;
      const wide = Math.min(aim > 40 ? 24 : 10, Math.max(4, Math.floor(width / count / zoom)));
      this.cell = zoom * (count <= 12 ? wide : count <= 150 && aim > 40 ? 8 : 6);
      const columns = columnsFor(count, Math.max(1, Math.floor(width / this.cell)));
      return [Math.ceil(count / columns), columns, 1];
    }
    if (this.sequence) return this.lined(shape, width, zoom);
    if (shape.length === 2) return this.wrapped(shape, width, zoom, aim);
    const [rows, columns] = shape.slice(-2);
    this.cell = zoom * cellFor(rows, columns, aim, shape.length > 3 || aim < 40 ? 7 : 12);
    return [rows, columns, this.count / (rows * columns)];
  }

  /** The channels of a sequence, each along the whole width; what is longer goes on in the next line. */
  lined([tiles, count], width, zoom) {
    const fitting = Math.max(1, Math.floor(width / zoom));
    const columns = count <= fitting ? count : columnsFor(count, fitting);
    this.cell = zoom * Math.max(1, Math.min(LINE, Math.floor(fitting / columns)));
    return [Math.ceil(count / columns), columns, tiles];
  }

  /** The rows of a matrix, each somewhat wider than high. */
  wrapped([tiles, count], width, zoom, aim) {
    const columns = columnsFor(count, Math.max(4, Math.ceil(1.4 * Math.sqrt(count))));
    const rows = Math.ceil(count / columns);
    const fitting = Math.max(2, Math.floor(width / zoom / columns));
    this.cell = zoom * Math.max(2, Math.min(fitting, cellFor(rows, columns, 2 * aim, 7)));
    return [rows, columns, tiles];
  }

  /** How many tiles stand in a line; what belongs together stays so where it can. */
  perLine(tiles, { width }, [span], shape) {
    if (this.sequence) return 1;
    const most = Math.max(1, Math.floor((width + GAP) / span));
    const together = shape.length >= 4 ? shape.at(-3) : 1; // kernels of a filter, slices of a volume
    if (together > 1 && together <= most) return together * Math.floor(most / together);
    if (tiles <= most) return tiles;
    const lines = Math.ceil(tiles / most);
    return Math.ceil(tiles / lines);
  }

  /** Where a tile begins, counted from the first that is shown. */
  corner(tile) {
    return [(tile % this.across) * this.span[0], Math.floor(tile / this.across) * this.span[1]];
  }

  /** Where an element lies: its corner; null where it is folded away. */
  rect(place) {
    const tile = Math.floor(place / this.per) - this.first;
    if (tile < 0 || tile >= this.shown) return null;
    const [x, y] = this.corner(tile);
    const within = place % this.per;
    return {
      x: x + (within % this.columns) * this.cell,
      y: y + Math.floor(within / this.columns) * this.high,
    };
  }

  /** The element at a point of the canvas, or null. */
  at(x, y) {
    const column = Math.floor(x / this.span[0]);
    const line = Math.floor(y / this.span[1]);
    if (x < 0 || y < 0 || column >= this.across || line >= this.lines) return null;
    const inside = [
      Math.floor((x - column * this.span[0]) / this.cell),
      Math.floor((y - line * this.span[1]) / this.high),
    ];
    if (inside[0] >= this.columns || inside[1] >= this.rows) return null;
    const tile = line * this.across + column;
    const within = inside[1] * this.columns + inside[0];
    return tile < this.shown && within < this.per ? (this.first + tile) * this.per + within : null;
  }

  /** The element that an arrow key leads to from a place. */
  moved(place, key) {
    const { per, columns, count } = this;
    const within = place % per;
    const start = place - within;
    const column = within % columns;
    const to = {
      ArrowRight: column + 1 < columns && within + 1 < per ? place + 1 : null,
      ArrowLeft: column > 0 ? place - 1 : null,
      ArrowDown: within + columns < per ? place + columns : null,
      ArrowUp: within >= columns ? place - columns : null,
      PageDown: place + per < count ? place + per : null,
      PageUp: place >= per ? place - per : null,
      Home: start,
      End: start + per - 1,
    }[key];
    return to ?? place;
  }
}
