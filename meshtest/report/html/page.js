// Filter, sort, links that open what they lead to, copying, colours. Without it everything can be read all the same.
(() => {
  "use strict";
  const $ = (selector, from = document) => from.querySelector(selector);
  const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
  const rows = $$(".index tbody tr");
  const tests = new Map($$("details.test").map((each) => [each.dataset.id, each]));
  const texts = new Map(rows.map((row) => {
    const inside = $$(".node code, .finding h4, .applied", tests.get(row.dataset.for));
    return [row, [row, ...inside].map((each) => each.textContent).join(" ").toLowerCase()];
  }));
  const find = $("#find"), theme = $("#theme-of"), outcomes = $$("input[name=outcome]");

  function filter() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = new Set(outcomes.filter((each) => each.checked).map((each) => each.value));
    let shown = 0;
    for (const row of rows) {
      const { outcome, theme: of, for: id } = row.dataset;
      const fits = wanted.has(outcome) && (!theme.value || of === theme.value) && words.every((word) => texts.get(row).includes(word));
      row.hidden = tests.get(id).hidden = !fits;
      shown += fits;
    }
    $("#shown").textContent = shown === rows.length ? `all ${shown} shown` : `${shown} of ${rows.length} shown`;
  }
  for (const each of [find, theme, ...outcomes]) each.addEventListener("input", filter);
  $(".filter").hidden = false;
  filter();

  $$(".index thead th").forEach((head, column) => {
    if (!head.dataset.sort) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of $$(".index thead th")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.key ?? row.cells[column].textContent;
      const order = head.dataset.sort === "text" ? (a, b) => key(a).localeCompare(key(b)) : (a, b) => key(a) - key(b);
      $(".index tbody").append(...[...rows].sort((a, b) => (down ? -1 : 1) * order(a, b)));
    });
  });

  function follow() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let at = target; at; at = at.parentElement) {
      if (at.tagName === "DETAILS") at.open = true;
      if (at.classList.contains("test")) at.hidden = false;
    }
    target.scrollIntoView();
    target.focus({ preventScroll: true });
  }
  addEventListener("hashchange", follow);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href^='#']");
    if (link && link.hash === location.hash) follow();
  });
  follow();

  for (const button of $$(".copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const code = $("code", button.parentElement);
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = "Selected: press Ctrl-C";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }

  const unfold = $("#unfold");
  unfold.hidden = false;
  unfold.addEventListener("click", () => {
    const open = unfold.textContent === "Open all";
    for (const each of tests.values()) each.open = open;
    unfold.textContent = open ? "Close all" : "Open all";
  });

  const root = document.documentElement, colours = $("#theme");
  const isDark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const tell = () => colours.setAttribute("aria-pressed", isDark());
  colours.hidden = false;
  tell();
  colours.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    tell();
  });

  addEventListener("beforeprint", () => { for (const each of tests.values()) if (each.dataset.outcome !== "passed") each.open = true; });
})();
