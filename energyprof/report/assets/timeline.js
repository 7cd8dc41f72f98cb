"use strict";
page.timeline = (async () => {
  const host = document.getElementById("timeline-charts");
  const source = page.data.timeline;
  if (!host || !source || typeof DecompressionStream === "undefined") return null;
  const {quantity, duration, count, inUnit} = page.format, {make} = page;
  const knots = await page.progress.load(source);
  const AXIS_WIDTH = 62, RIGHT = 14;
  const HUES = ["--s1", "--s2", "--s3", "--s4", "--s5"];

  const colours = {};
  const readColours = () => {
    const style = getComputedStyle(document.documentElement);
    for (const name of [...HUES, "--text", "--muted", "--grid", "--mark", "--surface", "--rule"]) {
      colours[name] = style.getPropertyValue(name).trim();
    }
  };
  readColours();

  // The x axes that this run can be drawn over.
  const last = knots.energy ? knots.energy.v[knots.energy.v.length - 1] : 0;
  const axes = {
    time: {name: "Time", title: "seconds since the window opened", of: t => t, back: x => x, show: duration},
    steps: knots.steps && {name: "Steps", title: "steps", ...mapped(knots.steps), show: count},
    samples: knots.samples && {name: "Samples", title: "training samples", ...mapped(knots.samples), show: count},
    energy: knots.energy && last > 0 && {name: "Joules", title: "joules since the window opened", ...mapped(knots.energy), show: x => quantity(x, "J")},
  };
  function mapped({t, v}) {
    return {of: x => page.progress.every(t, v, x), one: x => page.progress.between(t, v, x), back: x => page.progress.between(v, t, x)};
  }
  const place = (key, t) => key === "time" ? t : axes[key].one(t);

  const panels = await page.panels.load(source.panels);
  const ends = panels.flatMap(p => [p.t[0], p.t[p.t.length - 1]]).filter(Number.isFinite);
  const whole = {from: 0, to: source.duration || Math.max(1e-3, ...ends)}; // the measured window
  const recorded = {from: Math.min(0, ...ends), to: Math.max(whole.to, ...ends)}; // idle before and after it too
  const view = {axis: "time", from: whole.from, to: whole.to}; // from and to in seconds, whatever the axis

  // Controls and readout.
  const axisButtons = Object.entries(axes).filter(([, axis]) => axis).map(([key, axis]) => {
    const button = make("button", {type: "button", class: "button", "aria-pressed": String(key === "time"), "data-axis": key}, axis.name);
    button.addEventListener("click", () => { view.axis = key; remember(); });
    return button;
  });
  const fromInput = make("input", {type: "number", step: "any", id: "range-from"});
  const toInput = make("input", {type: "number", step: "any", id: "range-to"});
  const resetButton = make("button", {type: "button", class: "button", id: "range-reset"}, "Whole window");
  const readout = make("p", {class: "readout", id: "range-readout", "aria-live": "polite"});
  const cursorLine = make("p", {class: "cursor-line", id: "cursor-line"});
  const strip = make("canvas", {class: "strip", "aria-hidden": "true"});
  const stack = make("div", {class: "charts", tabindex: "0", role: "group", "aria-label": "Timeline charts: arrow keys move the cursor, plus and minus zoom, 0 shows the measured window"});
  host.append(
    make("div", {class: "controls"},
      make("div", {class: "segmented", role: "group", "aria-label": "Horizontal axis"}, ...axisButtons),
      make("div", {class: "range"}, make("label", {for: "range-from"}, "From"), fromInput, make("label", {for: "range-to"}, "to"), toInput, resetButton)),
    readout, cursorLine, stack);
  const phaseLegend = make("ul", {class: "legend"});
  if (knots.bands) stack.append(make("div", {class: "chart-head"}, make("h3", {}, "Phases"), phaseLegend), make("div", {class: "strip-box"}, strip));

  const strokeOf = index => colours[HUES[index % HUES.length]];
  const soft = (colour, alpha) => /^#[0-9a-f]{6}$/i.test(colour) ? colour + Math.round(alpha * 255).toString(16).padStart(2, "0") : colour;
  const margins = {left: AXIS_WIDTH, right: RIGHT};
  const {tops, drawBands, drawEpochs, drawStrip} = page.phases({
    knots, source, view, place, colours, strokeOf, soft, strip, margins,
  });
  phaseLegend.append(...tops.slice(0, HUES.length).map((name, k) => make("li", {}, make("span", {class: `key fill${k + 1}`, "aria-hidden": "true"}), name)));
  const {charts, heightOf} = page.charts({
    panels, host, stack, view, place, colours, hues: HUES, strokeOf, soft, margins,
    hooks: {drawClear: [drawBands], drawAxes: [drawEpochs], setSelect: [selected], setCursor: [moved]},
  });
  function selected(u) {
    if (u.select.width < 4) return;
    const from = u.posToVal(u.select.left, "x"), to = u.posToVal(u.select.left + u.select.width, "x");
    u.setSelect({left: 0, width: 0, top: 0, height: 0}, false);
    zoom(axes[view.axis].back(from), axes[view.axis].back(to));
  }
  function zoom(from, to) {
    const least = (whole.to - whole.from) * 1e-6;
    view.from = Math.max(recorded.from, Math.min(from, to));
    view.to = Math.min(recorded.to, Math.max(from, to));
    if (view.to - view.from < least) view.to = Math.min(recorded.to, view.from + least);
    remember();
  }
  const isWhole = () => Math.abs(view.from - whole.from) + Math.abs(view.to - whole.to) < 1e-6 * (whole.to - whole.from);
  const reset = () => zoom(whole.from, whole.to);

  // The view stands in the address, so that a link shows it and the back button returns. It is drawn before
  // it is written there: the browser tells of a new address only frames later.
  let written = null;
  function remember() {
    written = isWhole() && view.axis === "time" ? "timeline" : `view=${view.axis}:${Number(view.from.toPrecision(9))}:${Number(view.to.toPrecision(9))}`;
    apply();
    location.hash = written;
  }
  function recall() {
    const found = /^view=(\w+):([-+.\de]+):([-+.\de]+)$/.exec(location.hash.slice(1));
    const known = found && axes[found[1]] && Number(found[3]) > Number(found[2]);
    written = null;
    view.axis = known ? found[1] : "time";
    view.from = known ? Math.max(recorded.from, Number(found[2])) : whole.from;
    view.to = known ? Math.min(recorded.to, Number(found[3])) : whole.to;
    apply();
    return Boolean(known);
  }
  // Charts that can be seen are drawn at once, the others after the next frame.
  const inSight = ({box}) => {
    const {top, bottom} = box.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  };
  let waiting = [], settled = Promise.resolve();
  function draw(chart, min, max) {
    if (chart.drawnAxis !== view.axis) chart.setData([axes[view.axis].of(chart.panel.t), ...chart.panel.columns], false);
    chart.drawnAxis = view.axis;
    chart.setScale("x", {min, max: max > min ? max : min + 1});
  }
  function apply() {
    for (const button of axisButtons) button.setAttribute("aria-pressed", String(button.dataset.axis === view.axis));
    const min = place(view.axis, view.from), max = place(view.axis, view.to);
    const first = charts.filter(inSight);
    waiting = charts.filter(chart => !first.includes(chart));
    for (const chart of first) draw(chart, min, max);
    settled = new Promise(done => requestAnimationFrame(() => setTimeout(() => {
      for (const chart of waiting.splice(0)) draw(chart, place(view.axis, view.from), place(view.axis, view.to));
      done();
    })));
    drawStrip();
    const rounded = x => String(Number(x.toPrecision(6)));
    fromInput.value = rounded(min);
    toInput.value = rounded(max);
    resetButton.disabled = isWhole();
    tell();
  }
  function tell() {
    const from = Math.max(view.from, 0), to = Math.min(view.to, source.duration);
    const found = page.progress.figures(knots, from, Math.max(from, to));
    const parts = [];
    const add = (name, value, note) => parts.push(make("span", {class: "item"}, make("b", {}, value), ` ${name}`, note ? make("small", {}, note) : ""));
    if (found.energy !== undefined) {
      const full = isWhole() && page.data.report.totals.energy_j;
      const [low, high] = full && full.low !== null ? [full.low, full.high] : [found.low, found.high];
      add("of energy", quantity(full && full.value !== null ? full.value : found.energy, "J"), low === high ? "" : `between ${quantity(low, "J")} and ${quantity(high, "J")}`);
      add("on average", quantity(found.energy / found.span, "W"));
    }
    add(isWhole() ? "in the whole window" : "in the range", duration(found.span));
    if (found.steps !== undefined) add("steps", found.steps < 1000 ? String(Number(found.steps.toFixed(1))) : count(found.steps));
    if (found.energy !== undefined && found.samples > 0.5) add("a sample", quantity(found.energy / found.samples, "J"));
    readout.replaceChildren(...parts);
    if (found.parts && found.parts.length > 1 && found.parts.length <= 10) {
      readout.append(make("span", {class: "parts"}, found.parts.map(([name, value]) => `${name} ${quantity(value, "J")}`).join(" · ")));
    }
  }

  function moved(u) {
    const at = u.cursor.idx, here = u.cursor.left < 0 ? NaN : axes[view.axis].back(u.posToVal(u.cursor.left, "x"));
    for (const [k, output] of u.values.entries()) {
      const silent = u.panel.lines[k].gaps.some(([from, to]) => here > from && here < to);
      const column = u.data[page.panels.seriesAt(u.panel, k)];
      let j = at;
      while (j !== null && j > 0 && (column[j] === undefined || column[j] === null)) j--;
      output.textContent = silent ? "not read" : j === null || column[j] === undefined ? "" : inUnit(column[j], u.panel.unit);
    }
    if (u !== charts[0]) return;
    if (u.cursor.left < 0) { cursorLine.textContent = ""; return; }
    const t = axes[view.axis].back(u.posToVal(u.cursor.left, "x"));
    const parts = [duration(t)];
    if (knots.steps) parts.push(`step ${count(Math.floor(page.progress.between(knots.steps.t, knots.steps.v, t)))}`);
    if (knots.energy) parts.push(`${quantity(page.progress.between(knots.energy.t, knots.energy.v, t), "J")} so far`);
    if (knots.bands && t >= 0 && t <= source.duration) parts.push(knots.bands.names[knots.bands.phase[Math.max(0, page.progress.after(knots.bands.t, t) - 1)]]);
    cursorLine.textContent = parts.join(" · ");
  }

  // Keys.
  const moveCursor = pixels => {
    const u = charts[0];
    const at = u.cursor.left === undefined || u.cursor.left < 0 ? u.over.clientWidth / 2 : u.cursor.left + pixels;
    const left = Math.min(Math.max(at, 0), u.over.clientWidth - 1);
    for (const chart of charts) chart.setCursor({left, top: 10});
  };
  const zoomBy = factor => {
    const u = charts[0];
    const inside = u.cursor.left >= 0 && u.cursor.left <= u.over.clientWidth;
    const middle = inside ? axes[view.axis].back(u.posToVal(u.cursor.left, "x")) : (view.from + view.to) / 2;
    zoom(middle - (middle - view.from) * factor, middle + (view.to - middle) * factor);
  };
  document.addEventListener("keydown", event => {
    if (page.typing(event) || document.getElementById("help").open) return;
    const inCharts = stack.contains(document.activeElement) || stack.matches(":hover");
    const far = event.shiftKey ? 40 : 4;
    if (event.key === "0") reset();
    else if (!inCharts) return;
    else if (event.key === "ArrowLeft") moveCursor(-far);
    else if (event.key === "ArrowRight") moveCursor(far);
    else if (event.key === "+" || event.key === "=") zoomBy(0.5);
    else if (event.key === "-") zoomBy(2);
    else return;
    event.preventDefault();
  });
  for (const input of [fromInput, toInput]) {
    input.addEventListener("change", () => {
      const [from, to] = [fromInput, toInput].map(i => axes[view.axis].back(Number(i.value)));
      if (to > from) zoom(from, to); else apply();
    });
  }
  resetButton.addEventListener("click", reset);
  document.addEventListener("click", event => {
    const button = event.target.closest("[data-show]");
    if (!button) return;
    zoom(...button.dataset.show.split(":").map(Number));
    document.getElementById("timeline").scrollIntoView();
    stack.focus({preventScroll: true});
  });
  addEventListener("hashchange", () => { if (location.hash.slice(1) !== written) recall(); });
  addEventListener("themechange", () => {
    readColours();
    for (const chart of charts) chart.redraw(false);
    drawStrip();
  });
  document.getElementById("timeline").classList.add("charted");
  const fit = () => {
    for (const chart of charts) chart.setSize({width: Math.max(chart.box.clientWidth, 200), height: heightOf(chart.panel, chart.isLast)});
    drawStrip();
  };
  fit();
  new ResizeObserver(() => fit()).observe(host);
  if (recall()) document.getElementById("timeline").scrollIntoView();
  return {view, whole, charts, zoom, reset, knots, settled: () => settled};
})();
