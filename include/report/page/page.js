"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const tip = byId("tip");
  const root = document.documentElement;
  const DAY_MS = 86400000;
  const firstMs = Date.parse(data.first_day + "T00:00:00Z");
  const LEFT_MOST = 230;
  const GAP = 1;
  const WIDEST = 90;
  const shown = { timeframe: data.timeframes[0], days: data.days, order: "name", filter: "" };
  const decoded = {};
  let layout = null;
  let colours = null;
  let cursor = null;

  const dayText = (place) => new Date(firstMs + place * DAY_MS).toISOString().slice(0, 10);
  const number = (value) => value.toLocaleString("en-US");

  // ---- what a cell holds ------------------------------------------------------------------
  function daysOf(timeframe, row) {
    const key = timeframe + "/" + row;
    if (!decoded[key]) {
      const days = new Int32Array(data.days);
      const runs = data.cells[timeframe][row];
      for (let at = 0, day = 0; at < runs.length; at += 2) {
        days.fill(runs[at], day, (day += runs[at + 1]));
      }
      decoded[key] = days;
    }
    return decoded[key];
  }

  function addUp(timeframe, row, from, to) {
    const counts = new Array(data.states.length).fill(0);
    const days = daysOf(timeframe, row);
    for (let day = from; day < to; day++) {
      const vector = data.vectors[days[day]];
      for (let at = 0; at < vector.length; at += 2) counts[vector[at]] += vector[at + 1];
    }
    return counts;
  }

  // As stack_cell in map_cells.py: the absent part of a cell, from its foot up.
  function stackCell(counts) {
    let whole = 0, missing = 0, wrong = false;
    const absent = [];
    for (let code = counts.length - 1; code >= 0; code--) {
      const state = data.states[code];
      if (state.outside) continue;
      whole += counts[code];
      if (code > 0 && counts[code] > 0) {
        missing += counts[code];
        wrong = wrong || state.kind === "unexplained";
        absent.push(code);
      }
    }
    if (!missing) return { whole, layers: [] };
    const least = wrong ? data.least_wrong_height : data.least_height;
    const height = least + (1 - least) * missing / whole;
    const parts = absent.map(
      (code) => Math.max(counts[code] / missing, data.least_part[data.states[code].kind]));
    const sum = parts.reduce((one, other) => one + other, 0);
    return { whole, layers: absent.map((code, at) => [code, height * parts[at] / sum]) };
  }

  // ---- canvases ---------------------------------------------------------------------------
  function prepare(canvas, height) {
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    canvas.style.height = height + "px";
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "12px system-ui, 'DejaVu Sans', sans-serif";
    return { pen, width, height };
  }

  function visibleRows() {
    const wanted = shown.filter.trim().toLowerCase();
    const order = shown.order === "worst" ? data.rank : data.rows.map((_, place) => place);
    const rows = order.filter((place) =>
      (data.rows[place].symbol + " " + data.rows[place].venue).toLowerCase().includes(wanted));
    const frames = shown.timeframe === "all" ? data.timeframes : [shown.timeframe];
    return rows.flatMap((place) => frames.map((timeframe) => ({ place, timeframe })));
  }

  function arrange() {
    const rows = visibleRows();
    const width = byId("scroll").clientWidth;
    const all = shown.timeframe === "all";
    const pen = byId("map").getContext("2d");
    pen.font = "12px system-ui, 'DejaVu Sans', sans-serif";
    const labels = data.rows.map((row) => pen.measureText(row.label).width);
    const left = Math.min(LEFT_MOST, Math.ceil(Math.max(60, ...labels)) + (all ? 46 : 12));
    const from = data.days - shown.days;
    const room = Math.max(width - left - 8, 60);
    const step = [1, 2, 3, 7, 14, 28, 91].find((days) => room / Math.ceil(shown.days / days) >= 5)
      || 182;
    const columns = [];
    for (let to = data.days; to > from; to -= step) columns.unshift([Math.max(to - step, from), to]);
    const height = rows.length <= 16 ? 26 : rows.length <= 48 ? 18 : 14;
    const wide = Math.min(room / columns.length, WIDEST);
    layout = { rows, left, columns, room: wide * columns.length, wide, height, step };
  }

  function nameDays(pen, baseline) {
    pen.fillStyle = colours.faint;
    pen.textAlign = "center";
    const every = Math.max(1, Math.ceil(86 / layout.wide));
    const long = shown.days > 300;
    for (let at = layout.columns.length - 1; at >= 0; at -= every) {
      const x = layout.left + (at + 0.5) * layout.wide;
      if (x < layout.left + 30 || x > layout.left + layout.room - 30) continue;
      const day = new Date(firstMs + layout.columns[at][0] * DAY_MS);
      const month = day.toLocaleString("en-US", { month: "short", timeZone: "UTC" });
      pen.fillText(long ? month + " " + day.getUTCFullYear() : day.getUTCDate() + " " + month,
        x, baseline);
    }
  }

  function drawMap() {
    const axis = prepare(byId("axis"), 24);
    nameDays(axis.pen, 16);
    const { rows, left, columns, wide, height } = layout;
    const { pen } = prepare(byId("map"), Math.max(rows.length * height, 30) + 2);
    if (!rows.length) {
      pen.fillStyle = colours.faint;
      pen.fillText(data.rows.length ? "No instrument of that name." : "Nothing loaded yet.", 4, 20);
    }
    rows.forEach((row, line) => {
      const top = line * height;
      const first = line === 0 || rows[line - 1].place !== row.place;
      drawName(pen, row, top, first);
      columns.forEach(([from, to], column) => {
        const counts = addUp(row.timeframe, row.place, from, to);
        const x = left + column * wide;
        const w = Math.max(wide - (wide > 6 ? GAP : 0.5), 1);
        const h = height - (height > 16 ? 2 : 1);
        const { whole, layers } = stackCell(counts);
        const outside = counts.some((count, code) => count && data.states[code].outside);
        if (!whole && !outside) return;
        pen.fillStyle = colours.states[whole ? 0 : data.outside];
        pen.fillRect(x, top, w, h);
        let foot = top + h;
        for (const [code, share] of layers) {
          const tall = Math.max(share * h, 1);
          pen.fillStyle = colours.states[code];
          pen.fillRect(x, foot - tall, w, tall);
          foot -= tall;
        }
      });
    });
    if (cursor) {
      pen.strokeStyle = colours.ink;
      pen.lineWidth = 1.5;
      pen.strokeRect(left + cursor.column * wide, cursor.line * height, wide - 1, height - 1);
    }
  }

  function drawName(pen, row, top, first) {
    const middle = top + layout.height / 2 + 4;
    pen.textAlign = "right";
    if (shown.timeframe === "all") {
      pen.fillStyle = colours.faint;
      pen.fillText(row.timeframe, layout.left - 8, middle);
    }
    if (!first) return;
    pen.fillStyle = colours.ink;
    const right = layout.left - (shown.timeframe === "all" ? 42 : 8);
    pen.fillText(data.rows[row.place].label, right, middle, right - 2);
    if (shown.timeframe === "all") {
      pen.fillStyle = colours.grid;
      pen.fillRect(0, top - 1.5, layout.left + layout.room, 1);
    }
  }

  function drawTimeline(id) {
    const line = data[id];
    byId(id).hidden = !line.names.length;
    if (!line.names.length) {
      byId(id + "-total").textContent = "none";
      return;
    }
    const { pen, height } = prepare(byId(id), 120);
    const floor = height - 22, top = 8;
    const sums = layout.columns.map(([from, to]) => line.counts.map((days) =>
      days.slice(from, to).reduce((one, other) => one + other, 0)));
    const most = Math.max(1, ...sums.map((column) => column.reduce((a, b) => a + b, 0)));
    pen.strokeStyle = colours.grid;
    for (const y of [top, floor]) {
      pen.beginPath();
      pen.moveTo(layout.left, y + 0.5);
      pen.lineTo(layout.left + layout.room, y + 0.5);
      pen.stroke();
    }
    pen.fillStyle = colours.faint;
    pen.textAlign = "right";
    pen.fillText(number(most), layout.left - 8, top + 9);
    pen.fillText("0", layout.left - 8, floor);
    sums.forEach((column, at) => {
      let y = floor;
      column.forEach((count, name) => {
        const tall = count / most * (floor - top);
        pen.fillStyle = colours.series[line.colours[name]];
        pen.fillRect(layout.left + at * layout.wide, y - tall,
          Math.max(layout.wide - 1, 1), tall);
        y -= tall;
      });
    });
    nameDays(pen, height - 6);
    byId(id + "-total").textContent = number(
      sums.reduce((one, column) => one + column.reduce((a, b) => a + b, 0), 0));
    legend(byId(id + "-legend"), line.names.map((name, at) =>
      [colours.series[line.colours[at]], name]));
    line.sums = sums;
  }

  function legend(place, items) {
    place.replaceChildren(...items.map(([colour, text]) => {
      const item = document.createElement("span");
      const swatch = document.createElement("i");
      swatch.style.background = colour;
      item.append(swatch, text);
      return item;
    }));
  }

  function drawLegend() {
    const seen = new Set([0]);
    for (const row of visibleRows()) {
      const days = daysOf(row.timeframe, row.place);
      for (let day = data.days - shown.days; day < data.days; day++) {
        const vector = data.vectors[days[day]];
        for (let at = 0; at < vector.length; at += 2) seen.add(vector[at]);
      }
    }
    const items = data.states.map((state, code) => [colours.states[code], state, seen.has(code)])
      .filter(([, state, is]) => is && !state.outside)
      .map(([colour, state]) => [colour, state.label]);
    if (data.states.some((state, code) => state.outside && seen.has(code))) {
      items.push([colours.states[data.outside], "not listed at the time"]);
    }
    legend(byId("legend"), items);
  }

  function draw() {
    colours = data.themes[root.dataset.theme];
    arrange();
    drawMap();
    drawLegend();
    drawTimeline("refused");
    drawTimeline("drift");
    byId("column").textContent = layout.step === 1 ? "one column a day"
      : "one column " + layout.step + " days";
  }

  // ---- what is pointed at -----------------------------------------------------------------
  function showTip(x, y, title, lines) {
    const head = document.createElement("b");
    head.textContent = title;
    const rows = lines.map(([colour, text, value]) => {
      const row = document.createElement("div");
      const swatch = document.createElement("i");
      swatch.style.background = colour;
      const amount = document.createElement("em");
      amount.textContent = value;
      row.append(swatch, text, amount);
      return row;
    });
    tip.replaceChildren(head, ...rows);
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(x + 14, window.innerWidth - box.width - 8)) + "px";
    tip.style.top = (y + 18 + box.height > window.innerHeight ? y - box.height - 10 : y + 18) + "px";
  }

  function columnText([from, to]) {
    return dayText(from) + (to - from > 1 ? " to " + dayText(to - 1) : "");
  }

  function tellCell(line, column, x, y) {
    const row = layout.rows[line];
    const bounds = layout.columns[column];
    if (!row || !bounds) { tip.hidden = true; return; }
    const counts = addUp(row.timeframe, row.place, bounds[0], bounds[1]);
    const whole = counts.reduce((one, other) => one + other, 0);
    const lines = counts.map((count, code) => [count, code]).filter(([count]) => count)
      .map(([count, code]) => [colours.states[code], data.states[code].label,
        number(count) + (count === whole ? "" : " · " + percent(count / whole))]);
    const { symbol, venue } = data.rows[row.place];
    const title = symbol + " " + row.timeframe + " · " + columnText(bounds);
    showTip(x, y, title, lines.length ? lines : [["transparent", "no candle is over yet", ""]]);
    tip.append(Object.assign(document.createElement("span"), { className: "faint", textContent: venue }));
  }

  function percent(share) {
    return share > 0.9995 ? "> 99.9 %" : share < 0.0005 ? "< 0.1 %" : (share * 100).toFixed(1) + " %";
  }

  byId("map").addEventListener("pointermove", (event) => {
    const column = Math.floor((event.offsetX - layout.left) / layout.wide);
    tellCell(Math.floor(event.offsetY / layout.height), column, event.clientX, event.clientY);
  });
  byId("map").addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const step = move[event.key];
    if (!step) return;
    event.preventDefault();
    const limit = (value, most) => Math.max(0, Math.min(value, most - 1));
    cursor = cursor || { line: 0, column: layout.columns.length - step[1] };
    cursor.line = limit(cursor.line + step[0], layout.rows.length);
    cursor.column = limit(cursor.column + step[1], layout.columns.length);
    drawMap();
    const box = byId("map").getBoundingClientRect();
    tellCell(cursor.line, cursor.column, box.left + layout.left + cursor.column * layout.wide,
      box.top + (cursor.line + 0.5) * layout.height);
  });
  byId("map").addEventListener("blur", () => { cursor = null; tip.hidden = true; drawMap(); });
  for (const id of ["refused", "drift"]) {
    byId(id).addEventListener("pointermove", (event) => {
      const column = Math.floor((event.offsetX - layout.left) / layout.wide);
      const sums = data[id].sums[column];
      if (!sums) { tip.hidden = true; return; }
      const lines = sums.map((count, at) => [colours.series[data[id].colours[at]],
        data[id].names[at], number(count), count]).filter((line) => line[3]);
      showTip(event.clientX, event.clientY, columnText(layout.columns[column]),
        lines.length ? lines : [["transparent", "none", ""]]);
    });
  }
  for (const id of ["map", "refused", "drift"]) {
    byId(id).addEventListener("pointerleave", () => { tip.hidden = true; });
  }

  // ---- choices ----------------------------------------------------------------------------
  function choice(id, key, options) {
    const buttons = options.map(([value, text]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.setAttribute("aria-pressed", String(shown[key] === value));
      button.addEventListener("click", () => {
        shown[key] = value;
        cursor = null;
        buttons.forEach((one) => one.setAttribute("aria-pressed", String(one === button)));
        draw();
      });
      return button;
    });
    if (options.length > 1) byId(id).replaceChildren(...buttons);
  }

  if (data.rows.length <= 12) shown.timeframe = "all";
  if (data.days > 100) shown.days = 90;
  choice("timeframes", "timeframe",
    [...data.timeframes.map((label) => [label, label]), ["all", "all"]]);
  choice("ranges", "days", [[30, "30 days"], [90, "90 days"], [365, "1 year"]]
    .filter(([days]) => days < data.days).concat([[data.days, "all days"]]));
  choice("orders", "order", data.rows.length > 1 ? [["name", "by name"], ["worst", "worst first"]] : []);
  byId("filter").hidden = data.rows.length < 8;
  byId("filter").addEventListener("input", (event) => {
    shown.filter = event.target.value;
    cursor = null;
    draw();
  });

  function chosenTheme() {
    // Inside Airflow the page follows its switch, else the system's.
    let kept = null;
    try { kept = window.localStorage.getItem("theme"); } catch { /* a file has no storage */ }
    if (kept === "light" || kept === "dark") return kept;
    return window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }
  function paint(theme) { root.dataset.theme = theme; draw(); }
  byId("theme").addEventListener("click", () =>
    paint(root.dataset.theme === "dark" ? "light" : "dark"));
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change",
    () => paint(chosenTheme()));
  window.addEventListener("storage", (event) => { if (event.key === "theme") paint(chosenTheme()); });
  window.addEventListener("resize", draw);
  paint(chosenTheme());
})();
