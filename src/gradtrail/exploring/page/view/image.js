// An image file as the numbers of one sample.

/** Luminance of red, green and blue, as the data sets are made grey. */
const grey = (red, green, blue) => 0.299 * red + 0.587 * green + 0.114 * blue;

/** A picture as the numbers of one sample, from 0 to 1: in its size, on black where it is transparent. */
export function numbersOf(picture, [channels, height, width]) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.fillStyle = "black";
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const each = height * width;
  const found = new Array(channels * each);
  for (let i = 0; i < each; i++) {
    const [red, green, blue] = [data[4 * i] / 255, data[4 * i + 1] / 255, data[4 * i + 2] / 255];
    for (let c = 0; c < channels; c++)
      found[c * each + i] = channels === 3 ? [red, green, blue][c] : grey(red, green, blue);
  }
  return found;
}

/** An image file brought to the shape of a sample. */
export async function pixelsOf(file, shape) {
  const [, height, width] = shape;
  const picture = await createImageBitmap(file, {
    resizeWidth: width,
    resizeHeight: height,
    resizeQuality: "high",
  });
  return numbersOf(picture, shape);
}
