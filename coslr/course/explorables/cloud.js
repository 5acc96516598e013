// A cloud on a landscape: a thousand noisy runs on a curve with two wells, under one schedule.

const T = 1000;
const N = 1000;
const { START, PASS, DEEP, begin } = SETTINGS;
const state = { family: "cosine", seed: 1, k: 0, playing: false, frames: 0, seconds: 0 };
const { nodes, choose } = shapes(state, T);

const film = html("canvas", { role: "img" });
film.style.height = "340px";
plots.append(html("div", { class: "plot wide" }, film));
const column = html("div", { class: "column" });
plots.append(column);
const rateChart = chart(column, 158);
const shareChart = chart(column, 172);

const family = chooser(state, "family", "schedule", FAMILIES, () => (choose(), forget()));
const peak = slider(state, "peak", {
  label: "peak", min: 1, max: 80, step: 1, at: Math.round(200 * begin.peak), value: (x) => x / 200,
  show: short, after: forget,
});
const spread = slider(state, "noise", {
  label: "noise (standard deviation)", min: 0, max: 14, step: 1, at: 10, value: (x) => x / 10,
  show: short, after: forget,
});
for (const node of nodes) node.addEventListener("input", forget);
const time = slider(state, "k", {
  label: "update", min: 0, max: T, step: 1, at: begin.update, show: (x) => `${x} of ${T}`, after: pause,
});
const play = button("Play", () => (state.playing ? pause() : run()), "main");
group(
  html("div", { class: "buttons" },
    play,
    button("Step", () => go(state.k + 10)),
    button("Start again", () => go(0)),
    button("Another cloud", () => ((state.seed += 1), (noises = []), forget())),
  ),
  time.node,
);
time.node.style.gridColumn = "1 / -1";
group(family.node, ...nodes, peak.node, spread.node);
choose();

// ------------------------------------------------------------------------------------- the film

const height = (x) => (x * x - 1) ** 2 / 4 + 0.1 * x;
const slope = (x) => clip(x * (x * x - 1) + 0.1, -2, 2);

let noises = [];
// The noise of each update depends on the seed alone, so that schedules meet the same noise.
function noiseAt(k) {
  if (!noises[k]) {
    const out = new Float64Array(N);
    for (let i = 0; i < N; i += 2) normals(state.seed, (k * N + i) / 2, out, i);
    noises[k] = out;
  }
  return noises[k];
}
let rates, x, done, shares, heights;
function forget() {
  rates = null;
  redraw();
}
function measure() {
  let [deep, high] = [0, 0];
  for (let i = 0; i < N; i++) {
    deep += x[i] < PASS;
    high += height(x[i]);
  }
  shares[done] = deep / N;
  heights[done] = high / N;
}
// The positions before update k are a function of seed, schedule and k, in whatever order we look.
function filmTo(k) {
  if (!rates || k < done) {
    rates = ratesOf(state, T);
    x = new Float64Array(N).fill(START);
    [done, shares, heights] = [0, [], []];
    measure();
  }
  for (; done < k; ) {
    const noise = noiseAt(done);
    const rate = rates[done];
    for (let i = 0; i < N; i++) x[i] -= rate * (slope(x[i]) + state.noise * noise[i]);
    done += 1;
    measure();
  }
}

