"use strict";
const page = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
// Every colour of the palette has a shape of its own, so that curves differ without colour too.
const SHAPES = [
  "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z",
  "M-3.5 -3.5H3.5V3.5H-3.5Z",
  "M0 -5L5 0L0 5L-5 0Z",
  "M0 -4.5L4.5 3.5H-4.5Z",
  "M0 4.5L4.5 -3.5H-4.5Z",
  "M-1.5 -5H1.5V-1.5H5V1.5H1.5V5H-1.5V1.5H-5V-1.5H-1.5Z",
];
const SPARSE = 64;  // pixels from mark to mark where curves are not marked at every point

function element(tag, attributes, parent, text) {
  const made = document.createElementNS(parent instanceof SVGElement || tag === "svg" ? SVG : "http://www.w3.org/1999/xhtml", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

function number(value) {
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-3 && size < 1e5)) return String(+value.toPrecision(6));
  const [mantissa, power] = value.toExponential(5).split("e");
  const raised = String(+power).replace(/./g, digit => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(digit)]);
  return (+mantissa === 1 ? "10" : `${+mantissa}×10`) + raised;
}

// ---- Axes

function drawable(axis, value) { return value !== null && (!axis.log || value > 0); }

// One range for all states, so that what moves is the curve and not the axis.
function range(axis, panel, coordinate) {
  let low = Infinity, high = -Infinity;
  for (const each of new Set(page.states.flatMap(state => state.panels[panel])))
    for (const point of page.curves[each].points)
      if (drawable(axis, point[coordinate])) {
        low = Math.min(low, point[coordinate]);
        high = Math.max(high, point[coordinate]);
      }
  if (axis.low !== null) low = axis.low;
  if (axis.high !== null) high = axis.high;
  if (low === Infinity) low = axis.log ? 1 : 0;
  if (!(low < high)) high = axis.log ? 10 * low : low + 1;
  return [low, high];
}

function ticks(axis, low, high, most) {
  const found = [];
  if (axis.log) {
    const from = Math.ceil(Math.log10(low) - 1e-9), to = Math.floor(Math.log10(high) + 1e-9);
    if (to - from >= 1) {
      const step = Math.ceil((to - from + 1) / most);
      for (let power = from; power <= to; power += step) found.push(10 ** power);
      return found;
    }
    for (let power = from - 1; power <= to; power++) for (const digit of [1, 2, 5])
      if (digit * 10 ** power >= low * 0.999 && digit * 10 ** power <= high * 1.001) found.push(digit * 10 ** power);
    return found;
  }
  const raw = (high - low) / most, scale = 10 ** Math.floor(Math.log10(raw));
  const step = scale * [1, 2, 5, 10].find(factor => factor * scale >= raw);
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + 1e-9 * step; at++) found.push(at * step);
  return found;
}

function scale(axis, [low, high], from, to) {
  return value => {
    const inside = Math.min(Math.max(value, low), high);
    const share = axis.log ? Math.log(inside / low) / Math.log(high / low) : (inside - low) / (high - low);
    return from + share * (to - from);
  };
}

// ---- A plot: what it shows, and the point that is read off

class Plot {
  constructor(figure, index) {
    this.panel = page.panels[index];
    this.index = index;
    this.ranges = [range(this.panel.x, index, 0), range(this.panel.y, index, 1)];
    this.at = null;  // place of the curve, place of the point
    for (const part of ["svg", "desc", ".value", ".legend", "table"]) this[part.replace(".", "")] = figure.querySelector(part);
    this.ink = element("g", {}, this.svg);
    this.ring = element("circle", {class: "ring", r: 8, visibility: "hidden"}, this.svg);
    const near = event => this.read(this.nearest(event));
    this.svg.addEventListener("pointermove", near);
    this.svg.addEventListener("pointerdown", near);
    this.svg.addEventListener("pointerleave", () => document.activeElement === this.svg || this.read(null));
    this.svg.addEventListener("focus", () => this.at || this.read([this.curves.findIndex(curve => curve.seen.length), 0]));
    this.svg.addEventListener("blur", () => this.read(null));
    this.svg.addEventListener("keydown", event => this.walk(event));
  }

