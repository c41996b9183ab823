// `why`의 문장, 한국어. 영어 문장(why-en.js)과 같은 사실을 말합니다.
//
// 이름과 수 뒤에는 받침에 따라 바뀌지 않는 말만 붙입니다: "… 층이", "… 원소가", "…의", "…입니다".

import { count as whole, number, percent } from "gradtrail/words/number.js";

const isZero = (element) => `${element}의 값은 0입니다.`;

// -- 합이 아닌 것과 유한하지 않은 것 ---------------------------------------------------------------

/** 주어진 값, 또는 최댓값의 자리나 확률. */
export function given({ element, value, from, layer, source }) {
  const told = {
    given: "주어진 값이며, 층이 계산한 값이 아닙니다",
    winner: `합이 아니라, ${layer} 층의 윈도우에서 최댓값의 위치를 행 우선 순서로 센 번호입니다`,
    softmax: `합이 아니라, ${layer} 층이 계산한 ${source}의 소프트맥스입니다`,
  };
  return `${element} = ${number(value)}. ${told[from]}.`;
}

/** 유한하지 않은 것: 처음 그렇게 된 원소와, 그것을 만든 것. */
export function notFinite({ asked, first }) {
  const since = asked
    ? `${asked.element}의 값은 ${number(asked.value)}입니다. 처음 그렇게 된 곳은 다음과 같습니다. `
    : "";
  const layer = first.layer ? [`층 '${first.layer.name}' (${first.layer.kind})`] : [];
  const sample = first.sample === null ? [] : [`샘플 ${first.sample}`];
  const where = [...layer, ...sample];
  const place = where.length ? `${where.join(", ")}에서 ` : "";
  return `${since}${place}${first.element}의 값이 ${number(first.value)}입니다. ${first.made}.`;
}

export function givenNotFinite({ trained }) {
  return trained ? "이 스텝 전부터 그런 값이었습니다" : "그런 값으로 주어졌습니다";
}

export function overflow({ products, total }) {
  return `곱 ${whole(products)}개는 모두 유한하지만 합(${number(total)})이 이 정밀도로 나타낼 수 있는 범위를 벗어납니다`;
}

export function firstNotFinite({ product }) {
  return `유한하지 않은 값은 여기에서 처음 나오며, 다음 곱에서 생겼습니다: ${product}`;
}

export function madeOfFinite({ source }) {
  return `${source}에서 계산되었으며, 그 값들은 모두 유한합니다`;
}

// -- 0이 아닌 수 ----------------------------------------------------------------------------------

export function single({ element, value, product }) {
  return `${element} = ${number(value)}. 곱 하나로 이루어져 있습니다: ${product}.`;
}

export function sum({ element, value, products, magnitude, cancels, samples, place, product, factors }) {
  const cancel = cancels === null ? "" : `, ${cancels} 상쇄`;
  const told = [
    `${element} = ${number(value)}. 곱 ${whole(products)}개의 합입니다(Σ|곱| = ${number(magnitude)}${cancel}).`,
  ];
  if (samples.length) {
    const most = samples.map(({ keys, sum: part }) => `샘플 ${keys[0]} (${number(part)})`).join(", ");
    told.push(`가장 크게 기여한 것은 ${most}입니다.`);
  }
  if (place) {
    const what = { c: "채널은", k: "출력은", f: "특징은" }[place.names[0]] ?? "위치는";
    const where = place.keys.length > 1 ? `(${place.keys.join(",")})` : place.keys[0];
    told.push(
      `기여가 가장 큰 ${what} ${where}이며, 합은 ${number(place.sum)}입니다(Σ|곱|의 ${percent(place.share)}).`,
    );
  }
  told.push(`가장 큰 곱은 ${number(product)}입니다: ${factors}.`);
  return told.join(" ");
}

