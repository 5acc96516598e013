// Draw a schedule: a curve with handles, and the rates of a training loop with a known mistake.

const T = 100;
const TOP = 0.12;
const KNOTS = 9;
const state = { family: "cosine", mistake: "none", knots: [] };

const families = [...FAMILIES, ["drawn", "your own"]];
const { nodes, choose } = shapes(state, T);
const peak = slider(state, "peak", {
  label: "peak", min: 1, max: 120, step: 1, at: 100, value: (x) => x / 1000, show: short,
});
const family = chooser(state, "family", "schedule", families, () => {
  if (state.family === "drawn") state.knots = knotsNow(before);
  before = state.family;
  arrange();
});
let before = "cosine";
const mistake = chooser(state, "mistake", "the training loop", [
  ["none", "is right"],
  ["early", "is one update early"],
  ["fast", "steps several times per update"],
  ["reset", "makes a new scheduler at a resume"],
], arrange);
const times = slider(state, "times", {
  label: "steps per update", min: 2, max: 8, step: 1, at: 4, show: (x) => `${x}`,
});
const resume = slider(state, "resume", {
  label: "resumes at update", min: 10, max: 90, step: 1, at: 40, show: (x) => `${x}`,
});

const main = chart(plots, 330, "", "group");
const verdict = html("span");
const ruling = html("p", { class: "verdict" }, html("b", {}, "What diagnose says"), verdict);
box.append(ruling);
group(family.node, peak.node, ...nodes);
group(mistake.node, times.node, resume.node);

function arrange() {
  choose();
  peak.node.hidden = state.family === "drawn";
  times.node.hidden = state.mistake !== "fast";
  resume.node.hidden = state.mistake !== "reset";
}
arrange();

// ------------------------------------------------------------------------------------- numbers

function rateOf(settings) {
  const full = plan(settings, T);
  return (t) => RATES[settings.family](t, full);
}

// The rates of a loop of T updates that has the mistake.
function trace(settings) {
  const rate = rateOf(settings);
  const clock = {
    none: (k) => k,
    early: (k) => k + 1,
    fast: (k) => settings.times * k,
    reset: (k) => (k < settings.resume ? k : k - settings.resume),
  }[settings.mistake];
  return Float64Array.from({ length: T }, (_, k) => rate(clock(k)));
}

// The first cause that fits the whole trace, in the order of coslr.diagnosis, and in its words.
// Only the causes are tried that these three mistakes can look like, among them three others: a
// staircase that begins anew may be the same staircase too slow, or times ten.
function diagnosed(settings) {
  const rate = rateOf(settings);
  const found = trace(settings);
  const meant = Float64Array.from({ length: T }, (_, k) => rate(k));
  const largest = Math.max(...found, ...meant);
  const near = (a, b) => Math.abs(a - b) <= 1e-9 * Math.max(a, b, largest);
  const fits = (clock) => found.every((x, k) => near(x, rate(clock(k))));
  const says = (cause, numbers = {}) =>
    SETTINGS.causes[cause].replace(/\{(\w+)\}/g, (_, name) => six(numbers[name]));
  if (fits((k) => k)) return says("right");
  if (found.every((x) => near(x, found[0]))) return says("never_moves", { rate: found[0] });
  if (fits((k) => k + 1)) return says("one_early");
  const counted = [
    ["too_fast", "times", (n) => (k) => n * k],
    ["too_slow", "times", (n) => (k) => k / n],
    ["per_epoch", "updates", (n) => (k) => Math.floor(k / n)],
    ["per_epoch", "updates", (n) => (k) => Math.floor(k / n) * n],
  ];
  for (const [cause, name, clock] of counted) {
    for (let n = 2; n <= T; n++) if (fits(clock(n))) return says(cause, { [name]: n });
  }
  const update = found.findIndex((x, k) => !near(x, meant[k]));
  const top = meant.indexOf(Math.max(...meant.slice(update)), update);
  const factor = found[top] / meant[top];
  const usual = FACTORS.some((x) => Math.abs(x / factor - 1) < 1e-8);
  if (update && usual && found.every((x, k) => near(x, meant[k] * (k < update ? 1 : factor)))) {
    return says("scaled_from", { update, factor });
  }
  for (let u = update; u > 0; u--) {
    if (fits((k) => (k < u ? k : k - u))) return says("restarted", { update: u });
  }
  return "";
}
// The factors that loops have: numbers of processes or of small batches, and powers of ten.
const FACTORS = Array.from({ length: 63 }, (_, i) => [i + 2, 1 / (i + 2)]).flat();
for (let k = -6; k <= 6; k++) if (k) FACTORS.push(10 ** k);
// A number with six digits, as Python writes it.
function six(x) {
  const [digits, power] = x.toExponential(5).split("e");
  if (x === 0 || (power >= -4 && power < 6)) return `${+x.toPrecision(6)}`;
  return `${+digits}e${power < 0 ? "-" : "+"}${`${Math.abs(power)}`.padStart(2, "0")}`;
}

