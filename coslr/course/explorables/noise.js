// The noise floor: the rate, and the expected loss of the noisy quadratic in its two parts.

const T = 1000;
const BOTTOM = 1e-4;
const state = { family: "cosine" };
const { nodes, choose } = shapes(state, T);
const family = chooser(state, "family", "schedule", FAMILIES, choose);
const peak = slider(state, "peak", {
  label: "peak", min: -100, max: 30, step: 1, at: -50, value: (x) => 10 ** (x / 50), show: short,
});
const noise = slider(state, "noise", {
  label: "noise", min: 0, max: 100, step: 1, at: 10, value: (x) => x / 100, show: short,
});
const directions = slider(state, "directions", {
  label: "flattest curvature", min: 1, max: 200, step: 1, at: 100,
  show: (x) => (x === 1 ? "1" : `1/${x}`),
});
const found = { peak: NaN, text: "" };
const best = button("Find the best peak", search, "main");
const left = chart(plots, 300);
const right = chart(plots, 300, "wide");
group(family.node, ...nodes, peak.node, noise.node, directions.node, html("div", { class: "buttons" }, best));
choose();

// Expected loss before each update and at the end, as coslr.theory.noisy_quadratic without
// momentum: the curvatures are 1, 1/2, ..., 1/n, and the noise in each direction is c h.
function expected(rates, n, c, begin) {
  const h = Float64Array.from({ length: n }, (_, i) => 1 / (i + 1));
  const xx = new Float64Array(n).fill(begin * begin);
  const losses = new Float64Array(rates.length + 1);
  for (let t = 0; t <= rates.length; t++) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += xx[i] * h[i];
    losses[t] = sum === sum ? sum / 2 : Infinity;
    const eta = rates[t];
    if (t < rates.length) {
      for (let i = 0; i < n; i++) {
        const push = h[i] * xx[i];
        xx[i] = xx[i] - 2 * eta * push + eta ** 2 * (h[i] ** 2 * xx[i] + c * h[i]);
      }
    }
  }
  return losses;
}
function last(settings) {
  return expected(ratesOf(settings, T), settings.directions, settings.noise, 1)[T];
}

// The loss at which a constant rate stops falling.
function floorOf({ peak, noise, directions }) {
  if (peak >= 2) return Infinity;
  let sum = 0;
  for (let i = 1; i <= directions; i++) sum += (peak * noise) / i / (2 * (2 - peak / i));
  return sum;
}

function search() {
  const tried = Array.from({ length: 131 }, (_, i) => i - 100);
  const losses = tried.map((x) => last({ ...state, peak: 10 ** (x / 50) }));
  const lowest = Math.min(...losses);
  peak.set(tried[losses.indexOf(lowest)]);
  found.peak = state.peak;
  redraw();
}

start(() => {
  const { tone, dash } = look(state.family);
  const rates = ratesOf(state, T);
  const fromStart = expected(rates, state.directions, 0, 1);
  const fromNoise = expected(rates, state.directions, state.noise, 0);
  const loss = expected(rates, state.directions, state.noise, 1);
  const floor = floorOf(state);
  const every = Array.from({ length: 251 }, (_, i) => 4 * i);

  const power = 10 ** Math.floor(Math.log10(state.peak));
  const ceiling = power * [1.2, 2, 3, 4, 6, 8, 10].find((x) => state.peak <= x * power);
  left.frame(
    { low: 0, high: T, label: "update" },
    { low: 0, high: ceiling, label: "learning rate" },
    `Learning rate: ${state.family} from ${short(rates[0])} to ${short(rates[T - 1])}.`,
  );
  const ts = Array.from(rates, (_, t) => t);
  left.area(ts, rates, tone);
  left.curve(ts, rates, tone, dash);

  const [a, b, whole] = [fromStart[T], fromNoise[T], loss[T]];
  right.frame(
    { low: 0, high: T, label: "update", room: 148 },
    { low: BOTTOM, high: 10, log: true, label: "expected loss" },
    `Expected loss: it ends at ${short(whole)}, of which ${short(b)} came from the noise.`,
  );
  const pick = (of) => every.map((t) => Math.max(of[t], BOTTOM / 2));
  if (Number.isFinite(floor) && floor > BOTTOM) {
    right.across(floor);
    right.text(right.narrow ? 1000 : 990, floor * 1.12, "floor of a constant rate", "var(--soft)", "end", "");
  }
  right.curve(every, pick(fromStart), "var(--deep)", "7 4");
  right.curve(every, pick(fromNoise), "var(--warm)", "2 4");
  right.curve(every, pick(loss), "");
  right.names([
    [a, "left of the start", "var(--deep)"], [b, "from the noise", "var(--warm)"],
    [whole, right.narrow ? "loss" : `loss ${short(whole)}`],
  ].filter(([y]) => y > BOTTOM));

  const under = Number.isFinite(floor) && floor > 0 ? whole / floor : NaN;
  let text = `The loss ends at ${short(whole)}: ${short(a)} is left of the start, and ${short(b)} came from the noise.`;
  if (!Number.isFinite(whole) || whole > 10) {
    text = "The loss grows without end: this rate is too high for the steepest direction.";
  } else if (under < 0.995) {
    text += ` A constant rate of ${short(state.peak)} stops falling at ${short(floor)}, ${short(1 / under)} times as high.`;
  } else if (state.noise > 0 && Number.isFinite(floor)) {
    text += ` A constant rate of ${short(state.peak)} would stop falling at ${short(floor)}.`;
  }
  if (found.peak === state.peak) text = `Of 131 peaks, ${short(state.peak)} ends lowest. ${text}`;
  found.peak = NaN;
  tell(text);
});
host.coslr = { state, redraw, ratesOf, expected, last, T };
