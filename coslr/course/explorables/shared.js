// What the explorables share: the place in the page, the theme, controls, charts, schedules.
// Python puts this file, one piece and the settings into one function, so each instance has its own
// copy, and nothing is added to the page's names.

// ------------------------------------------------------------------------- the place in the page

// Most pages say which script is running. Some frontends move the script out of our element before
// they run it; then it is the first element of this kind near it that no script has taken.
function place() {
  const script = document.currentScript;
  let found = script && script.closest("[data-coslr]");
  const free = `[data-coslr="${SETTINGS.piece}"]:not([data-live])`;
  for (let near = script || document; !found && near; near = near.parentNode) {
    found = near.querySelector(free);
  }
  return found;
}
const host = place();
host.dataset.live = "";
const root = host.attachShadow({ mode: "open" });
// A notebook has shortcuts on plain keys, such as arrows. It sees our element and not the slider in
// it, so it would take the keys that move the slider.
host.setAttribute("data-lm-suppress-shortcuts", "true");
host.addEventListener("keydown", (event) => {
  if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
});

function grow(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}
const html = (tag, attributes = {}, ...children) =>
  grow(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  grow(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

const plots = html("div", { class: "plots" });
const says = html("p", { class: "says" });
const live = html("p", { class: "live", role: "status", "aria-live": "polite" });
const box = html("div", { class: "box", role: "group", "aria-label": SETTINGS.title });
box.append(
  html("p", { class: "title" }, SETTINGS.title),
  html("p", { class: "lead" }, SETTINGS.lead),
  plots,
  says,
  live,
);
root.append(html("style", {}, STYLE), box);

// A screen reader hears the text once the reader has stopped moving a control.
let waiting = 0;
function tell(text) {
  says.textContent = text;
  clearTimeout(waiting);
  waiting = setTimeout(() => (live.textContent = text), 700);
}

// ---------------------------------------------------------------- the theme, and when to draw

const night = matchMedia("(prefers-color-scheme: dark)");
const still = matchMedia("(prefers-reduced-motion: reduce)");

// JupyterLab, then furo and pydata, Colab, VS Code; or else the reader's system.
function isDark() {
  for (const node of [document.body, document.documentElement]) {
    const light = node.getAttribute("data-jp-theme-light");
    if (light) return light === "false";
    for (const name of ["data-theme", "theme", "data-vscode-theme-kind"]) {
      const value = node.getAttribute(name) || "";
      if (value.includes("dark")) return true;
      if (value.includes("light")) return false;
    }
  }
  return night.matches;
}

let draw = () => {};
let asked = false;
// Several events before one frame make one drawing. A page in the background draws no frames.
function redraw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    draw();
  });
}
function paint() {
  if (box.classList.contains("dark") !== isDark()) {
    box.classList.toggle("dark");
    redraw();
  }
}
const watch = new MutationObserver(paint);
for (const node of [document.body, document.documentElement]) {
  watch.observe(node, { attributes: true });
}
night.addEventListener("change", paint);
const colour = (name) => getComputedStyle(box).getPropertyValue("--" + name).trim();

function start(drawing) {
  draw = drawing;
  box.classList.toggle("dark", isDark());
  draw();
  new ResizeObserver(redraw).observe(plots);
}

// ------------------------------------------------------------------------------------ controls

let made = 0;
function control(label, input, value) {
  input.id = "c" + ++made;
  const name = html("label", { for: input.id }, label);
  return html("div", { class: "control" }, name, value || "", input);
}

// A slider for `state[name]`. The slider's own numbers are even steps; `value` turns one into the
// value that it stands for, and `show` writes it.
function slider(state, name, { label, min, max, step, at, value = (x) => x, show, after }) {
  const shown = html("span", { class: "value", "aria-hidden": "true" });
  const input = html("input", { type: "range", min, max, step, value: at });
  const node = control(label, input, shown);
  const read = () => {
    state[name] = value(+input.value);
    shown.textContent = show(state[name]);
    input.setAttribute("aria-valuetext", shown.textContent);
  };
  input.addEventListener("input", () => {
    read();
    if (after) after();
    redraw();
  });
  read();
  const set = (x) => {
    input.value = x;
    read();
  };
  return { node, input, set };
}

function chooser(state, name, label, options, after) {
  const input = html("select");
  for (const [value, text] of options) input.append(html("option", { value }, text));
  input.value = state[name];
  input.addEventListener("change", () => {
    state[name] = input.value;
    if (after) after();
    redraw();
  });
  return { node: control(label, input), input };
}

