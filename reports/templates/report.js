// The page is complete without this script. With it: pointing at a picture tells what is there (arrow
// keys do the same), dragging over one with a time axis zooms, and one period can be chosen.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const draw = (parent, name, attributes) => {
    const element = parent.appendChild(document.createElementNS(parent.namespaceURI, name));
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const tip = document.body.appendChild(document.createElement("div"));
  tip.className = "tip";
  tip.setAttribute("role", "status");
  const plots = [];
  let chosen = -1;

  const tell = (text, left, top) => {
    tip.textContent = text;
    const box = tip.getBoundingClientRect(), gap = 14;
    tip.style.left = Math.max(4, left + gap + box.width > innerWidth ? left - gap - box.width : left + gap) + "px";
    tip.style.top = Math.max(4, Math.min(top + gap, innerHeight - box.height - 4)) + "px";
  };

  class Plot {
    constructor(element, facts) {
      Object.assign(this, { element, facts, at: -1, view: null });
      this.svg = element.querySelector("svg");
      [this.left, this.top, this.right, this.bottom] = facts.box;
      const listen = (name, act) => element.addEventListener(name, act);
      listen("pointermove", (event) => this.moved(event));
      listen("pointerdown", (event) => this.pressed(event));
      listen("pointerup", (event) => this.released(event));
      listen("pointerleave", () => this.forget());
      listen("blur", () => this.forget());
      listen("keydown", (event) => this.key(event));
      listen("dblclick", () => this.zoom(null));
    }

    // From and to the drawing's coordinates; `view` is the part of them that is zoomed to.
    place(event) {
      const box = this.svg.getBoundingClientRect(), view = this.svg.viewBox.baseVal;
      return [(event.clientX - box.left) * view.width / box.width, (event.clientY - box.top) * view.height / box.height];
    }
    zoomed(x) {
      if (!this.view) return x;
      const [low, high] = this.view;
      return this.left + (x - low) * (this.right - this.left) / (high - low);
    }
    value(x) {  // the datum at a place of the unzoomed drawing
      const [low, high, scale] = this.facts.x, part = (x - this.left) / (this.right - this.left);
      return scale === "log" ? low * (high / low) ** part : low + (high - low) * part;
    }
    where(value) {
      const [low, high, scale] = this.facts.x;
      const part = scale === "log" ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
      return this.left + part * (this.right - this.left);
    }
    height(value) {
      const [low, high] = this.facts.y;
      return this.bottom - (value - low) / (high - low) * (this.bottom - this.top);
    }

    // --- what is where ---
    nearest([x, y]) {
      let best = -1, least = Infinity;
      this.facts.marks.forEach(([mx, my], index) => {
        if (mx !== null && this.view && (mx < this.view[0] || mx > this.view[1])) return;
        const away = Math.hypot(mx === null ? 0 : this.zoomed(mx) - x, my === null ? 0 : my - y);
        if (away < least) [best, least] = [index, away];
      });
      return best;
    }
    show(index) {
      if (index < 0) return;
      this.at = index;
      const [mx, my, text] = this.facts.marks[index];
      const x = mx === null ? null : this.zoomed(mx);
      this.cross?.remove();
      this.cross = x !== null && my !== null
        ? draw(this.svg, "circle", { class: "spot", cx: x, cy: my, r: 7 })
        : draw(this.svg, "line", x !== null
          ? { class: "cross", x1: x, x2: x, y1: this.top, y2: this.bottom }
          : { class: "cross", x1: this.left, x2: this.right, y1: my, y2: my });
      const box = this.svg.getBoundingClientRect(), scale = box.width / this.svg.viewBox.baseVal.width;
      tell(text + this.own(index), box.left + (x ?? this.left) * scale, box.top + (my ?? this.top + 20) * scale);
    }
    own(index) {  // what the chosen period was like there
      const { column, marks } = this.facts;
      if (!column || chosen < 0) return "";
      const at = this.value(marks[index][0]), times = data.periods.times;
      let near = 0;
      times.forEach((time, i) => { if (Math.abs(time - at) < Math.abs(times[near] - at)) near = i; });
      const value = data.periods.series[column][chosen][near];
      const shown = column === "kv_used" ? `${+(value * 100).toPrecision(3)}%` : `${+value.toPrecision(3)}${column === "arrivals" ? "/s" : ""}`;
      return `\nreplication ${data.periods.replications[chosen]}: ${shown}`;
    }
    forget() {
      this.cross?.remove();
      this.brush?.remove();
      this.from = null;
      this.at = -1;
      tip.textContent = "";
    }

    // --- pointer and keys ---
    moved(event) {
      const place = this.place(event);
      if (this.from && Math.abs(place[0] - this.from[0]) > 4) {
        this.brush?.remove();
        const ends = [this.from[0], place[0]].sort((a, b) => a - b).map((x) => Math.min(Math.max(x, this.left), this.right));
        this.brush = draw(this.svg, "rect", { class: "brush", x: ends[0], y: this.top, width: ends[1] - ends[0], height: this.bottom - this.top });
      }
      this.show(this.nearest(place));
    }
    pressed(event) {
      const place = this.place(event);
      if (this.facts.zooms && event.pointerType !== "touch") this.from = place;
      this.show(this.nearest(place));
    }
    released(event) {
      const from = this.from, to = this.place(event);
      this.from = null;
      this.brush?.remove();
      if (from && Math.abs(to[0] - from[0]) > 8) this.zoom([from[0], to[0]].sort((a, b) => a - b));
      else this.take();
    }
    take() {
      const replication = this.facts.marks[this.at]?.[3];
      if (replication !== undefined) choose(data.periods?.replications.indexOf(replication) ?? -1);
    }
    key(event) {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (step && this.facts.marks.length) {
        const count = this.facts.marks.length;
        this.show(this.at < 0 ? 0 : Math.min(Math.max(this.at + step, 0), count - 1));
      } else if (event.key === "Enter") this.take();
      else if (event.key === "Escape") { this.forget(); this.zoom(null); }
      else return;
      event.preventDefault();
    }

    // --- zoom along x ---
    zoom(ends) {
      if (!this.facts.zooms || (!ends && !this.view)) return;
      const held = (x) => Math.min(Math.max(x, this.left), this.right);
      const wide = this.right - this.left;
      this.view = ends && ends.map((x) => {
        const [low, high] = this.view ?? [this.left, this.right];
        return low + (held(x) - this.left) / wide * (high - low);
      });
      this.content ??= [...this.svg.querySelectorAll("[clip-path]")].filter((part) => !part.closest(".axis-x")).map((part) => {
        const frame = draw(part.parentNode, "g", { "clip-path": part.getAttribute("clip-path") });
        const inner = draw(frame, "g", {});
        part.before(frame);
        part.removeAttribute("clip-path");
        inner.append(part);
        part.style.vectorEffect = "non-scaling-stroke";
        return inner;
      });
      const scale = this.view ? wide / (this.view[1] - this.view[0]) : 1;
      const shift = this.view ? this.left - this.view[0] * scale : 0;
      for (const inner of this.content) inner.setAttribute("transform", `translate(${shift} 0) scale(${scale} 1)`);
      this.rule();
      this.trace();
      this.reset ??= this.button();
      this.reset.hidden = !this.view;
      this.forget();
    }
    button() {
      const button = document.createElement("button");
      button.textContent = "whole range";
      button.addEventListener("click", () => this.zoom(null));
      for (const name of ["pointerdown", "pointerup"]) button.addEventListener(name, (event) => event.stopPropagation());
      return this.element.appendChild(button);
    }
    rule() {  // ticks of the part that is seen
      const axis = this.svg.querySelector(".axis-x"), parts = [...axis.children];
      this.ticks?.remove();
      for (const part of parts.slice(0, -1)) part.style.display = this.view ? "none" : "";
      if (!this.view) return;
      this.ticks = draw(this.svg, "g", { class: "ticks" });
      const unit = this.facts.per_unit, [low, high] = this.view.map((x) => this.value(x) * unit);
      const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
      const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
      for (let i = Math.ceil(low / step); i * step <= high; i++) {
        const x = this.zoomed(this.where(i * step / unit));
        draw(this.ticks, "line", { x1: x, x2: x, y1: this.bottom, y2: this.bottom + 3.5, stroke: "var(--soft)", "stroke-width": 0.8 });
        const label = draw(this.ticks, "text", { x, y: this.bottom + 14, "text-anchor": "middle", "font-size": 9, fill: "var(--ink)" });
        label.textContent = String(+(i * step).toPrecision(6));
      }
    }

    // --- the chosen period ---
    trace() {
      this.line?.remove();
      if (!this.facts.column || chosen < 0) return;
      const values = data.periods.series[this.facts.column][chosen];
      const points = data.periods.times.map((time, i) => [this.zoomed(this.where(time)), this.height(values[i])])
        .filter(([x]) => x >= this.left - 1 && x <= this.right + 1);
      this.line = draw(this.svg, "path", { class: "own", d: "M" + points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L") });
    }
  }

  const choose = (index) => {
    chosen = index;
    if (select) select.value = String(index);
    if (facts) facts.textContent = index < 0 ? "" : data.periods.facts[index];
    for (const plot of plots) plot.trace();
  };

  let select, facts;
  const chooser = document.querySelector(".chooser");
  if (chooser && data.periods) {
    chooser.hidden = false;
    select = chooser.querySelector("select");
    facts = chooser.querySelector("output");
    data.periods.replications.forEach((replication, index) => {
      select.add(new Option(data.periods.labels[index], index));
    });
    select.addEventListener("change", () => choose(Number(select.value)));
  }
  for (const element of document.querySelectorAll(".plot")) {
    const known = data.panels[element.dataset.panel];
    if (known && known.marks.length) {
      element.tabIndex = 0;
      if (known.zooms) element.classList.add("zooms");
      plots.push(new Plot(element, known));
    }
  }
})();
