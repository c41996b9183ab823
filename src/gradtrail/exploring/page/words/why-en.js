// The sentences of `why` in English, character by character those of `gradtrail.trace.why`.

import { count as whole, number, percent } from "gradtrail/words/number.js";

// -- what is not a sum, and what is not finite ---------------------------------------------------

/** What was given, or is a winner or a probability. */
export function given({ element, value, from, layer, source }) {
  const told = {
    given: "was given; no layer computed it",
    winner: `is no sum: it says which point of ${layer}'s window won, row by row`,
    softmax: `is no sum: it is the softmax of ${source}, made by ${layer}`,
  };
  return `${element} = ${number(value)} ${told[from]}.`;
}

/** What is not finite: the first element that is not, and what it is made of. */
export function notFinite({ asked, first }) {
  const since = asked ? `${asked.element} is ${number(asked.value)}, since ` : "";
  const layer = first.layer ? ` in layer '${first.layer.name}' (${first.layer.kind})` : "";
  const sample = first.sample === null ? "" : `, sample ${first.sample}`;
  return `${since}${first.element} is ${number(first.value)}${layer}${sample}: ${first.made}.`;
}

export function givenNotFinite({ trained }) {
  return trained ? "it was so before this step" : "it was given so";
}

export function overflow({ products, total }) {
  return `its ${whole(products)} products are finite, but their sum ${number(total)} is beyond its precision`;
}

export function firstNotFinite({ product }) {
  return `it is the first that is not finite, made of ${product}`;
}

export function madeOfFinite({ source }) {
  return `it is made of ${source}, which is finite`;
}

// -- a number that is not 0 ----------------------------------------------------------------------

export function single({ element, value, product }) {
  return `${element} = ${number(value)} is one product: ${product}.`;
}

export function sum({ element, value, products, magnitude, cancels, samples, place, product, factors }) {
  const told = [];
  if (samples.length) {
    const most = samples.map(({ keys, sum: part }) => `sample ${keys[0]} ${number(part)}`);
    told.push(`Most comes from ${most.join(", ")}`);
  }
  if (place) {
    const what = { c: "channel", k: "output", f: "feature" }[place.names[0]] ?? "position";
    const where = place.keys.length > 1 ? `(${place.keys.join(",")})` : place.keys[0];
    const share = `${percent(place.share)} of Σ|products|`;
    told.push(
      `${told.length ? "the" : "The"} strongest ${what} is ${where} with ${number(place.sum)} (${share})`,
    );
  }
  told.push(`${told.length ? "the" : "The"} strongest product is ${number(product)}: ${factors}`);
  const cancel = cancels === null ? "" : `: ${cancels} cancel`;
  const said = `${element} = ${number(value)} is the sum of ${whole(products)} products`;
  return `${said} with Σ|products| = ${number(magnitude)}${cancel}. ${told.join("; ")}.`;
}

/** A bias that batch norm takes off again. */
export function takenOff({ norm, layer }) {
  const said = `${norm} takes the mean of each channel off what ${layer} makes, and so takes this off again`;
  return `${said}: it changes nothing, and its gradient is 0 but for rounding; bias=False leaves it out.`;
}

// -- a gradient of 0 -----------------------------------------------------------------------------

/** Every path from the loss is closed somewhere. */
export function closed({ element, clauses, more, there }) {
  const told = more > 0 ? [...clauses, `and ${more} more causes stop the rest`] : clauses;
  return `${element} is 0: ${told.join("; ")}.${there ? ` There, ${there}` : ""}`;
}

export function tooSmall({ element }) {
  return `${element} is 0, since what comes back to it is too small to be held.`;
}

export function madeOf({ element, further, made }) {
  return `${element} is 0, since it is made of ${further}, and ${made}`;
}

/** A maximum lost, or a tie for one. */
export function lost({ tie, count, window, pool, loser, winner, value }) {
  const at = `(${window.join(",")})`;
  const who = loser ?? "it";
  const is = `which is ${number(value)}${tie ? ", too" : ""}`;
  if (count > 1) {
    const verb = tie ? "tied" : "lost";
    const first = tie ? " and the first in row-major order wins" : "";
    const where = `in all ${whole(count)} windows of ${pool} on the way${first}`;
    return `the maximum is ${verb} ${where}: in ${at} ${who} loses to ${winner}, ${is}`;
  }
  if (!tie) return `${who} loses the maximum of the window ${at} of ${pool} to ${winner}, ${is}`;
  const ties = `${who} ties for the maximum of the window ${at} of ${pool}`;
  return `${ties} and the first in row-major order wins: ${winner}, ${is}`;
}

