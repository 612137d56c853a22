
(() => {
"use strict";
const one = selector => document.querySelector(selector);
const list = one("ul"), filter = one("input[type=search]"), foot = one("footer"), folders = one("button[name=folders]"), natural = one("button[name=sort]");
const sorters = [...document.querySelectorAll(".cols button")];
const two = number => String(number).padStart(2, "0");
const exact = link => {
  try { return decodeURIComponent(link.getAttribute("href").replace(/\/$/, "")); }
  catch { return link.textContent; }
};
const rows = [];
if (list.children.length) list.setAttribute("role", "list");
for (const li of list.children) {
  const row = {li, size: -1, date: "", shown: true};
  const link = li.firstElementChild;
  row.name = exact(link).toLowerCase();
  row.folder = link.getAttribute("href").endsWith("/");
  for (const fact of li.lastElementChild.children) {
    if (fact.localName === "data" && fact.value) row.size = +fact.value;
    if (fact.localName === "time") {
      row.date = fact.dateTime;
      const d = new Date(row.date);
      fact.textContent = `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}`;
    }
  }
  rows.push(row);
}
sorters[2].textContent = "Modified";

const numbered = digits => {
  const number = digits.replace(/^0+/, ""), length = number.length;
  return Math.min(length, 9) + (length < 9 ? "" : String.fromCharCode(length)) + number;
};
const order = (a, b) => a < b ? -1 : a > b ? 1 : 0;
const sort = (by, descending) => {
  const first = folders.ariaPressed === "true", turn = descending ? -1 : 1;
  if (by === "natural") for (const row of rows) row.natural ??= row.name.replace(/[0-9]+/g, numbered);
  rows.sort((a, b) => first && b.folder - a.folder || turn * order(a[by], b[by]) || order(a.name, b.name));
  const sorted = document.createDocumentFragment();
  for (const row of rows) sorted.append(row.li, "\n");
  list.replaceChildren("\n", sorted);
  natural.ariaPressed = String(by === "natural");
  sorters[0].form.elements.sort.value = by === "natural" ? by : "name";
  for (const button of sorters) {
    const mine = button.form.elements.sort.value;
    button.parentElement.setAttribute("aria-sort", mine !== by ? "none" : descending ? "descending" : "ascending");
    button.value = (mine !== by ? button !== sorters[0] : !descending) ? "desc" : "asc";
  }
  history.replaceState(null, "", `?sort=${by}&order=${descending ? "desc" : "asc"}&folders=${first ? "first" : "mixed"}`);
};
for (const button of sorters) {
  button.onclick = event => {
    event.preventDefault();
    sort(button.form.elements.sort.value, button.value === "desc");
  };
}
const current = () => {
  const head = one("[aria-sort$=ing]");
  return [head.querySelector("[name=sort]").value, head.getAttribute("aria-sort") === "descending"];
};
folders.onclick = event => {
  event.preventDefault();
  folders.ariaPressed = String(folders.ariaPressed !== "true");
  sort(...current());
};
natural.onclick = event => {
  event.preventDefault();
  sort(natural.ariaPressed === "true" ? "name" : "natural", current()[1]);
};

const all = foot.textContent;
const narrow = () => {
  const wanted = filter.value.toLowerCase();
  let count = 0;
  for (const row of rows) {
    const shown = row.name.includes(wanted);
    if (shown !== row.shown) row.li.hidden = !(row.shown = shown);
    count += shown;
  }
  foot.textContent = wanted ? `${count} of ${all}` : all;
};
filter.oninput = narrow;
filter.hidden = rows.length < 2;
filter.onkeydown = event => {
  if (event.key === "Enter") {
    event.preventDefault();
    const first = rows.find(row => row.shown);
    if (filter.value && first) first.li.firstElementChild.click();
  }
  if (event.key === "Escape") { filter.value = ""; narrow(); }
};
document.onkeydown = event => {
  if (event.key !== "/" || event.target === filter || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  filter.focus();
};
if (filter.value) narrow();

for (const button of document.querySelectorAll("nav button")) {
  const link = document.createElement("a");
  link.href = button.getAttribute("formaction");
  link.textContent = button.textContent;
  button.replaceWith(link);
}
})();