const mean = (values) => values.reduce((sum, x) => sum + x, 0) / values.length;

// ------------------------------------------------------------------------------------ handles

const places = Array.from({ length: KNOTS }, (_, i) => (i * T) / (KNOTS - 1));
function knotsNow(of) {
  const rate = rateOf({ ...state, family: of });
  return places.map((t) => clip(rate(t), 0, TOP));
}
// Whoever moves a handle draws a curve of their own, which begins as the family's.
function move(i, to) {
  if (state.family !== "drawn") {
    state.knots = knotsNow(state.family);
    state.family = before = family.input.value = "drawn";
    arrange();
  }
  state.knots[i] = clip(to, 0, TOP);
  redraw();
}
const handles = places.map((t, i) => {
  const node = svg(
    "g",
    {
      class: "handle", role: "slider", tabindex: 0, "aria-orientation": "vertical",
      "aria-label": `learning rate at update ${short(t)}`, "aria-valuemin": 0, "aria-valuemax": TOP,
    },
    svg("circle", { class: "hit", r: 19 }),
    svg("circle", { class: "grip", r: 7 }),
  );
  let held = false;
  const follow = (event) => {
    const { top } = main.picture.getBoundingClientRect();
    if (held) move(i, main.inverseY(event.clientY - top));
  };
  node.addEventListener("pointerdown", (event) => {
    held = true;
    node.setPointerCapture(event.pointerId);
    node.focus();
    event.preventDefault();
  });
  node.addEventListener("pointermove", follow);
  for (const end of ["pointerup", "pointercancel"]) node.addEventListener(end, () => (held = false));
  node.addEventListener("keydown", (event) => {
    const now = rateOf(state)(t);
    const to = {
      ArrowUp: now + 0.002, ArrowRight: now + 0.002, ArrowDown: now - 0.002, ArrowLeft: now - 0.002,
      PageUp: now + 0.02, PageDown: now - 0.02, Home: 0, End: TOP,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    move(i, to);
  });
  main.front.append(node);
  return node;
});

// ------------------------------------------------------------------------------------- drawing

start(() => {
  const rate = rateOf(state);
  const { tone, dash } = look(state.family === "drawn" ? "cosine" : state.family);
  const name = state.family === "drawn" ? "your schedule" : state.family;
  const planned = Float64Array.from({ length: T }, (_, k) => rate(k));
  const average = mean(planned);
  const used = trace(state);
  const wrong = used.some((x, k) => x !== planned[k]);

  const text = `Learning rate against update: ${name}, from ${short(planned[0])} to ${short(rate(T))}.`;
  main.frame(
    { low: 0, high: T, label: "update", room: 118 },
    { low: 0, high: TOP, label: "learning rate", gap: 8 },
    text,
  );
  // Finely, so that a step looks like one.
  const ts = Array.from({ length: 10 * T + 1 }, (_, i) => i / 10);
  const ys = ts.map(rate);
  main.area(ts, ys, tone);
  main.across(average);
  main.curve(ts, ys, tone, wrong ? "" : dash);
  const lines = [[rate(T), wrong ? "planned" : name, tone]];
  if (wrong) {
    const ks = Array.from(used, (_, k) => k);
    main.dots(ks, used, "", 2.4);
    lines.push([used[T - 1], "used"]);
  }
  if (main.narrow) {
    main.text(T, average + 0.003, `mean ${short(average)}`, "", "end", "");
    if (wrong) main.text(T, TOP * 0.98, "used", "", "end");
    main.text(wrong ? T - 20 : T, TOP * 0.98, lines[0][1], tone, "end");
  } else {
    main.names([...lines, [average, `mean ${short(average)}`, "var(--soft)"]], 16);
  }
  handles.forEach((node, i) => {
    const now = rate(places[i]);
    node.setAttribute("transform", `translate(${main.X(places[i])} ${main.Y(now)})`);
    node.setAttribute("style", `--tone:${tone}`);
    node.setAttribute("aria-valuenow", +now.toPrecision(4));
    node.setAttribute("aria-valuetext", short(now));
  });

  verdict.textContent = diagnosed(state);
  ruling.classList.toggle("wrong", wrong);
  const loop = wrong
    ? ` The loop uses other rates (dots): their mean is ${short(mean(used))}.`
    : " The loop uses exactly these rates.";
  const most = Math.max(...planned);
  tell(
    `The rate begins at ${short(planned[0])} and ends at ${short(rate(T))}. Its mean is ` +
      `${short(average)}, ${percent(most && average / most)} of the highest rate.${loop}`,
  );
});
host.coslr = { state, redraw, ratesOf, trace, diagnosed, T };
