// How many seeds? Simulated studies, each a dot, fall into better, worse, equivalent and open.

const STUDIES = 500;
const MOST = 60;
const [WIDE, HIGH] = [1.5, 1.5];
const state = { seed: 1 };
const points = (x) => `${short(x)} points`;
const n = slider(state, "n", { label: "seeds in a study", min: 2, max: MOST, step: 1, at: 8, show: String });
const difference = slider(state, "difference", {
  label: "true difference", min: -100, max: 100, step: 5, at: 30, value: (x) => x / 100, show: points,
});
const spread = slider(state, "spread", {
  label: "spread of a pair", min: 5, max: 150, step: 5, at: 50, value: (x) => x / 100, show: points,
});
const margin = slider(state, "margin", {
  label: "margin", min: 5, max: 100, step: 5, at: 30, value: (x) => x / 100, show: points,
});
const plane = chart(plots, 380, "wide");
const counts = html("div", { class: "plot" });
plots.append(counts);
const bars = svg("svg", { role: "img", height: 250 });
counts.append(bars);
group(
  n.node, difference.node, spread.node, margin.node,
  html("div", { class: "buttons" },
    button("500 new studies", () => ((state.seed += 1), (drawn = null), redraw()), "main")),
);

// --------------------------------------------------------------------------- Student's quantiles

// The probability between -t and t, for a whole number of degrees of freedom: a finite sum
// (Abramowitz and Stegun, 26.7.3 and 26.7.4).
function inside(t, df) {
  const angle = Math.atan(t / Math.sqrt(df));
  const c = Math.cos(angle) ** 2;
  const odd = df % 2;
  let term = odd ? Math.cos(angle) : 1;
  let sum = df > 1 ? term : 0;
  for (let i = odd ? 3 : 2; i <= df - 2; i += 2) {
    term *= (c * (i - 1)) / i;
    sum += term;
  }
  return odd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
}
const known = new Map();
// The t with this probability between -t and t, by halving.
function quantile(share, df) {
  const key = `${share} ${df}`;
  if (!known.has(key)) {
    let [low, high] = [0, 1];
    while (inside(high, df) < share) high *= 2;
    for (let i = 0; i < 80; i++) {
      const middle = (low + high) / 2;
      if (inside(middle, df) < share) low = middle;
      else high = middle;
    }
    known.set(key, (low + high) / 2);
  }
  return known.get(key);
}

// ------------------------------------------------------------------------------------- the rule

// As coslr.experiments.outcomes.judge, for a measure of which much is good.
function judge(values, margin) {
  const n = values.length;
  let mean = 0;
  for (const v of values) mean += (v - values[0]) / n;
  let squares = 0;
  for (const v of values) squares += (v - values[0] - mean) ** 2;
  mean += values[0];
  const error = Math.sqrt(squares / (n - 1) / n);
  const half = quantile(0.95, n - 1) * error;
  const half90 = quantile(0.9, n - 1) * error;
  let word = "open";
  if (mean - half > 0 || mean + half < 0) word = mean > 0 ? "better" : "worse";
  else if (-margin <= mean - half90 && mean + half90 <= margin) word = "equivalent";
  return { mean, half, half90, word };
}

let drawn = null;
// Study i keeps its pairs: with one seed more it has the same pairs as before, and one more.
function study(i) {
  if (!drawn) {
    drawn = new Float64Array(STUDIES * MOST);
    for (let j = 0; j < drawn.length; j += 2) normals(state.seed, j / 2, drawn, j);
  }
  return drawn.subarray(i * MOST, i * MOST + state.n).map((z) => state.difference + state.spread * z);
}
const studies = () => Array.from({ length: STUDIES }, (_, i) => judge(study(i), state.margin));

// ------------------------------------------------------------------------------------- drawing

const WORDS = ["better", "worse", "equivalent", "open"];
const TONES = {
  better: "var(--green)", worse: "var(--warm)", equivalent: "var(--deep)", open: "var(--soft)",
};

start(() => {
  const found = studies();
  const of = (word) => found.filter((one) => one.word === word);
  const { margin: m } = state;
  const r = quantile(0.9, state.n - 1) / quantile(0.95, state.n - 1);

  const tally = WORDS.map((word) => `${of(word).length} ${word}`).join(", ");
  plane.frame(
    { low: -WIDE, high: WIDE, label: "measured difference (points)" },
    { low: 0, high: HIGH, label: "half the width of the 95 % interval (points)" },
    `Each of ${STUDIES} studies as a dot: ${tally}.`,
  );
  // An interval excludes zero where its middle is further from zero than half its width.
  plane.shape([[0, 0], [WIDE, HIGH], [WIDE, 0]], TONES.better);
  plane.shape([[0, 0], [-WIDE, HIGH], [-WIDE, 0]], TONES.worse);
  const corner = m / (1 + r);
  plane.shape([[0, 0], [corner, corner], [0, m / r], [-corner, corner]], TONES.equivalent);
  for (const word of WORDS) {
    const some = of(word);
    const up = some.map((one) => Math.min(one.half, HIGH));
    const across = some.map((one) => clip(one.mean, -WIDE, WIDE));
    plane.dots(across, up, TONES[word], 2.3).style.opacity = 0.55;
  }
  plane.down(state.difference);
  const truth = state.difference > 0 ? ["start", 0.03] : ["end", -0.03];
  plane.text(state.difference + truth[1], HIGH * 0.985, "true difference", "var(--soft)", truth[0], "");
  const edge = plane.narrow ? 0.62 : 0.7;
  plane.text(WIDE * edge, 0.07, "better", TONES.better);
  plane.text(-WIDE * edge, 0.07, "worse", TONES.worse);
  const beside = Math.min(corner, HIGH * 0.6);
  plane.text(-0.75 * beside - 0.06, beside + 0.2, "equivalent", TONES.equivalent, "end");
  plane.text(-0.75, 1.27, "open", TONES.open);

  const width = Math.max(bars.clientWidth, 200);
  bars.setAttribute("viewBox", `0 0 ${width} 250`);
  bars.setAttribute("aria-label", `Of ${STUDIES} studies: ${tally}.`);
  bars.replaceChildren(svg("text", { x: 0, y: 14 }, `of ${STUDIES} studies`));
  WORDS.forEach((word, i) => {
    const y = 32 + 54 * i;
    const share = of(word).length / STUDIES;
    const style = `--tone:${TONES[word]}`;
    bars.append(
      svg("text", { x: 0, y: y + 14, class: "name", style }, word),
      svg("text", { x: width, y: y + 14, "text-anchor": "end", class: "name" }, percent(share)),
      svg("rect", { x: 0, y: y + 22, width, height: 10, rx: 5, class: "area", style }),
      svg("rect", { x: 0, y: y + 22, width: width * share, height: 10, rx: 5, class: "dots", style }),
    );
  });
  const right = state.difference > 0 ? "better" : state.difference < 0 ? "worse" : "";
  const finds = (words) => percent(words.reduce((sum, w) => sum + of(w).length, 0) / STUDIES);
  const answer = right
    ? ` ${finds([right])} of the studies find the side of the true difference.`
    : ` There is no true difference, and ${finds(["better", "worse"])} of the studies find one.`;
  tell(`Of ${STUDIES} studies with ${state.n} seeds each: ${tally}.${answer}`);
});
host.coslr = { state, redraw, quantile, judge, studies };