/** 배치 정규화가 도로 빼는 편향. */
export function takenOff({ norm, layer }) {
  const said = `${norm} 층은 ${layer} 층의 출력에서 채널마다 평균을 빼므로, 이 값도 도로 빠집니다`;
  return `${said}. 아무것도 바꾸지 않으며, 기울기는 반올림 오차를 빼면 0입니다. bias=False로 두면 이 값이 없어집니다.`;
}

// -- 0인 기울기 -----------------------------------------------------------------------------------

/** 손실에서 오는 모든 경로가 어딘가에서 막혀 있습니다. */
export function closed({ element, clauses, more, there }) {
  const told = [isZero(element), ...clauses];
  if (more > 0) told.push(`나머지 경로는 그 밖의 원인 ${more}가지로 막혀 있습니다.`);
  if (there) told.push(`그 이유는 다음과 같습니다. ${there}`);
  return told.join(" ");
}

export function tooSmall({ element }) {
  return `${isZero(element)} 이 원소로 전해지는 기울기가 너무 작아서 이 정밀도로는 0이 됩니다(언더플로).`;
}

export function madeOf({ element, further, made }) {
  return `${isZero(element)} 이 값은 ${further} 원소에서 계산되는데, 그 원소가 이미 0입니다. ${made}`;
}

/** 최댓값이 되지 못했거나, 최댓값이 여럿인데 첫 번째가 아닙니다. */
export function lost({ tie, count, window, pool, loser, winner, value }) {
  const at = `(${window.join(",")})`;
  const who = loser === null ? "이 원소가" : `${loser} 원소가`;
  const loses = `${who} ${winner} 원소(${tie ? "값은 똑같이" : "값"} ${number(value)})에 밀려 최댓값이 되지 못합니다.`;
  if (count > 1) {
    const all = `가는 길에 있는 ${pool} 층의 윈도우 ${whole(count)}개`;
    const told = tie
      ? `${all} 모두에서 최댓값이 여럿이며, 그중 행 우선 순서로 첫 번째를 고릅니다.`
      : `${all} 모두에서 최댓값이 되지 못합니다.`;
    return `${told} 예를 들어 ${at}에서는 ${loses}`;
  }
  if (!tie) return `${pool} 층의 윈도우 ${at}에서 ${loses}`;
  return `${pool} 층의 윈도우 ${at}에는 최댓값이 여럿이며, 그중 행 우선 순서로 첫 번째를 고릅니다. ${loses}`;
}

export function unweighted({ sample, samples, own }) {
  const whose = samples === 1 ? `샘플 ${sample}의` : `여기에서 이어지는 샘플 ${whole(samples)}개의`;
  const all = samples === 1 ? "" : "모두 ";
  if (own) return `${whose} 가중치는 손실에서 ${all}0입니다.`;
  return `${whose} 클래스는 ${all}손실에서 가중치가 0입니다.`;
}

export function saturated({ softmax, count, held, value, target }) {
  const what = softmax ? "소프트맥스가 포화되어 있습니다" : "손실이 최솟값에 있습니다";
  const times = count > 1 ? `여기에서 이어지는 출력 ${whole(count)}개 모두에서 ` : "";
  return `${times}${what}: ${held} = ${number(value)}이고, ${target}의 값도 같습니다.`;
}

export function unread({ layer, count, place }) {
  const what = count === 1 ? `${place} 원소` : `${place} 등 원소 ${whole(count)}개`;
  return `${layer} 층의 어느 윈도우도 ${what}에 닿지 않습니다.`;
}

/** "위치 144곳 모두", "위치 144곳 중 3곳". */
const allOf = (what, unit, { count, of }) =>
  `${what} ${whole(of)}${unit} ${count === of ? "모두" : `중 ${whole(count)}${unit}`}`;

export function functionClosed({ layer, relu, element, value, count, of }) {
  const where = of === 1 ? "" : `가는 길에 있는 ${allOf("위치", "곳", { count, of })}에서 `;
  const is = relu ? `${layer} 층이 닫혀 있습니다` : `${layer} 층의 함수가 평평합니다(기울기 0)`;
  const held = `${element} = ${number(value)}`;
  return count > 1 ? `${where}${is}(예: ${held}).` : `${where}${is}: ${held}.`;
}