  draw(state) {
    this.width = Math.max(280, this.svg.parentElement.clientWidth);
    this.height = Math.min(340, Math.max(230, 0.62 * this.width));
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.ink.replaceChildren();
    this.legend.replaceChildren();
    const left = 64, right = this.width - 12, top = 12, bottom = this.height - 42;
    const across = scale(this.panel.x, this.ranges[0], left, right), up = scale(this.panel.y, this.ranges[1], bottom, top);
    this.axes(across, up, left, right, top, bottom);
    this.curves = state.panels[this.index].map(each => page.curves[each]).map(curve => ({...curve, seen: curve.points
      .filter(([x, y]) => drawable(this.panel.x, x) && drawable(this.panel.y, y))
      .map(([x, y]) => ({x, y, left: across(x), top: up(y)}))}));
    this.curves.forEach((curve, place) => this.line(curve, left + 14 * place));
    this.desc.textContent = this.description();
    this.fill();
    this.read(this.at && this.curves[this.at[0]]?.seen[this.at[1]] ? this.at : null);
  }

  axes(across, up, left, right, top, bottom) {
    for (const value of ticks(this.panel.y, ...this.ranges[1], 6)) {
      element("line", {x1: left, x2: right, y1: up(value), y2: up(value), class: "grid"}, this.ink);
      element("text", {x: left - 6, y: up(value) + 4, "text-anchor": "end"}, this.ink, number(value));
    }
    for (const value of ticks(this.panel.x, ...this.ranges[0], this.width / 70))
      element("text", {x: across(value), y: bottom + 16, "text-anchor": "middle"}, this.ink, number(value));
    element("text", {x: (left + right) / 2, y: this.height - 8, "text-anchor": "middle"}, this.ink, this.panel.x.label);
    element("text", {x: 12, y: (top + bottom) / 2, "text-anchor": "middle",
                     transform: `rotate(-90 12 ${(top + bottom) / 2})`}, this.ink, this.panel.y.label);
  }

