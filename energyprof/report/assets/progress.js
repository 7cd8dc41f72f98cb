"use strict";
// Time to steps, samples and joules, and what a range of time holds.
page.progress = (() => {
  const after = (xs, x) => { // index of the first element > x
    let low = 0, high = xs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (xs[middle] > x) high = middle; else low = middle + 1;
    }
    return low;
  };
  const between = (xs, ys, x) => {
    const n = xs.length;
    if (!n) return NaN;
    const k = after(xs, x);
    if (k === 0) return ys[0];
    if (k === n) return ys[n - 1];
    const [a, b] = [xs[k - 1], xs[k]];
    return b > a ? ys[k - 1] + (ys[k] - ys[k - 1]) * (x - a) / (b - a) : ys[k];
  };
  const every = (xs, ys, wanted) => { // the same for many sorted positions in one pass
    const found = new Float64Array(wanted.length);
    const n = xs.length;
    let k = 0;
    for (let i = 0; i < wanted.length; i++) {
      const x = wanted[i];
      while (k < n && xs[k] <= x) k++;
      if (k === 0) found[i] = ys[0];
      else if (k === n) found[i] = ys[n - 1];
      else {
        const [a, b] = [xs[k - 1], xs[k]];
        found[i] = ys[k - 1] + (ys[k] - ys[k - 1]) * (x - a) / (b - a);
      }
    }
    return found;
  };
  const unpackAll = async object => Object.fromEntries(await Promise.all(
    Object.entries(object).map(async ([key, value]) => [key, value && value.d !== undefined ? await page.unpack(value) : value])));

  const load = async source => {
    const knots = {};
    for (const key of ["steps", "samples", "energy", "bands"]) {
      if (source[key]) knots[key] = await unpackAll(source[key]);
    }
    if (knots.energy) {
      knots.energy.parts = await Promise.all(knots.energy.domains.map(async ([name, packed]) => [name, await page.unpack(packed)]));
    }
    return knots;
  };

  // Bounds of cumulative energy at t: between knots energy rises by no less than the floor, no more than the ceiling.
  const highAt = (e, t) => {
    const k = after(e.t, t), a = Math.max(k - 1, 0), b = Math.min(k, e.t.length - 1);
    return Math.min(e.hi[a] + e.ceiling * Math.max(t - e.t[a], 0), e.hi[b] - e.floor * Math.max(e.t[b] - t, 0)) + e.fine;
  };
  const lowAt = (e, t) => {
    const k = after(e.t, t), a = Math.max(k - 1, 0), b = Math.min(k, e.t.length - 1);
    return Math.max(e.lo[a] + e.floor * Math.max(t - e.t[a], 0), e.lo[b] - e.ceiling * Math.max(e.t[b] - t, 0)) - e.fine;
  };
  const figures = (knots, from, to) => {
    const span = to - from, found = {span};
    const gained = (xs, ys) => between(xs, ys, to) - between(xs, ys, from);
    if (knots.steps) found.steps = gained(knots.steps.t, knots.steps.v);
    if (knots.samples) found.samples = gained(knots.samples.t, knots.samples.v);
    const e = knots.energy;
    if (e) {
      found.energy = gained(e.t, e.v);
      found.low = Math.min(found.energy, Math.max(e.floor * span, lowAt(e, to) - highAt(e, from)));
      found.high = Math.max(found.energy, Math.min(e.ceiling * span, highAt(e, to) - lowAt(e, from)));
      found.parts = e.parts.map(([name, values]) => [name, gained(e.t, values)]);
    }
    return found;
  };
  return {after, between, every, load, figures};
})();

page.format = (() => {
  const prefixes = [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"]];
  const digits = value => {
    if (!value) return "0";
    const rounded = Number(value.toPrecision(3));
    return rounded.toFixed(Math.max(0, 2 - Math.floor(Math.log10(Math.abs(rounded)))));
  };
  const quantity = (value, unit) => {
    if (!Number.isFinite(value)) return "–";
    if (value === 0) return `0 ${unit}`;
    const size = Math.abs(value) * 1.0005;
    const [scale, prefix] = prefixes.find(([s]) => size >= s) || prefixes[prefixes.length - 1];
    return `${digits(value / scale)} ${prefix}${unit}`;
  };
  const duration = value => {
    if (!Number.isFinite(value)) return "–";
    if (Math.abs(value) < 60) return quantity(value, "s");
    const whole = Math.round(value), two = n => String(n).padStart(2, "0");
    if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
    if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor(whole % 3600 / 60))} min`;
    return `${Math.floor(whole / 86400)} d ${Math.floor(whole % 86400 / 3600)} h`;
  };
  const bytes = value => {
    for (const [scale, unit] of [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]]) {
      if (Math.abs(value) >= scale) return `${digits(value / scale)} ${unit}`;
    }
    return `${Math.round(value)} B`;
  };
  const grouped = new Intl.NumberFormat("en-GB", {maximumFractionDigits: 0});
  const count = value => Number.isFinite(value) ? grouped.format(Math.round(value)) : "–";
  const inUnit = (value, unit) => {
    if (value === undefined || value === null || !Number.isFinite(value)) return "–";
    if (unit === "%") return `${(100 * value).toFixed(1)} %`;
    if (unit === "B") return bytes(value);
    if (unit === "s") return duration(value);
    if (unit === "°C") return `${value.toFixed(0)} °C`;
    if (unit === "") return String(Number(value.toPrecision(4)));
    return quantity(value, unit);
  };
  return {quantity, duration, bytes, count, inUnit};
})();

if (page.data.steps) {
  page.downloads.steps = async () => {
    const {columns, size} = page.data.steps;
    const names = Object.keys(columns);
    const values = await Promise.all(names.map(name => page.unpack(columns[name])));
    const head = size > 1 ? ["first_step", "steps", ...names.map(name => `${name}_mean`)] : ["step", ...names];
    const total = page.data.report.totals.steps;
    const lines = [head.join(",")];
    for (let k = 0; k < values[0].length; k++) {
      const place = size > 1 ? [k * size, Math.min(size, total - k * size)] : [k];
      lines.push([...place, ...values.map(column => Number.isFinite(column[k]) ? Number(column[k].toPrecision(8)) : "")].join(","));
    }
    page.download(`${page.data.name}-steps.csv`, "text/csv", lines.join("\r\n") + "\r\n");
  };
}