function go(k) {
  pause();
  time.set(clip(k, 0, T));
  redraw();
}
function pause() {
  state.playing = false;
  play.textContent = still.matches ? "Next 100 updates" : state.k < T ? "Play" : "Play again";
}
// With reduced motion there is no film, but a step of a hundred updates for each press.
function run() {
  if (still.matches) return go(state.k < T ? state.k + 100 : 0);
  if (state.k >= T) time.set(0);
  state.playing = true;
  play.textContent = "Pause";
  [state.frames, state.seconds] = [0, 0];
  let shown = 0;
  let before = 0;
  const frame = (now) => {
    if (!state.playing) return;
    if (before) {
      state.frames += 1;
      state.seconds += (now - before) / 1000;
      shown += Math.min(now - before, 100) * 0.12;
    }
    before = now;
    const steps = Math.floor(shown);
    shown -= steps;
    if (!host.isConnected) return pause();
    time.set(Math.min(state.k + steps, T));
    draw();
    if (state.k >= T) pause();
    else requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}
still.addEventListener("change", pause);
pause();

// ------------------------------------------------------------------------------------- drawing

// Each run is lifted a little, always by the same amount, so that they do not hide each other.
const lift = Float64Array.from({ length: N }, (_, i) => (0.07 * word(0, i)) / 2 ** 32);
const [LOW, HIGH, LEFT, RIGHT] = [-0.16, 0.62, -1.62, 1.62];

function dot(of, size) {
  const one = document.createElement("canvas");
  one.width = one.height = 2 * size;
  const pen = one.getContext("2d");
  pen.fillStyle = of;
  pen.globalAlpha = 0.45;
  pen.arc(size, size, size, 0, 7);
  pen.fill();
  return one;
}
let look3 = "";
let sprites, tones;
function drawFilm() {
  const scale = Math.min(window.devicePixelRatio || 1, 2);
  const [w, h] = [film.clientWidth || 300, film.clientHeight || 340];
  if (film.width !== Math.round(w * scale) || film.height !== Math.round(h * scale)) {
    film.width = Math.round(w * scale);
    film.height = Math.round(h * scale);
  }
  const theme = box.className + scale;
  if (theme !== look3) {
    look3 = theme;
    tones = Object.fromEntries(["deep", "warm", "soft", "line", "ink"].map((n) => [n, colour(n)]));
    sprites = [dot(tones.deep, 3 * scale), dot(tones.warm, 3 * scale)];
  }
  const pen = film.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, w, h);
  const X = (v) => ((v - LEFT) / (RIGHT - LEFT)) * w;
  const Y = (v) => h - 14 - ((v - LOW) / (HIGH - LOW)) * (h - 40);
  pen.beginPath();
  for (let v = LEFT; v <= RIGHT; v += 0.02) pen.lineTo(X(v), Y(height(v)));
  pen.strokeStyle = tones.soft;
  pen.lineWidth = 1.5;
  pen.stroke();
  pen.setLineDash([2, 4]);
  pen.beginPath();
  pen.moveTo(X(PASS), Y(LOW));
  pen.lineTo(X(PASS), Y(HIGH) - 10);
  pen.strokeStyle = tones.soft;
  pen.stroke();
  pen.setLineDash([]);
  for (let i = 0; i < N; i++) {
    const at = X(x[i]);
    if (at < -9 || at > w + 9) continue;
    pen.drawImage(sprites[x[i] < PASS ? 0 : 1], at - 3, Y(height(x[i]) + lift[i]) - 7, 6, 6);
  }
  pen.font = "600 13.5px system-ui, sans-serif";
  pen.textAlign = "center";
  const basin = w < 480 ? "" : " basin";
  pen.fillStyle = tones.deep;
  pen.fillText(`deeper${basin} ${percent(shares[done])}`, X(-0.82), 16);
  pen.fillStyle = tones.warm;
  pen.fillText(`shallow${basin} ${percent(+(1 - shares[done]).toFixed(3))}`, X(0.82), 16);
}

start(() => {
  filmTo(state.k);
  drawFilm();
  const { tone, dash } = look(state.family);
  const now = state.k;
  const steps = Array.from({ length: 201 }, (_, i) => 5 * i);
  const past = steps.filter((k) => k <= now);
  if (past[past.length - 1] !== now) past.push(now);

  rateChart.frame(
    { low: 0, high: T, label: "update" },
    { low: 0, high: 0.4, label: "learning rate" },
    `Learning rate: ${state.family} from ${short(rates[0])} to ${short(rates[T - 1])}.`,
  );
  const at = steps.filter((k) => k < T);
  rateChart.curve(at, at.map((k) => rates[k]), tone, dash);
  rateChart.down(now);
  rateChart.dots([now], [rates[Math.min(now, T - 1)]], tone, 5);

  const share = `${percent(shares[now])} of ${N} runs are in the deeper basin`;
  shareChart.frame(
    { low: 0, high: T, label: "update" },
    { low: 0, high: 100, label: "in the deeper basin (%)" },
    `Share in the deeper basin: ${share}.`,
  );
  shareChart.curve(past, past.map((k) => 100 * shares[k]), "var(--deep)");
  shareChart.dots([now], [100 * shares[now]], "var(--deep)", 5);

  film.setAttribute("aria-label", `A landscape with two wells. After ${now} updates ${share}.`);
  const rate = now < T ? ` The rate is now ${short(rates[now])}.` : "";
  const text = `After ${now} updates, ${share}. Their mean height is ${heights[now].toFixed(3).replace("-", "−")}; the deeper minimum lies at ${height(DEEP).toFixed(3).replace("-", "−")}.${rate}`;
  tell(text);
});

// For tests: what a film of other settings measures at its end.
function whole(settings) {
  const kept = { ...state };
  Object.assign(state, settings);
  noises = [];
  rates = null;
  filmTo(T);
  const end = { share: shares[T], height: heights[T] };
  Object.assign(state, kept);
  noises = [];
  forget();
  return end;
}
host.coslr = { state, redraw, ratesOf, whole, word, T };