const button = (text, act, kind = "") =>
  html("button", { type: "button", class: kind, onclick: act }, text);
function group(...nodes) {
  says.before(html("div", { class: "controls" }, ...nodes));
}

// -------------------------------------------------------------------------------------- charts

const short = (x) => (x === 0 ? "0" : `${+x.toPrecision(3)}`.replace("-", "−"));

function ticks(low, high, most) {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((n) => n * power >= rough);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high * (1 + 1e-9); i++) found.push(i * step);
  return found;
}

// Powers of ten, and between them 2 and 5 where there are few.
function decades(low, high) {
  const digits = high / low < 100 ? [1, 2, 5] : [1];
  const found = [];
  for (let i = Math.floor(Math.log10(low)); 10 ** i <= high; i++) {
    found.push(...digits.map((n) => n * 10 ** i).filter((v) => v >= low && v <= high));
  }
  return found;
}
// The places of an axis that have a number, and what stands there. Long numbers become powers.
function ticksOf({ low, high, log, ticks: set }, most) {
  if (set) return set;
  if (!log) return ticks(low, high, most).map((v) => [v, short(v)]);
  const digits = (n) => `${n}`.replace(/./g, (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]));
  const power = (v) => `10${digits(Math.round(Math.log10(v)))}`;
  const long = low < 1e-4 || high > 1e5;
  return decades(low, high).map((v) => [v, long ? power(v) : short(v)]);
}

// A chart that fills its place. `frame` begins a drawing; what is in `front` stays between them.
function chart(parent, height, kind = "", role = "img") {
  const back = svg("g");
  const front = svg("g");
  const picture = svg("svg", { role, height }, back, front);
  parent.append(html("div", { class: "plot " + kind }, picture));
  const self = { front, picture };
  let width, left, right, top, bottom, X, Y;
  const add = (node) => (back.append(node), node);

  self.frame = (x, y, text) => {
    back.replaceChildren();
    // A page that is hidden for a moment, as JupyterLab is while its theme changes, has no width.
    width = Math.max(picture.clientWidth || width || 300, 200);
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    picture.setAttribute("aria-label", text);
    const gap = y.gap || 0;
    [left, right, top, bottom] = [y.log ? 54 : 44 + gap, 14, 30, height - 40];
    self.narrow = width <= 480;
    if (x.room && !self.narrow) right = x.room;
    const scale = ({ low, high, log }, from, to) => {
      const f = log ? Math.log10 : (v) => v;
      const [a, b] = [f(low), f(high)];
      return (v) => {
        const at = (f(Math.min(Math.max(v, low - (log ? 0 : high - low)), 2 * high)) - a) / (b - a);
        return from + (to - from) * Math.min(Math.max(at, -0.5), 1.5);
      };
    };
    X = scale(x, left, width - right);
    Y = scale(y, bottom, top);
    self.X = X;
    self.Y = Y;
    self.inverseY = (py) => y.low + ((bottom - py) / (bottom - top)) * (y.high - y.low);
    for (const [v, text] of ticksOf(y, height < 200 ? 2 : 4)) {
      add(svg("path", { class: "axis", d: `M${left} ${Y(v)}H${width - right}` }));
      add(svg("text", { x: left - 8 - gap, y: Y(v) + 4, "text-anchor": "end" }, text));
    }
    for (const [v, text] of ticksOf(x, width < 420 ? 3 : 5)) {
      const anchor = v === x.high && right < 20 ? "end" : "middle";
      const at = anchor === "end" ? width - 2 : X(v);
      add(svg("text", { x: at, y: bottom + 18, "text-anchor": anchor }, text));
    }
    add(svg("path", { class: "axis", d: `M${left} ${bottom}H${width - right}` }));
    const end = { x: width - right, y: bottom + 35, "text-anchor": "end" };
    add(svg("text", end, x.label));
    add(svg("text", { x: 2, y: 14 }, y.label));
  };

  const trail = (xs, ys) => {
    let d = "";
    for (let i = 0; i < ys.length; i++) {
      d += (i ? "L" : "M") + X(xs[i]).toFixed(1) + " " + Y(ys[i]).toFixed(1);
    }
    return d;
  };
  const tone = (of) => (of ? { style: `--tone:${of}` } : {});
  self.curve = (xs, ys, of, dash = "", kind = "curve") =>
    add(svg("path", { class: kind, d: trail(xs, ys), "stroke-dasharray": dash, ...tone(of) }));
  self.area = (xs, ys, of) => {
    const d = `${trail(xs, ys)}L${X(xs[ys.length - 1])} ${bottom}L${X(xs[0])} ${bottom}Z`;
    add(svg("path", { class: "area", d, ...tone(of) }));
  };
  self.across = (y) => add(svg("path", { class: "rule", d: `M${left} ${Y(y)}H${width - right}` }));
  self.down = (x) => add(svg("path", { class: "rule", d: `M${X(x)} ${top}V${bottom}` }));
  self.dots = (xs, ys, of, size) => {
    let d = "";
    for (let i = 0; i < xs.length; i++) {
      d += `M${(X(xs[i]) - size).toFixed(1)} ${Y(ys[i]).toFixed(1)}a${size} ${size} 0 1 0 ${2 * size} 0`;
      d += `a${size} ${size} 0 1 0 ${-2 * size} 0`;
    }
    return add(svg("path", { class: "dots", d, ...tone(of) }));
  };
  self.shape = (points, of) => {
    const d = "M" + points.map(([x, y]) => `${X(x)} ${Y(y)}`).join("L") + "Z";
    add(svg("path", { class: "area", d, ...tone(of) }));
  };
  self.text = (x, y, text, of, anchor = "middle", kind = "name") =>
    add(svg("text", { x: X(x), y: Y(y), "text-anchor": anchor, class: kind, ...tone(of) }, text));
  // Names at the right ends of lines, moved apart where they would overlap. On a narrow chart they
  // stand above the lines' ends.
  self.names = (lines, away = 8) => {
    const sorted = lines
      .map(([y, text, of]) => ({ text, of, at: Math.min(Math.max(Y(y), top + 6), bottom - 4) }))
      .sort((a, b) => a.at - b.at);
    for (let i = 1; i < sorted.length; i++) {
      sorted[i].at = Math.max(sorted[i].at, sorted[i - 1].at + 17);
    }
    for (let i = sorted.length - 1, most = bottom; i >= 0; i--, most -= 17) {
      sorted[i].at = most = Math.min(sorted[i].at, most);
    }
    sorted.forEach(({ text, of, at }) => {
      const y = at + (self.narrow ? -7 : 4);
      const x = width - right + (self.narrow ? -2 : away);
      const anchor = self.narrow ? "end" : "start";
      add(svg("text", { x, y, "text-anchor": anchor, class: "name", ...tone(of) }, text));
    });
  };
  return self;
}

