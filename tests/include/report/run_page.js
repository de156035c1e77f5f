// Runs the script of the page (file argv[2], its figures argv[3]) on stand-ins for the browser:
// tells what was drawn and what the keyboard and the buttons say, as JSON.
"use strict";
const fs = require("fs");
const drawn = [];
class Element {
  constructor(tag) {
    Object.assign(this, { tag, children: [], style: {}, dataset: {}, hears: {}, given: {},
      textContent: "", hidden: false, clientWidth: 1000 });
  }
  addEventListener(name, told) { this.hears[name] = told; }
  append(...more) { this.children.push(...more); }
  replaceChildren(...all) { this.children = all; }
  setAttribute(name, value) { this.given[name] = value; }
  getAttribute(name) { return this.given[name] ?? null; }
  getBoundingClientRect() { return { left: 0, top: 0, width: 100, height: 20 }; }
  getContext() { this.pen ??= new Pen(this.name); return this.pen; }
  say() {
    return this.textContent
      + this.children.map((one) => (typeof one === "string" ? one : one.say())).join("|");
  }
}
class Pen {
  constructor(name) {
    return new Proxy({ measureText: (text) => ({ width: 6 * text.length }) }, {
      get: (own, key) => own[key] ?? ((...values) => { drawn.push([name, key, own.fillStyle, ...values]); }),
      set: (own, key, value) => { own[key] = value; return true; },
    });
  }
}
const elements = {};
const hears = {};
global.document = {
  documentElement: new Element("html"),
  createElement: (tag) => new Element(tag),
  getElementById(id) {
    if (!elements[id]) { elements[id] = new Element("x"); elements[id].name = id; }
    return elements[id];
  },
};
global.window = {
  innerWidth: 1000, innerHeight: 800, devicePixelRatio: 1,
  localStorage: { getItem: () => null },
  matchMedia: () => ({ matches: true, addEventListener() {} }),
  addEventListener(name, told) { hears[name] = told; },
};
document.getElementById("data").textContent = fs.readFileSync(process.argv[3], "utf8");
(0, eval)(fs.readFileSync(process.argv[2], "utf8"));

const byId = document.getElementById;
const data = JSON.parse(byId("data").textContent);
const press = (key) => byId("map").hears.keydown({ key, preventDefault() {} });
const told = {};
// From the newest day leftwards, row by row: what the tip says of every cell.
for (let line = 0; line < data.rows.length * data.timeframes.length; line++) {
  for (let day = data.days - 1; day >= 0; day--) {
    press(line === 0 && day === data.days - 1 ? "ArrowLeft" : day === data.days - 1 ? "ArrowDown" : "ArrowLeft");
    told[line + "/" + day] = byId("tip").say();
  }
  for (let day = 1; day < data.days; day++) press("ArrowRight");
}
const theme = document.documentElement.dataset.theme;
byId("theme").hears.click();
hears.resize();
byId("timeframes").children[0]?.hears.click();
console.log(JSON.stringify({
  told, theme, other: document.documentElement.dataset.theme, legend: byId("legend").say(),
  refused: byId("refused-total").textContent, rects: drawn.filter((one) => one[1] === "fillRect").length,
}));