export function dropped({ layer, element, count, of }) {
  if (count === 1) return `${layer} 층의 드롭아웃으로 빠졌습니다: ${element} = 0.`;
  return `가는 길에 있는 ${allOf("위치", "곳", { count, of })}에서 ${layer} 층의 드롭아웃으로 빠졌습니다(예: ${element}).`;
}

export function zeroWeights({ array, element, every, count, of }) {
  if (every) return `${array}의 가중치가 모두 0입니다(예: ${element}).`;
  if (count === 1) return `가중치 ${element}의 값이 0입니다.`;
  return `가는 길에 있는 ${allOf("곱", "개", { count, of })}에서 ${array}의 가중치가 0입니다(예: ${element}).`;
}

export function zeroInputs({ layer, element, count, of }) {
  return `${allOf("곱", "개", { count, of })}에서 ${layer} 층이 읽는 값이 0입니다(예: ${element}).`;
}

// -- 곱은 0이 아니지만 합이 0인 것 ------------------------------------------------------------------

export function tooPrecise({ element, total }) {
  return `${isZero(element)} 곱의 합(${number(total)})이 이 정밀도로 나타낼 수 있는 가장 작은 수보다도 작습니다.`;
}

export function rounded({ element, nonzero, total }) {
  const products = nonzero > 1 ? `0이 아닌 곱 ${whole(nonzero)}개의 합` : "0이 아닌 유일한 곱";
  return `${isZero(element)} ${products}(${number(total)})이 계산 중의 반올림으로 사라졌습니다.`;
}

export function cancelled({ element, nonzero, magnitude }) {
  return `${isZero(element)} 0이 아닌 곱 ${whole(nonzero)}개가 서로 상쇄됩니다: Σ|곱| = ${number(magnitude)}.`;
}

// -- 0인 값 --------------------------------------------------------------------------------------

/** 0인 값: 어디에서 넘겨받았고, 무엇이 0으로 만들었는지. */
export function zeroValue({ element, chain, made }) {
  const handed = chain.length ? ` 이 값은 ${chain.join(" 원소에서, 그 값은 다시 ")} 원소에서 왔습니다.` : "";
  return `${isZero(element)}${handed} ${made}`;
}

export function givenZero({ element }) {
  return `${element}의 값은 0으로 주어졌습니다.`;
}

export function lossZero({ weighted }) {
  return `${weighted ? "가중치가 있는 " : ""}모든 예측이 마지막 비트까지 정답과 같습니다.`;
}

export function functionZero({ layer, relu, input, value }) {
  return `${relu ? `${layer} 층이 닫혀 있습니다` : `그곳에서 ${layer} 층의 함수가 평평합니다`}: 입력 ${input} = ${number(value)}.`;
}

export function droppedZero({ layer, mask }) {
  return `${layer} 층의 드롭아웃으로 빠졌습니다: ${mask} = 0.`;
}

export function inputsZero({ layer }) {
  return `${layer} 층이 이 원소를 만들 때 읽는 값이 모두 0입니다.`;
}

export function weightsZero({ layer }) {
  return `${layer} 층이 이 원소를 만들 때 쓰는 가중치가 모두 0입니다.`;
}

export function unreachedZero({ layer }) {
  return `${layer} 층의 어느 윈도우도 이 원소에 닿지 않습니다.`;
}

/** @param {{count: number, kinds: [string, number][]}} facts 어떤 인수가 몇 번 0인지 */
export function productsZero({ count, kinds }) {
  const names = { mask: "마스크", weights: "가중치", inputs: "입력" };
  const told = kinds.map(([kind, times]) => `${names[kind]} ${whole(times)}번`);
  return `곱 ${whole(count)}개 모두에 0인 인수가 있습니다: ${told.join(", ")}.`;
}
