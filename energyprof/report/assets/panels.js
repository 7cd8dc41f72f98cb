"use strict";
// The series of the timeline's panels: unpacked, joined on one clock, and where each of them was silent.
page.panels = (() => {
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
      const column = joined[seriesAt({lines}, k)];
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
  // Where a line's values stand among uPlot's columns: after the times, and three for a line with a range.
  function seriesAt(panel, k) {
    let at = 1;
    for (let j = 0; j < k; j++) at += panel.lines[j].ranged ? 3 : 1;
    return at;
  }
  return {load: panels => Promise.all(panels.map(load)), seriesAt};
})();
