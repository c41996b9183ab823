// From numbers to colours: blue below zero, orange above, zero in the middle, so that the sign can be
// told with every kind of colour vision; grey for images. The ends are the largest size that is shown.

const STEPS = 256;

/** The colours at −1, −½, 0, ½ and 1, between which others are mixed. */
const STOPS = {
  light: [
    [0, 60, 150],
    [90, 155, 220],
    [250, 250, 248],
    [243, 165, 85],
    [170, 70, 0],
  ],
  dark: [
    [150, 205, 255],
    [50, 115, 190],
    [27, 31, 38],
    [200, 105, 20],
    [255, 195, 120],
  ],
};
const CLOSED = { light: [208, 210, 214], dark: [62, 67, 76] };
const WRONG = [200, 0, 160];

/** The theme that is shown. */
export function theme() {
  return document.documentElement.dataset.theme ?? "light";
}

/** The colour at a share from −1 to 1. */
function diverging(stops, share) {
  const place = (share + 1) * 2;
  const before = Math.min(3, Math.floor(place));
  const [from, to] = stops.slice(before);
  return from.map((value, i) => Math.round(value + (to[i] - value) * (place - before)));
}

/** Red, green and blue as a canvas has them. */
export const packed = ([red, green, blue]) => (255 << 24) | (blue << 16) | (green << 8) | red;
const tables = new Map();

/** The packed colours of one scale: from −1 to 1, or from 0 to 1 for grey. */
function table(name) {
  if (!tables.has(name)) {
    const colours = new Int32Array(2 * STEPS + 1);
    for (let i = 0; i < colours.length; i++) {
      const share = i / STEPS - 1;
      const grey = Math.round(255 * ((share + 1) / 2));
      colours[i] = packed(name === "grey" ? [grey, grey, grey] : diverging(STOPS[name], share));
    }
    tables.set(name, colours);
  }
  return tables.get(name);
}

/**
 * A scale for numbers of a known range.
 * @param {boolean} grey whether 0 … limit is black … white, as images are; else −limit … limit diverges
 */
export function scale(limit, grey, low = 0) {
  const colours = table(grey ? "grey" : theme());
  const wrong = packed(WRONG);
  if (grey) {
    const span = limit - low || 1;
    return (value) => {
      const share = Math.min(1, Math.max(0, (value - low) / span));
      return Number.isNaN(value) ? wrong : colours[Math.round(2 * STEPS * share)];
    };
  }
  const factor = limit > 0 ? STEPS / limit : 0;
  return (value) => {
    if (Number.isNaN(value)) return wrong;
    const place = STEPS + (Number.isFinite(value) ? value * factor : Math.sign(value) * STEPS);
    return colours[Math.round(Math.min(2 * STEPS, Math.max(0, place)))];
  };
}

/** What a closed element is drawn in. */
export function closedColour() {
  return packed(CLOSED[theme()]);
}

/** The colours as CSS writes them, for a legend: far low to far high. */
export function legend() {
  return [-1, -0.5, 0, 0.5, 1].map((share) => css(share, 1));
}

/** One number's colour as CSS writes it. */
export function css(value, limit) {
  const colour = scale(limit, false)(value);
  return `rgb(${colour & 255} ${(colour >> 8) & 255} ${(colour >> 16) & 255})`;
}