  line(curve, from) {
    const look = {stroke: curve.colour, "stroke-width": 2, fill: "none", "stroke-dasharray": curve.dash ? "6 4" : "none"};
    const mark = (parent, x, y) => curve.shape === null
      || element("path", {class: "mark", d: SHAPES[curve.shape], fill: curve.colour, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`}, parent);
    const d = curve.seen.map((at, i) => `${i ? "L" : "M"}${at.left.toFixed(1)},${at.top.toFixed(1)}`).join("");
    element("path", {...look, class: "curve", d}, this.ink);
    for (const at of curve.seen) if (curve.marks || at.left >= from) {
      mark(this.ink, at.left, at.top);
      from = at.left + SPARSE;
    }
    const entry = element("li", {}, this.legend);
    const key = element("svg", {viewBox: "0 0 34 12", "aria-hidden": "true"}, entry);
    element("path", {...look, d: "M1 6H33"}, key);
    mark(key, 17, 6);
    entry.append(curve.label);
  }

  description() {
    const course = ({label, seen}) => label + ": " + (seen.length === 0 ? "no points" : seen.length === 1
      ? `${number(seen[0].y)} at ${number(seen[0].x)}`
      : `from ${number(seen[0].y)} at ${number(seen[0].x)} to ${number(seen.at(-1).y)} at ${number(seen.at(-1).x)}`) + ".";
    return [`${this.panel.y.label} against ${this.panel.x.label}.`, ...this.curves.map(course)].join(" ");
  }

  // The table under the plot: a row for each x, a column for each curve.
  fill() {
    const columns = this.curves.map(curve => new Map(curve.points));
    const xs = [...new Set(columns.flatMap(column => [...column.keys()]))].sort((a, b) => a - b);
    const [head, body] = this.table.querySelectorAll("thead, tbody");
    head.replaceChildren();
    body.replaceChildren();
    const names = element("tr", {}, head);
    for (const name of [this.panel.x.label, ...this.curves.map(curve => curve.label)])
      element("th", {scope: "col"}, names, name);
    for (const x of xs) {
      const row = element("tr", {}, body);
      element("th", {scope: "row"}, row, number(x));
      for (const column of columns) element("td", {}, row, column.get(x) == null ? "–" : number(column.get(x)));
    }
  }

  nearest(event) {
    const box = this.svg.getBoundingClientRect(), unit = this.width / box.width;
    const x = (event.clientX - box.left) * unit, y = (event.clientY - box.top) * unit;
    let best = null, least = Infinity;
    this.curves.forEach((curve, c) => curve.seen.forEach((at, p) => {
      const away = Math.hypot(at.left - x, at.top - y);
      if (away < least) [best, least] = [[c, p], away];
    }));
    return best;
  }

  // Shows the values of a point; of none, if there is none.
  read(at) {
    const point = at && this.curves[at[0]]?.seen[at[1]];
    this.at = point ? at : null;
    this.ring.setAttribute("visibility", point ? "visible" : "hidden");
    this.value.textContent = point ? `${this.curves[at[0]].label}\n${this.panel.x.label}: ${number(point.x)}\n${this.panel.y.label}: ${number(point.y)}` : "";
    if (!point) return;
    this.ring.setAttribute("cx", point.left);
    this.ring.setAttribute("cy", point.top);
    const unit = this.svg.clientWidth / this.width, {offsetWidth, offsetHeight} = this.value;
    const lower = point.top * unit + 14, fits = lower + offsetHeight <= this.svg.clientHeight;
    this.value.style.left = `${Math.max(0, Math.min(point.left * unit + 10, this.svg.clientWidth - offsetWidth))}px`;
    this.value.style.top = `${fits ? lower : point.top * unit - offsetHeight - 14}px`;
  }

  // Left and right along a curve, up and down to the next one, where it is nearest.
  walk(event) {
    const [c, p] = this.at ?? [0, 0], along = {ArrowLeft: p - 1, ArrowRight: p + 1, Home: 0, End: Infinity}[event.key];
    const turn = {ArrowUp: -1, ArrowDown: 1}[event.key];
    if (event.key === "Escape") this.read(null);
    if (along === undefined && turn === undefined) return;
    event.preventDefault();
    if (!this.at) return this.read([this.curves.findIndex(curve => curve.seen.length), 0]);
    if (along !== undefined) return this.read([c, Math.max(0, Math.min(along, this.curves[c].seen.length - 1))]);
    let next = c;
    do next = (next + turn + this.curves.length) % this.curves.length; while (!this.curves[next].seen.length);
    const {left} = this.curves[c].seen[p], away = this.curves[next].seen.map(at => Math.abs(at.left - left));
    this.read([next, away.indexOf(Math.min(...away))]);
  }
}

// ---- The sliders, the address that keeps them, and what they choose

const inputs = [...document.querySelectorAll("#sliders input")];
const chosen = () => inputs.map((input, index) => page.sliders[index][input.value]);

// The sliders go where the fragment says; a fragment that no sliders could have written is ignored.
function follow() {
  const words = location.hash.slice(1).split(",");
  const places = words.map((word, index) => page.sliders[index]?.findIndex(value => encodeURIComponent(value) === word) ?? -1);
  if (places.length === inputs.length && !places.includes(-1)) inputs.forEach((input, index) => { input.value = places[index]; });
}

function draw() {
  // The sliders' places are the digits of the state's number.
  const state = page.states[inputs.reduce((place, input) => place * (+input.max + 1) + +input.value, 0)];
  chosen().forEach((value, index) => {
    inputs[index].setAttribute("aria-valuetext", value);
    inputs[index].parentElement.querySelector("output").textContent = value;
  });
  for (const plot of plots) plot.draw(state);
  const notes = document.getElementById("notes");
  notes.replaceChildren();
  for (const note of state.notes) element("li", {}, notes, note);
}

for (const input of inputs) {
  input.addEventListener("input", draw);
  input.addEventListener("change", () => history.replaceState(null, "", "#" + chosen().map(encodeURIComponent).join(",")));
}
const plots = [...document.querySelectorAll("figure")].map((figure, index) => new Plot(figure, index));
window.addEventListener("resize", draw);
window.addEventListener("hashchange", () => { follow(); draw(); });
follow();
draw();
