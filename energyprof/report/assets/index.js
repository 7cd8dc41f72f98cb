"use strict";
(() => {
  const table = document.getElementById("runs-table");
  if (!table) return;
  const rows = [...table.tBodies[0].rows];
  const texts = new Map(rows.map(row => [row, row.textContent.toLowerCase()]));
  const find = document.getElementById("filter-text");
  const selects = [...document.querySelectorAll("select[data-filter]")];
  const shown = document.getElementById("shown");

  const apply = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const hidden = selects.some(s => s.value && row.dataset[s.dataset.filter] !== s.value) ||
        words.some(word => !texts.get(row).includes(word));
      row.hidden = hidden;
      count += !hidden;
    }
    shown.textContent = count === rows.length ? "" : `${count} of ${rows.length} shown`;
  };
  // The filters stand in the address, so that a link shows the same runs and the back button returns.
  const remember = () => {
    const found = new URLSearchParams();
    if (find.value) found.set("find", find.value);
    for (const s of selects) if (s.value) found.set(s.dataset.filter, s.value);
    const wanted = found.size ? `show:${found}` : "runs";
    if (location.hash.slice(1) === wanted) apply(); else location.hash = wanted;
  };
  const recall = () => {
    const hash = location.hash.slice(1);
    const found = new URLSearchParams(hash.startsWith("show:") ? hash.slice(5) : "");
    find.value = found.get("find") || "";
    for (const s of selects) {
      const wanted = found.get(s.dataset.filter) || "";
      s.value = [...s.options].some(o => o.value === wanted) ? wanted : "";
    }
    apply();
  };
  find.addEventListener("input", apply);
  find.addEventListener("change", remember);
  for (const s of selects) s.addEventListener("change", remember);
  addEventListener("hashchange", recall);
  recall();

  const tray = document.getElementById("tray");
  const ticks = () => rows.map(row => row.querySelector("input")).filter(box => box.checked);
  const quoted = text => /^[\w.:/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
  const command = () => `energyprof compare ${ticks().map(box => quoted(page.data.ids[box.value])).join(" ")}`;
  const update = () => {
    const count = ticks().length;
    tray.hidden = count === 0;
    document.getElementById("tray-count").textContent = count === 1 ? "1 run ticked: tick one more to compare" : `${count} runs ticked`;
    document.getElementById("tray-command").textContent = count > 1 ? command() : "";
    document.getElementById("tray-copy").disabled = count < 2;
  };
  table.addEventListener("change", update);
  document.getElementById("tray-clear").addEventListener("click", () => {
    for (const box of ticks()) box.checked = false;
    update();
  });
  document.getElementById("tray-copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command());
      page.say("Command copied");
    } catch {
      page.say("This browser does not let a page copy: select the command");
    }
  });
  update();
  document.addEventListener("keydown", event => {
    if (page.typing(event) || event.key !== "/") return;
    event.preventDefault();
    find.focus();
  });
})();
