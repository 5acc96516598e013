// Frames: a figure for each position of the controls. Python has drawn them; here are the numbers.

const { x, y, controls, marks, frames, grid } = SETTINGS;
const state = {};
const plane = chart(plots, 330, "wide");
group(
  ...controls.map(({ name, values, at, words }) => {
    state[name] = `${at}`;
    if (words) return chooser(state, name, name, values.map((value, i) => [`${i}`, value])).node;
    const show = (i) => values[i].replace("-", "−");
    return slider(state, name, { label: name, min: 0, max: values.length - 1, step: 1, at, show }).node;
  }),
);
// The last control moves fastest, as in Python's itertools.product.
const chosen = () => controls.reduce((n, { name, values }) => n * values.length + +state[name], 0);

// From a place on the grid to the number on the axis.
const number = ({ low, high, log }, most) => (at) =>
  log ? low * (high / low) ** (at / most) : low + (at / most) * (high - low);
const [toX, toY] = [number(x, grid[0]), number(y, grid[1])];
const every = (numbers, n, first) => numbers.filter((_, i) => i % n === first);
const longest = Math.max(0, ...marks.map(({ name }) => name.length));

const DRAW = {
  curve: (part, tone, dash) => plane.curve(every(part, 2, 0).map(toX), every(part, 2, 1).map(toY), tone, dash),
  dots: (part, tone) => plane.dots(every(part, 2, 0).map(toX), every(part, 2, 1).map(toY), tone, 4),
  bars: (part, tone) => {
    const [xs, lows, highs] = [0, 1, 2].map((i) => every(part, 3, i));
    xs.forEach((at, i) => plane.curve([toX(at), toX(at)], [toY(lows[i]), toY(highs[i])], tone));
  },
  area: (part, tone) => {
    const xs = every(part, 2, 0);
    plane.shape(xs.map((at, i) => [toX(at), toY(part[2 * i + 1])]), tone);
  },
  band: ([low, high], tone) =>
    plane.shape([[x.low, toY(low)], [x.low, toY(high)], [x.high, toY(high)], [x.high, toY(low)]], tone),
  across: ([at]) => plane.across(toY(at)),
  down: ([at]) => plane.down(toX(at)),
};
// A name stands at the right edge, or beside the last point of a line that ends before.
function nameOf({ kind, name, at }, tone, ends) {
  const last = at[at.length - 1];
  if (kind === "curve" || kind === "dots") {
    const [px, py] = last.slice(-2);
    if (px > 0.97 * grid[0]) ends.push([toY(py), name, tone]);
    else plane.text(toX(px + 20), toY(py + 30), name, tone, "start");
    return;
  }
  const [xs, ys] = [every(last, 2, 0), every(last, 2, 1)];
  const right = kind === "area" ? ys.filter((_, i) => xs[i] === Math.max(...xs)) : last;
  if (kind !== "down") ends.push([toY(right.reduce((sum, y) => sum + y, 0) / right.length), name, tone]);
}

start(() => {
  const { title, text, drawn } = frames[chosen()];
  plane.frame({ ...x, room: longest ? 24 + 8 * longest : 0 }, y, text);
  const ends = [];
  for (const mark of drawn.map((i) => marks[i])) {
    const tone = mark.tones[box.classList.contains("dark") ? 1 : 0];
    for (const part of mark.at) DRAW[mark.kind](part, tone, mark.dash);
    if (mark.name && mark.at.length) nameOf(mark, tone, ends);
  }
  plane.names(ends);
  tell(title);
});
host.coslr = { state, redraw, chosen, marks, frames, toX, toY };