// ----------------------------------------------------------------------------------- schedules

const clip = (x, low, high) => Math.min(Math.max(x, low), high);

// The same formulas as coslr.schedules: `high` at w = 1 and `low` at w = 0.
const between = (low, high, w) => high * w + low * (1 - w);
const wave = (t, T) => 0.5 + 0.5 * Math.cos(Math.PI * (clip(t, 0, T) / T));

// The learning rate at update t of a run of T updates. Lengths are in updates, `floor` is a rate.
const RATES = {
  cosine: (t, { T, peak, floor }) => between(floor, peak, wave(t, T)),
  linear: (t, { T, peak, floor }) => between(floor, peak, (T - clip(t, 0, T)) / T),
  step: (t, { peak, every, factor }) => peak * factor ** Math.floor(Math.max(t, 0) / every),
  exponential: (t, { T, peak, floor }) => {
    const s = clip(t, 0, T) / T;
    return s === 1 ? floor : clip(peak * Math.exp(s * (Math.log(floor) - Math.log(peak))), floor, peak);
  },
  WSD: (t, { T, peak, cooldown }) =>
    peak * ((cooldown - clip(t - (T - cooldown), 0, cooldown)) / cooldown),
  constant: (t, { peak }) => peak,
  restarts: (t, { peak, first, growth }) => {
    let begin = 0;
    let length = first;
    while (t >= begin + length) {
      begin += length;
      length *= growth;
    }
    return between(0, peak, wave(t - begin, length));
  },
  drawn: (t, { T, knots }) => through(knots, (clip(t, 0, T) / T) * (knots.length - 1)),
};

