"use strict";

// Sorts tables, and makes the picture of the confusion matrix larger and readable. Without it the page shows the same.

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const falls = head.getAttribute("aria-sort") !== "descending" && column > 0;
      const rises = !falls;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", rises ? "ascending" : "descending");
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row) => [valueOf(row.cells[column]), row]);
      rows.sort(([one], [other]) => compare(one, other, rises ? 1 : -1));
      body.append(...rows.map(([, row]) => row));
    });
  });
}

function valueOf(cell) {
  const text = cell.textContent.trim();
  if (cell.tagName === "TH" || cell.classList.contains("label")) return text;
  const number = Number.parseFloat(text.replaceAll(",", ""));
  return Number.isNaN(number) ? null : number;
}

// What has no value is last, whatever the direction.
function compare(one, other, direction) {
  if (one === null || other === null) return (one === null) - (other === null);
  const names = typeof one === "string";
  return direction * (names ? one.localeCompare(other, undefined, { numeric: true }) : one - other);
}

for (const figure of document.querySelectorAll("figure.confusion")) {
  const { names, groups, side, cells } = JSON.parse(figure.querySelector("script").textContent);
  const viewport = figure.querySelector(".viewport");
  const sheet = figure.querySelector(".cells");
  const readout = figure.querySelector(".readout");
  const count = names.length;
  const largestCell = 40;
  const smallestLabel = 10;
  const smallestCell = 3;
  const totals = cells.map((row) => row.reduce((sum, value, index) => sum + (index % 2 ? value : 0), 0));
  let zoom = 1;
  let at = null;
  let width = viewport.clientWidth;

  const make = (name) => {
    const element = document.createElement("div");
    element.className = name;
    element.setAttribute("aria-hidden", "true");
    return element;
  };
  const [rowBand, columnBand] = [make("band-row"), make("band-column")];
  sheet.append(rowBand, columnBand);
  const [left, top] = [make("names-left"), make("names-top")];
  figure.querySelector(".axes").prepend(top, left);
  figure.classList.add("live");
  for (const hidden of figure.querySelectorAll("[hidden]")) hidden.hidden = false;

  const cellSize = () => (viewport.clientWidth * zoom) / side;

  function drawNames() {
    const size = cellSize();
    left.replaceChildren();
    top.replaceChildren();
    figure.classList.toggle("named", size >= smallestLabel);
    figure.classList.toggle("near", size >= smallestCell);
    if (size < smallestLabel) return;
    const place = (list, scroll, room, property) => {
      const first = Math.max(0, Math.floor(scroll / size));
      const last = Math.min(count, Math.ceil((scroll + room) / size));
      for (let number = first; number < last; number += 1) {
        const label = document.createElement("span");
        label.textContent = names[number];
        label.style[property] = `${(number + 0.5) * size - scroll}px`;
        if (at && number === at[property === "top" ? 0 : 1]) label.className = "at";
        list.append(label);
      }
    };
    place(left, viewport.scrollTop, viewport.clientHeight, "top");
    place(top, viewport.scrollLeft, viewport.clientWidth, "left");
  }

  function show(row, column, follow = false) {
    at = [row, column];
    const size = cellSize();
    rowBand.style.cssText = `top: ${row * size}px; height: ${size}px`;
    columnBand.style.cssText = `left: ${column * size}px; width: ${size}px`;
    let images = 0;
    for (let index = 0; index < cells[row].length; index += 2) {
      if (cells[row][index] === column) images = cells[row][index + 1];
    }
    const named = (number) => names[number] + (groups.length ? ` (${groups[number]})` : "");
    const share = totals[row] ? `, ${Math.round((100 * images) / totals[row])} %` : "";
    readout.textContent =
      row === column
        ? `${named(row)}: ${images} of ${totals[row]} recognized${share}`
        : `${named(row)} taken for ${named(column)}: ${images} of ${totals[row]}${share}`;
    if (follow) {
      const keep = (scroll, room, place) => Math.min(Math.max(scroll, place + size - room), place);
      viewport.scrollTop = keep(viewport.scrollTop, viewport.clientHeight, row * size);
      viewport.scrollLeft = keep(viewport.scrollLeft, viewport.clientWidth, column * size);
    }
    drawNames();
  }

  function setZoom(value) {
    const most = Math.max(1, (largestCell * side) / viewport.clientWidth);
    const middle = ["Left", "Top"].map((edge, axis) => {
      const room = axis ? viewport.clientHeight : viewport.clientWidth;
      return [edge, axis, at ? at[1 - axis] + 0.5 : (viewport[`scroll${edge}`] + room / 2) / cellSize()];
    });
    zoom = Math.min(most, Math.max(1, value));
    sheet.style.width = `${100 * zoom}%`;
    figure.classList.toggle("zoomed", zoom > 1);
    drawNames(); // the names take room, and the height is bounded: only then is there a middle
    width = viewport.clientWidth;
    for (const [edge, axis, place] of middle) {
      const room = axis ? viewport.clientHeight : viewport.clientWidth;
      viewport[`scroll${edge}`] = place * cellSize() - room / 2;
    }
    if (at) show(...at);
    else drawNames();
  }

  function pointed(event) {
    const box = sheet.getBoundingClientRect();
    const inside = (value) => Math.min(count - 1, Math.max(0, Math.floor(value / cellSize())));
    show(inside(event.clientY - box.top), inside(event.clientX - box.left));
  }

  viewport.addEventListener("pointermove", pointed);
  viewport.addEventListener("pointerdown", pointed);
  viewport.addEventListener("dblclick", () => setZoom(2 * zoom));
  viewport.addEventListener("scroll", drawNames);
  new ResizeObserver(() => {
    const ratio = viewport.clientWidth / width;
    width = viewport.clientWidth;
    if (ratio !== 1) for (const edge of ["Left", "Top"]) viewport[`scroll${edge}`] *= ratio;
    if (at) show(...at);
    else drawNames();
  }).observe(viewport);
  for (const button of figure.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => setZoom(button.dataset.zoom === "in" ? 1.6 * zoom : zoom / 1.6));
  }
  viewport.addEventListener("keydown", (event) => {
    const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+" || event.key === "=") setZoom(1.6 * zoom);
    else if (event.key === "-") setZoom(zoom / 1.6);
    else if (move) {
      const [row, column] = at ?? [0, 0];
      const inside = (value) => Math.min(count - 1, Math.max(0, value));
      show(at ? inside(row + move[0]) : 0, at ? inside(column + move[1]) : 0, true);
    } else return;
    event.preventDefault();
  });
}