export function unweighted({ sample, samples, own }) {
  if (samples === 1) return `${own ? "" : "the class of "}sample ${sample} has the weight 0 in the loss`;
  const whose = own ? "all" : "the classes of all";
  return `${whose} ${whole(samples)} samples that it reaches have the weight 0 in the loss`;
}

export function saturated({ softmax, count, held, value, target }) {
  const what = softmax ? "the softmax is saturated" : "the loss is at its least";
  const times = count > 1 ? ` for all ${whole(count)} outputs that it reaches` : "";
  return `${what}${times}: ${held} is ${number(value)}, and so is ${target}`;
}

export function unread({ layer, count, place }) {
  return `no window of ${layer} reaches ${count === 1 ? place : `${whole(count)} elements such as ${place}`}`;
}

const allOf = ({ count, of }) => (count === of ? `all ${whole(of)}` : `${whole(count)} of ${whole(of)}`);

export function functionClosed({ layer, relu, element, value, count, of }) {
  const where = of === 1 ? "" : ` at ${allOf({ count, of })} positions on the way`;
  const such = count > 1 ? "such as" : "where";
  return `${layer} ${relu ? "is closed" : "is flat"}${where}, ${such} ${element} is ${number(value)}`;
}

export function dropped({ layer, element, count, of }) {
  if (count === 1) return `${layer} dropped it, ${element} is 0`;
  return `${layer} dropped ${allOf({ count, of })} positions on the way, such as ${element}`;
}

export function zeroWeights({ array, element, every, count, of }) {
  if (every) return `all weights in ${array} are 0, such as ${element}`;
  if (count > 1)
    return `weights in ${array} are 0 in ${allOf({ count, of })} products on the way, such as ${element}`;
  return `${element} is 0`;
}

export function zeroInputs({ layer, element, count, of }) {
  return `what ${layer} reads is 0 in ${allOf({ count, of })} products, such as ${element}`;
}

// -- sums that are 0 although their products are not ---------------------------------------------

const productsThatAre = (nonzero) =>
  nonzero > 1 ? `${whole(nonzero)} products that are` : "one product that is";

export function tooPrecise({ element, total }) {
  const small = `the sum of its products, ${number(total)}, is smaller than any number of its precision`;
  return `${element} is 0, since ${small}.`;
}

export function rounded({ element, nonzero, total }) {
  const products = `its ${productsThatAre(nonzero)} not 0, together ${number(total)}`;
  return `${element} is 0, since ${products}, came to less than a rounding where it was computed.`;
}

export function cancelled({ element, nonzero, magnitude }) {
  return `${element} is 0, since its ${productsThatAre(nonzero)} not 0 cancel: Σ|products| = ${number(magnitude)}.`;
}

// -- a value of 0 --------------------------------------------------------------------------------

/** A value that is 0: what it was handed on from, and what made it so. */
export function zeroValue({ element, chain, made }) {
  const handed = chain.length ? `, handed on from ${chain.join(" and that from ")}` : "";
  return `${element} is 0${handed}: ${made.replace(/\.+$/, "")}.`;
}

export function givenZero({ element }) {
  return `${element} was given so`;
}

export function lossZero({ weighted }) {
  return `every prediction${weighted ? " that counts" : ""} is its target to the last bit`;
}

export function functionZero({ layer, relu, input, value }) {
  return `${layer} ${relu ? "closes it" : "is flat there"}, its input ${input} is ${number(value)}`;
}

export function droppedZero({ layer, mask }) {
  return `${layer} dropped it, ${mask} is 0`;
}

export function inputsZero({ layer }) {
  return `everything that ${layer} reads for it is 0`;
}

export function weightsZero({ layer }) {
  return `all weights of ${layer} that it is made with are 0`;
}

export function unreachedZero({ layer }) {
  return `no window of ${layer} reaches it`;
}

/** @param {{count: number, kinds: [string, number][]}} facts how many factors of which kind are 0 */
export function productsZero({ count, kinds }) {
  const told = kinds.map(([kind, times]) => `${whole(times)} times ${kind}`);
  return `in each of its ${whole(count)} products a factor is 0: ${told.join(" and ")}`;
}
