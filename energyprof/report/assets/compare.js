"use strict";
(() => {
  const {report, markdown, latex} = page.data;
  const safe = value => {
    const text = value === null || value === undefined ? "" : String(value);
    const inert = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
    return /[",\r\n]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
  };
  const csv = () => {
    const names = Object.keys(report.groups[0].arms[0].figures);
    const lines = [["run", "group", "arm", ...names]];
    report.groups.forEach((group, index) => {
      for (const arm of group.arms) {
        arm.runs.forEach((run, k) => lines.push([run, index + 1, arm.name, ...names.map(name => arm.figures[name].values[k])]));
      }
    });
    return lines.map(line => line.map(safe).join(",")).join("\r\n") + "\r\n";
  };
  page.downloads.markdown = () => page.download("comparison.md", "text/markdown", markdown);
  page.downloads.latex = () => page.download("comparison.tex", "text/x-tex", latex);
  page.downloads.csv = () => page.download("comparison.csv", "text/csv", csv());
})();
