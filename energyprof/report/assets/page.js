"use strict";
const page = {data: JSON.parse(document.getElementById("data").textContent)};
document.documentElement.classList.add("js");
(() => {
  const root = document.documentElement;
  const toast = document.getElementById("status");
  let clearing = 0;
  page.say = text => {
    toast.textContent = text;
    toast.classList.add("on");
    clearTimeout(clearing);
    clearing = setTimeout(() => toast.classList.remove("on"), 2500);
  };

  const themes = ["auto", "light", "dark"];
  const stored = () => { try { return localStorage.getItem("energyprof-theme"); } catch { return null; } };
  const store = value => { try { localStorage.setItem("energyprof-theme", value); } catch { /* private mode */ } };
  const themeButton = document.querySelector("[data-do=theme]");
  const wantedTheme = () => root.dataset.theme || "auto";
  page.setTheme = value => {
    if (value === "auto") delete root.dataset.theme; else root.dataset.theme = value;
    if (themeButton) {
      themeButton.textContent = `Theme: ${value}`;
      themeButton.setAttribute("aria-label", value === "auto" ? "Theme: as the system" : `Theme: ${value}`);
    }
    dispatchEvent(new Event("themechange"));
  };
  page.nextTheme = () => {
    const value = themes[(themes.indexOf(wantedTheme()) + 1) % themes.length];
    store(value);
    page.setTheme(value);
  };
  page.setTheme(themes.includes(stored()) ? stored() : "auto");
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => dispatchEvent(new Event("themechange")));

  page.make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };

  page.download = (name, type, text) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], {type}));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  page.downloads = {
    json: async () => {
      const {name, report, whole} = page.data; // the whole report is packed where it is long
      const text = whole ? new TextDecoder().decode(await page.inflate(whole)) : JSON.stringify(report, null, 1) + "\n";
      page.download(`${name}.json`, "application/json", text);
    },
  };
  const copyLink = async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      page.say("Link copied");
    } catch {
      page.say("This browser does not let a page copy: use the address bar");
    }
  };
  const help = document.getElementById("help");
  const actions = {
    "copy-link": copyLink,
    print: () => print(),
    theme: page.nextTheme,
    help: () => help.showModal(),
  };
  document.addEventListener("click", event => {
    const button = event.target.closest("[data-do],[data-download]");
    if (!button) return;
    const act = button.dataset.do ? actions[button.dataset.do] : page.downloads[button.dataset.download];
    if (act) act();
  });
  page.typing = event => event.ctrlKey || event.metaKey || event.altKey ||
    /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  document.addEventListener("keydown", event => {
    if (page.typing(event) || help.open) return;
    if (event.key === "?") help.showModal();
    else if (event.key === "t") page.nextTheme();
  });

  const keyOf = (row, column) => {
    const cell = row.cells[column];
    const raw = cell.dataset.v !== undefined ? cell.dataset.v : cell.textContent.trim();
    const number = Number(raw.replace(/[, %]/g, ""));
    return raw === "" || raw === "–" ? null : Number.isNaN(number) ? raw.toLowerCase() : number;
  };
  const sortTable = (table, column, descending) => {
    const body = table.tBodies[0];
    const rows = [...body.rows].map(row => [keyOf(row, column), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      const order = typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1;
      return descending ? -order : order;
    });
    body.append(...rows.map(([, row]) => row));
  };
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (head.hasAttribute("data-fixed")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...[...head.childNodes].filter(node => node.nodeName !== "SMALL"));
      head.prepend(button);
      button.addEventListener("click", () => {
        const descending = head.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        sortTable(table, column, descending);
      });
    });
  }

  page.inflate = async text => {
    const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };
  page.unpack = async packed => {
    const planes = await page.inflate(packed.d);
    const {n, w, r} = packed;
    const values = new Float64Array(n);
    const weights = Array.from({length: w}, (_, plane) => 2 ** (8 * plane));
    let sum = 0;
    for (let k = 0; k < n; k++) {
      let code = 0;
      for (let plane = 0; plane < w; plane++) code += planes[plane * n + k] * weights[plane];
      sum += code % 2 ? -(code + 1) / 2 : code / 2;
      values[k] = sum * r;
    }
    if (packed.m) for (const k of await page.unpack(packed.m)) values[k] = NaN;
    return values;
  };
})();
