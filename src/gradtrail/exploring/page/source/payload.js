// The session inside a saved page: packed text that holds the description and all arrays.
//
// base64 of gzip of: 4 bytes with the header's length (little-endian), the header as JSON, then the
// arrays one after the other. The header says of what kind each is and where it begins.

import { arrayOf, dtypeOf } from "gradtrail/step/arrays.js";

function through(bytes, transformation) {
  return new Response(new Blob([bytes]).stream().pipeThrough(transformation)).arrayBuffer();
}

/** What is packed: the description, where there is one, and each array with its side, name and numbers. */
export function unpackBytes(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const arrays = (header.arrays ?? header).map(({ side, name, state, dtype, offset, bytes }) => {
    return { side, name, state, array: arrayOf(dtype, buffer, 4 + length + offset, bytes) };
  });
  return { description: header.description, arrays };
}

/** What is packed as text. */
export async function unpack(text) {
  const packed = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
  return unpackBytes(await through(packed, new DecompressionStream("gzip")));
}

const aligned = (length) => Math.ceil(length / 8) * 8;

/** The inverse of `unpack`. */
export async function pack(description, arrays) {
  let offset = 0;
  const listed = arrays.map(({ side, name, state, array }) => {
    const entry = { side, name, state, dtype: dtypeOf(array), offset, bytes: array.byteLength };
    offset = aligned(offset + array.byteLength);
    return entry;
  });
  const plain = new TextEncoder().encode(JSON.stringify({ description, arrays: listed }));
  const start = aligned(4 + plain.length);
  const whole = new Uint8Array(start + offset).fill(32, 4, start);
  new DataView(whole.buffer).setUint32(0, start - 4, true);
  whole.set(plain, 4);
  arrays.forEach(({ array }, place) => {
    whole.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), start + listed[place].offset);
  });
  const packed = new Uint8Array(await through(whole, new CompressionStream("gzip")));
  let text = "";
  for (let at = 0; at < packed.length; at += 32768)
    text += String.fromCharCode(...packed.subarray(at, at + 32768));
  return btoa(text);
}
