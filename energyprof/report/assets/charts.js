"use strict";
// The timeline's charts: one a panel, drawn by uPlot, with their axes, legends and the gaps in their series.
page.charts = ({panels, host, stack, view, place, colours, hues, strokeOf, soft, margins, hooks}) => {
  const {quantity, duration, count, inUnit} = page.format;
  const {make} = page, {seriesAt} = page.panels;
  const DASHES = [[], [7, 4], [2, 4]];
  const BINARY = Array.from({length: 50}, (_, k) => 2 ** k);
  const onAxis = (value, unit, ticks) => {
    if (unit !== "%") return value === 0 ? "0" : inUnit(value, unit);
    const step = ticks.length > 1 ? 100 * (ticks[1] - ticks[0]) : 1;
    return `${(100 * value).toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)))} %`;
  };

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

  function build(panel, isLast) {
    const series = [{}], bands = [];
    for (const line of panel.lines) {
      const stroke = () => strokeOf(line.index);
      series.push({
        label: line.label, stroke, width: 1.5, dash: DASHES[Math.min(Math.floor(line.index / hues.length), 2)],
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
      path.setAttribute("class", `line s${line.index % hues.length + 1} k${Math.min(Math.floor(line.index / hues.length), 2)}`);
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
      width: Math.max(box.clientWidth, 200), height: heightOf(panel, isLast), padding: [8, margins.right, 0, 0], legend: {show: false}, bands,
      scales: {x: {time: false}, y: {range: (u, low, high) => rangeOf(panel, u, low, high)}},
      series,
      axes: [
        {...axisStyle, size: isLast ? 30 : 6, values: isLast ? (u, ticks) => ticks.map(v => tick(v, ticks)) : (u, ticks) => ticks.map(() => ""), space: 70},
        {...axisStyle, size: margins.left, gap: 3, space: 28, values: (u, ticks) => ticks.map(v => onAxis(v, panel.unit, ticks)), ...(panel.unit === "B" ? {incrs: BINARY} : {})},
      ],
      cursor: {y: false, drag: {x: true, y: false, setScale: false, dist: 4}, sync: {key: "energyprof-timeline", setSeries: false}, focus: {prox: -1}, points: {size: 6}},
      hooks: {...hooks, drawClear: [...hooks.drawClear, drawGaps], draw: [drawGapNames]},
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
  return {charts: panels.map((panel, order) => build(panel, order === panels.length - 1)), heightOf};
};
