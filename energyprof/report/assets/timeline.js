"use strict";
page.timeline = (async () => {
  const host = document.getElementById("timeline-charts");
  const source = page.data.timeline;
  if (!host || !source || typeof DecompressionStream === "undefined") return null;
  const {quantity, duration, count, inUnit} = page.format;
  const knots = await page.progress.load(source);
  const AXIS_WIDTH = 62, RIGHT = 14;
  const HUES = ["--s1", "--s2", "--s3", "--s4", "--s5"], DASHES = [[], [7, 4], [2, 4]];

  const BINARY = Array.from({length: 50}, (_, k) => 2 ** k);
  const onAxis = (value, unit, ticks) => {
    if (unit !== "%") return value === 0 ? "0" : inUnit(value, unit);
    const step = ticks.length > 1 ? 100 * (ticks[1] - ticks[0]) : 1;
    return `${(100 * value).toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)))} %`;
  };

  const colours = {};
  const readColours = () => {
    const style = getComputedStyle(document.documentElement);
    for (const name of [...HUES, "--text", "--muted", "--grid", "--mark", "--surface", "--rule"]) {
      colours[name] = style.getPropertyValue(name).trim();
    }
  };
  readColours();

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };

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

  const panels = await Promise.all(source.panels.map(load));
  async function load(panel) {
    const tables = [], lines = [];
    for (const [index, series] of panel.series.entries()) {
      const t = await page.unpack(series.t);
      const columns = [await page.unpack(series.v)];
      if (series.lo) columns.push(await page.unpack(series.lo), await page.unpack(series.hi));
      tables.push([t, ...columns]);
      lines.push({...series, index, ranged: columns.length > 1, own: [t, ...columns]});
    }
    for (const line of lines) line.gaps = gapsOf(line.own);
    if (lines.some(line => line.gaps.length)) {
      for (const table of tables) for (let k = 1; k < table.length; k++) table[k] = Array.from(table[k], v => v === v ? v : null);
    }
    const same = tables.every(table => table[0].length === tables[0][0].length && table[0].every((v, k) => v === tables[0][0][k]));
    const joined = same ? [tables[0][0], ...tables.flatMap(table => table.slice(1))] : uPlot.join(tables);
    for (const [k, line] of lines.entries()) { // times of other series too, or uPlot draws through
      const column = joined[1 + lines.slice(0, k).reduce((n, l) => n + (l.ranged ? 3 : 1), 0)];
      for (const [from, to] of line.gaps) {
        for (let j = page.progress.after(joined[0], from); joined[0][j] < to; j++) column[j] = null;
      }
    }
    return {...panel, lines, t: joined[0], columns: joined.slice(1)};
  }
  // Where the sensor was not read: a value is missing there, and the line breaks.
  function gapsOf([t, values]) {
    const gaps = [];
    for (let k = 0, first = 0; k < t.length; k++) {
      if (!Number.isNaN(values[k])) first = k;
      else if (!Number.isNaN(values[k + 1])) gaps.push([t[first], t[Math.min(k + 1, t.length - 1)]]);
    }
    return gaps;
  }
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
  const {tops, drawBands, drawEpochs, drawStrip} = page.phases({
    knots, source, view, place, colours, strokeOf, soft, strip, margins: {left: AXIS_WIDTH, right: RIGHT},
  });
  phaseLegend.append(...tops.slice(0, HUES.length).map((name, k) => make("li", {}, make("span", {class: `key fill${k + 1}`, "aria-hidden": "true"}), name)));
  const limits = {
    power: (low, high) => [0, high * 1.08 || 1],
    memory: (low, high) => [0, high * 1.1 || 1],
    utilisation: () => [0, 1.05],
    steps: (low, high) => [0, high * 1.08 || 1],
    clocks: (low, high) => [0, high * 1.08 || 1],
  };
  const padded = (low, high) => {
    const room = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1;
    return [low - room, high + room];
  };

  // A level stretch has points at its ends only: the axis must hold a line also where none of them is in view.
  const atEdges = ({own: [t, ...columns], stairs}) => columns.flatMap(column => [view.from, view.to].map(edge => {
    if (!t.length || edge < t[0] || edge > t[t.length - 1]) return NaN;
    return stairs ? column[page.progress.after(t, edge) - 1] : page.progress.between(t, column, edge);
  })).filter(Number.isFinite);
  const rangeOf = (panel, u, low, high) => {
    const shown = panel.lines.filter((_, k) => u.series[seriesAt(panel, k)].show).flatMap(atEdges);
    const values = low === null ? shown : [low, high, ...shown];
    return values.length ? (limits[panel.key] || padded)(Math.min(...values), Math.max(...values)) : [0, 1];
  };

  const charts = panels.map((panel, order) => build(panel, order === panels.length - 1));
  function build(panel, isLast) {
    const series = [{}], bands = [];
    for (const line of panel.lines) {
      const stroke = () => strokeOf(line.index);
      series.push({
        label: line.label, stroke, width: 1.5, dash: DASHES[Math.min(Math.floor(line.index / HUES.length), 2)],
        paths: line.stairs ? uPlot.paths.stepped({align: 1}) : uPlot.paths.linear(),
        points: {show: panel.t.length < 60 && !line.stairs, size: 5}, spanGaps: false,
      });
      if (line.ranged) {
        series.push({stroke: "transparent", width: 0, points: {show: false}}, {stroke: "transparent", width: 0, points: {show: false}});
        bands.push({series: [series.length - 1, series.length - 2], fill: () => soft(strokeOf(line.index), 0.22)});
      }
    }
    const values = panel.lines.map(() => make("output", {}));
    const toggles = panel.lines.map((line, k) => {
      const swatch = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      swatch.setAttribute("viewBox", "0 0 26 10");
      swatch.setAttribute("aria-hidden", "true");
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      path.setAttribute("class", `line s${line.index % HUES.length + 1} k${Math.min(Math.floor(line.index / HUES.length), 2)}`);
      path.setAttribute("d", "M0 5h26");
      swatch.append(path);
      const button = make("button", {type: "button", "aria-pressed": "true", title: "Show or hide"}, swatch, line.label);
      button.addEventListener("click", () => {
        const shown = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(shown));
        const at = seriesAt(panel, k);
        chart.setSeries(at, {show: shown});
        if (line.ranged) { chart.setSeries(at + 1, {show: shown}); chart.setSeries(at + 2, {show: shown}); }
      });
      return make("li", {}, button, values[k]);
    });
    const box = make("div", {class: "chart-box"});
    stack.append(make("section", {class: "chart", "data-panel": panel.key},
      make("div", {class: "chart-head"}, make("h3", {}, panel.title), make("ul", {class: "legend"}, ...toggles)), box));
    const ys = panel.lines.flatMap((_, k) => [...panel.columns[seriesAt(panel, k) - 1]].filter(Number.isFinite));
    box.setAttribute("role", "img");
    const span = ys.reduce(([low, high], y) => [Math.min(low, y), Math.max(high, y)], [Infinity, -Infinity]);
    box.setAttribute("aria-label", `${panel.title} over time, from ${inUnit(span[0], panel.unit)} to ${inUnit(span[1], panel.unit)}: ${panel.lines.map(l => l.label).join(", ")}`);
    const axisStyle = {stroke: () => colours["--muted"], font: "12px system-ui, sans-serif", ticks: {stroke: () => colours["--rule"], width: 1, size: 4}, grid: {stroke: () => colours["--grid"], width: 1}};
    const chart = new uPlot({
      width: Math.max(box.clientWidth, 200), height: heightOf(panel, isLast), padding: [8, RIGHT, 0, 0], legend: {show: false}, bands,
      scales: {x: {time: false}, y: {range: (u, low, high) => rangeOf(panel, u, low, high)}},
      series,
      axes: [
        {...axisStyle, size: isLast ? 30 : 6, values: isLast ? (u, ticks) => ticks.map(v => tick(v, ticks)) : (u, ticks) => ticks.map(() => ""), space: 70},
        {...axisStyle, size: AXIS_WIDTH, gap: 3, space: 28, values: (u, ticks) => ticks.map(v => onAxis(v, panel.unit, ticks)), ...(panel.unit === "B" ? {incrs: BINARY} : {})},
      ],
      cursor: {y: false, drag: {x: true, y: false, setScale: false, dist: 4}, sync: {key: "energyprof-timeline", setSeries: false}, focus: {prox: -1}, points: {size: 6}},
      hooks: {drawClear: [drawBands, drawGaps], draw: [drawGapNames], drawAxes: [drawEpochs], setSelect: [selected], setCursor: [moved]},
    }, [panel.t, ...panel.columns], box);
    Object.assign(chart, {panel, values, box, isLast, drawnAxis: "time"});
    return chart;
  }
  function eachGap(u, draw) {
    const {ctx, bbox} = u, ratio = devicePixelRatio || 1;
    ctx.save();
    for (const [k, line] of u.panel.lines.entries()) {
      if (!u.series[seriesAt(u.panel, k)].show) continue;
      const text = u.panel.lines.length > 1 ? `${line.label.replace(/ \(.*/, "")} not read` : "not read";
      for (const [from, to] of line.gaps) {
        if (to < view.from || from > view.to) continue;
        const left = Math.max(u.valToPos(place(view.axis, from), "x", true), bbox.left);
        const right = Math.min(Math.max(u.valToPos(place(view.axis, to), "x", true), left + ratio), bbox.left + bbox.width);
        draw(left, right, text, k);
      }
    }
    ctx.restore();
  }
  function drawGaps(u) {
    eachGap(u, (left, right) => {
      u.ctx.fillStyle = soft(colours["--mark"], 0.18);
      u.ctx.fillRect(left, u.bbox.top, right - left, u.bbox.height);
    });
  }
  function drawGapNames(u) { // over the lines of other series, on a ground of their own
    const {ctx, bbox} = u, ratio = devicePixelRatio || 1;
    eachGap(u, (left, right, text, k) => {
      Object.assign(ctx, {font: `${11 * ratio}px system-ui, sans-serif`, textBaseline: "middle", textAlign: "left"});
      const wide = ctx.measureText(text).width + 8 * ratio;
      if (right - left < wide + 8 * ratio) return;
      const middle = bbox.top + 0.3 * bbox.height + 18 * k * ratio;
      ctx.fillStyle = colours["--surface"];
      ctx.fillRect(left + 4 * ratio, middle - 8 * ratio, wide, 16 * ratio);
      ctx.fillStyle = colours["--muted"];
      ctx.fillText(text, left + 8 * ratio, middle);
    });
  }
  function seriesAt(panel, k) {
    let at = 1;
    for (let j = 0; j < k; j++) at += panel.lines[j].ranged ? 3 : 1;
    return at;
  }
  function heightOf(panel, isLast) {
    const narrow = host.clientWidth < 560;
    return (panel.key === "power" ? (narrow ? 150 : 190) : narrow ? 105 : 120) + (isLast ? 24 : 0);
  }
  function tick(value, ticks) {
    if (view.axis === "energy") return quantity(value, "J");
    if (view.axis !== "time") return count(value);
    const span = ticks[ticks.length - 1] - ticks[0];
    if (span >= 90) return duration(value);
    const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1;
    return `${value.toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)))} s`;
  }

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
      const column = u.data[seriesAt(u.panel, k)];
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
