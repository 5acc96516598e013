// What a page has only where scripts run. All of its text is there without them.
"use strict";

// A lesson shows how far you are in it, in a thin line at the top of the window.
function showPosition() {
  const line = document.createElement("div");
  line.className = "position";
  line.setAttribute("aria-hidden", "true"); // who cannot see it has the scroll position already
  document.body.append(line);
  const article = document.querySelector("article");
  const update = () => {
    const { top, height } = article.getBoundingClientRect();
    const hidden = height - innerHeight;
    const share = hidden > 0 ? Math.min(Math.max(-top / hidden, 0), 1) : 1;
    line.style.transform = `scaleX(${share})`;
  };
  addEventListener("scroll", update, { passive: true });
  // The page also becomes longer, when the reader opens a fold.
  new ResizeObserver(update).observe(article);
}

// One button opens the folded code of a lesson. Results, answers and solutions stay folded.
function offerCode(place) {
  const folds = [...document.querySelectorAll("details.hide")];
  const code = folds.filter((fold) => fold.querySelector(":scope > .cell_input"));
  if (!code.length) return;
  const button = document.createElement("button");
  button.type = "button";
  const allOpen = () => code.every((fold) => fold.open);
  const name = () => (button.textContent = `${allOpen() ? "Close" : "Open"} all folded code`);
  button.addEventListener("click", () => {
    const open = !allOpen();
    for (const fold of code) fold.open = open;
    name();
  });
  for (const fold of code) fold.addEventListener("toggle", name);
  name();
  place.append(button);
}

// What scrolls sideways can be reached and scrolled with the keyboard, and only as long as it does.
const reach = new ResizeObserver((changes) => {
  for (const { target } of changes) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
for (const wide of document.querySelectorAll("article :is(pre, .table-wrapper, .formula)")) {
  reach.observe(wide);
}

const lesson = document.querySelector(".lesson-line");
if (lesson) {
  showPosition();
  offerCode(lesson);
}

// Paper is white. The theme's styles know that, but the explorables follow the page's theme.
let theme = "";
addEventListener("beforeprint", () => {
  theme = document.body.dataset.theme;
  document.body.dataset.theme = "light";
});
addEventListener("afterprint", () => (document.body.dataset.theme = theme));