// Fritsch and Carlson's curve through points at 0, 1, 2, ...: smooth, and nowhere above its points.
function through(y, x) {
  const rise = (i) => y[i + 1] - y[i];
  const last = y.length - 1;
  const slope = (i) => {
    if (i === 0 || i === last) {
      const [a, b] = i ? [rise(last - 1), rise(last - 2)] : [rise(0), rise(1)];
      const end = (3 * a - b) / 2;
      if (Math.sign(end) !== Math.sign(a)) return 0;
      return Math.sign(a) !== Math.sign(b) && Math.abs(end) > 3 * Math.abs(a) ? 3 * a : end;
    }
    const [a, b] = [rise(i - 1), rise(i)];
    return a * b > 0 ? (2 * a * b) / (a + b) : 0;
  };
  const i = Math.min(Math.floor(x), last - 1);
  const s = x - i;
  const [a, b] = [slope(i), slope(i + 1)];
  const d = rise(i);
  return y[i] + s * (a + s * (3 * d - 2 * a - b + s * (a + b - 2 * d)));
}

const percent = (x) => `${+(100 * x).toPrecision(3)}\u00a0%`;

// The sliders of a schedule's shape, by family. Lengths are shares of the run.
function shapes(state, T) {
  const share = (name, label, min, at) =>
    slider(state, name, {
      label, min, max: 100, step: 1, at,
      value: (x) => Math.round((x * T) / 100),
      show: (x) => `${x} updates`,
    });
  const all = {
    bottom: slider(state, "bottom", {
      label: "ends at this share of the peak", min: 0, max: 100, step: 1, at: 0,
      value: (x) => x / 100, show: percent,
    }),
    tail: slider(state, "tail", {
      label: "ends at this share of the peak", min: -40, max: -1, step: 1, at: -20,
      value: (x) => 10 ** (x / 10), show: percent,
    }),
    every: share("every", "drops after every", 5, 30),
    factor: slider(state, "factor", {
      label: "drops to", min: 5, max: 95, step: 5, at: 10,
      value: (x) => x / 100, show: percent,
    }),
    cooldown: share("cooldown", "the cooldown takes", 2, 20),
    first: share("first", "the first cycle takes", 5, 25),
    growth: slider(state, "growth", {
      label: "each cycle grows", min: 1, max: 3, step: 1, at: 1, show: (x) => `${x} times`,
    }),
  };
  const used = {
    cosine: ["bottom"], linear: ["bottom"], exponential: ["tail"], step: ["every", "factor"],
    WSD: ["cooldown"], restarts: ["first", "growth"],
  };
  const choose = () => {
    const now = used[state.family] || [];
    for (const [name, { node }] of Object.entries(all)) node.hidden = !now.includes(name);
  };
  const nodes = Object.values(all).map(({ node }) => node);
  return { nodes, choose };
}
// A state in the form that RATES takes.
function plan(state, T) {
  const share = state.family === "exponential" ? state.tail : state.bottom;
  return { ...state, T, floor: state.peak * share };
}
function ratesOf(state, T) {
  const settings = plan(state, T);
  return Float64Array.from({ length: T }, (_, t) => RATES[state.family](t, settings));
}
const look = (family) => {
  const { light, dark, dash } = SETTINGS.looks[family] || SETTINGS.looks.cosine;
  return { tone: box.classList.contains("dark") ? dark : light, dash };
};
const FAMILIES = [
  ["cosine", "cosine"], ["linear", "linear"], ["step", "step"], ["exponential", "exponential"],
  ["WSD", "WSD (plateau, cooldown)"], ["constant", "constant"], ["restarts", "warm restarts"],
];

// ------------------------------------------------------------------------------ random numbers

// Whole number n of mulberry32's sequence. It needs 32-bit arithmetic alone, so Python's are equal.
function word(seed, n) {
  let a = (seed + Math.imul(n + 1, 0x6d2b79f5)) | 0;
  a = Math.imul(a ^ (a >>> 15), 1 | a);
  a = (a + Math.imul(a ^ (a >>> 7), 61 | a)) ^ a;
  return (a ^ (a >>> 14)) >>> 0;
}
// Normal numbers 2 n and 2 n + 1, by Box and Muller's formula.
function normals(seed, n, out, at) {
  const r = Math.sqrt(-2 * Math.log((word(seed, 2 * n) + 0.5) / 2 ** 32));
  const angle = (2 * Math.PI * word(seed, 2 * n + 1)) / 2 ** 32;
  out[at] = r * Math.cos(angle);
  out[at + 1] = r * Math.sin(angle);
}
