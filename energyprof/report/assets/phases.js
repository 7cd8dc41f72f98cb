"use strict";
// Phases of a run on its timeline: a strip above the charts, a tint behind what is not training, epoch ticks.
page.phases = ({knots, source, view, place, colours, strokeOf, soft, strip, margins}) => {
  let seen = {from: NaN, to: NaN, bands: []};
  const visible = () => {
    if (seen.from === view.from && seen.to === view.to) return seen.bands;
    const {t, phase, end} = knots.bands, bands = [];
    const first = Math.max(0, page.progress.after(t, view.from) - 1);
    for (let k = first; k < t.length && t[k] < view.to; k++) {
      bands.push([t[k], k + 1 < t.length ? t[k + 1] : end, phase[k]]);
    }
    seen = {from: view.from, to: view.to, bands};
    return bands;
  };
  const widths = new Map();
  const widthOf = (ctx, text) => {
    if (!widths.has(text)) widths.set(text, ctx.measureText(text).width);
    return widths.get(text);
  };
  const quiet = name => name === "unattributed";
  const tops = knots.bands ? [...new Set(Array.from(knots.bands.phase, k => knots.bands.names[k].split("/")[0]))].filter(name => !quiet(name)) : [];
  function drawBands(u) {
    if (!knots.bands || view.axis !== "time") return;
    const {ctx} = u;
    ctx.save();
    for (const [from, to, phase] of visible()) {
      const name = knots.bands.names[phase];
      if (name.split("/")[0] === "train" || quiet(name)) continue;
      const left = u.valToPos(from, "x", true), right = u.valToPos(to, "x", true);
      if (right - left < 3) continue;
      ctx.fillStyle = soft(colours["--mark"], 0.1);
      ctx.fillRect(left, u.bbox.top, right - left, u.bbox.height);
    }
    ctx.restore();
  }
  function drawEpochs(u) {
    const {ctx, bbox} = u;
    // More epochs than can be told apart are none: some of them would look like all.
    const ticks = (source.epochs || []).filter(([t]) => t >= view.from && t <= view.to);
    if (ticks.length * 8 * (devicePixelRatio || 1) > bbox.width) return;
    ctx.save();
    ctx.strokeStyle = colours["--mark"];
    ctx.lineWidth = 1;
    ctx.setLineDash([2, 4]);
    for (const [t] of ticks) {
      const x = Math.round(u.valToPos(place(view.axis, t), "x", true)) + 0.5;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }
  function drawStrip() {
    if (!knots.bands) return;
    const ratio = devicePixelRatio || 1, width = strip.parentElement.clientWidth, height = 34;
    strip.width = width * ratio;
    strip.height = height * ratio;
    const ctx = strip.getContext("2d");
    ctx.scale(ratio, ratio);
    ctx.font = "12px system-ui, sans-serif";
    ctx.textBaseline = "middle";
    const left = margins.left, inner = width - margins.left - margins.right;
    const min = place(view.axis, view.from), max = place(view.axis, view.to);
    const x = t => left + inner * (place(view.axis, Math.min(Math.max(t, view.from), view.to)) - min) / (max - min || 1);
    let labelled = -Infinity;
    for (const [from, to, phase] of visible()) {
      const name = knots.bands.names[phase], a = x(from), b = x(to);
      if (b <= a) continue;
      ctx.fillStyle = quiet(name) ? colours["--grid"] : soft(strokeOf(tops.indexOf(name.split("/")[0])), name.includes("/") ? 0.75 : 1);
      ctx.fillRect(a, 2, Math.max(b - a - (b - a > 3 ? 1 : 0), 0.5), 12);
      const text = quiet(name) ? "in no phase" : name.split("/").pop(), wide = widthOf(ctx, text);
      if (b - a > wide + 4 || (b - a > 12 && a > labelled && name.split("/")[0] !== "train")) {
        if (a + 1 < labelled || a + wide > width) continue;
        ctx.fillStyle = colours["--muted"];
        ctx.fillText(text, a + 1, 25);
        labelled = a + wide + 8;
      }
    }
  }
  return {tops, drawBands, drawEpochs, drawStrip};
};
