"use strict";

// Links to CSV and JSON work without the files beside the page: what they hold is in it.
function offerDownload(link, text, type) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    const file = document.createElement("a");
    file.href = URL.createObjectURL(new Blob([text()], { type }));
    file.download = link.download;
    file.click();
    setTimeout(() => URL.revokeObjectURL(file.href), 1000);
  });
}
const embedded = (id) => JSON.parse(document.getElementById(id).textContent);
for (const link of document.querySelectorAll("a[data-csv]"))
  offerDownload(link, () => embedded("csv-" + link.dataset.csv), "text/csv");
for (const link of document.querySelectorAll("a[data-json]"))
  offerDownload(link, () => JSON.stringify(embedded(link.dataset.json), null, 1) + "\n", "application/json");

// Tables that can be sorted: numbers by size, names by letter, empty cells last.
function sortBy(table, column) {
  const heads = [...[...table.tHead.rows].at(-1).cells];
  const isUp = heads[column].getAttribute("aria-sort") !== "ascending";
  heads.forEach((head) => head.removeAttribute("aria-sort"));
  heads[column].setAttribute("aria-sort", isUp ? "ascending" : "descending");
  const key = (row) => row.cells[column].dataset.key;
  const compare = (a, b) => {
    if (key(a) === "" || key(b) === "") return (key(a) === "") - (key(b) === "");
    const difference = key(a) - key(b);
    const order = Number.isNaN(difference) ? (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0) : difference;
    return isUp ? order : -order;
  };
  const body = table.tBodies[0];
  body.append(...[...body.rows].sort(compare));
}
for (const table of document.querySelectorAll("table.sortable"))
  [...[...table.tHead.rows].at(-1).cells].forEach((head, column) =>
    head.firstElementChild.addEventListener("click", () => sortBy(table, column)));

// The claw, from recorded readings. Places are in millimetres, z up.
const SVG = "http://www.w3.org/2000/svg";
const VIEWS = {
  oblique: { azimuth: 0.45, elevation: 0.62, scale: 0.96, middle: 182 },
  above: { azimuth: 0, elevation: Math.PI / 2, scale: 1.02, middle: 0 },
};
const PALM = { radius: 75, height: 296 }, POINTER = 104, LOBE_HEIGHT = 56, PAUSE_S = 0.9;

class Stage {
  constructor(svg, caption, hand) {
    Object.assign(this, { svg, caption, hand });
  }

  show(task, episode) {
    this.episode = episode;
    const end = episode.is_success.at(-1) ? "success at its end" : "no success at its end";
    this.caption.textContent = `Episode ${episode.episode}: ${end}`;
    this.svg.setAttribute("aria-label", `The claw in episode ${episode.episode} of ${task}, as measured`);
    this.svg.replaceChildren();
    this.parts = {};
  }

  draw(time, view) {
    const frame = frameAt(this.episode, time), { hand } = this;
    const place = (point) => project(point, view);
    const centre = hand.valve_centre_mm, top = centre[2] + LOBE_HEIGHT;
    const onValve = (radius, angle) =>
      [centre[0] + radius * Math.cos(angle), centre[1] + radius * Math.sin(angle), top];
    this.path("plate", "plate", ring(POINTER, top).map(place));
    const bars = hand.valve_bars_mm.map((bar) => ({
      ends: [bar.slice(0, 3), bar.slice(3, 6)].map((end) => place(turned(end, frame.valve, centre))),
      width: 2 * bar[6] * view.scale,
    }));
    bars.forEach(({ ends, width }, index) => this.path(`edge${index}`, "edge", ends, width + 3));
    bars.forEach(({ ends, width }, index) => this.path(`bar${index}`, "lobe", ends, width));
    this.path("white", "white", [onValve(34, frame.valve), onValve(70, frame.valve)].map(place));
    this.pointer("is", onValve, frame.valve, place, frame.held ? "isdot held" : "isdot", 4);
    if (frame.wanted !== undefined) this.pointer("want", onValve, frame.wanted, place, "wantdot", 7);
    const order = frame.fingers.map((points, finger) => [depth(points.at(-1), view), finger]);
    for (const [, finger] of order.sort((a, b) => b[0] - a[0])) this.finger(finger, frame, place);
    if (frame.fingers.length) this.path("palm", "palm", ring(PALM.radius, PALM.height).map(place));
  }

  finger(finger, frame, place) {
    const points = frame.fingers[finger].map(place);
    const [from, to] = points.slice(-2);
    const half = [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
    if (frame.ghosts[finger]) this.path(`ghost${finger}`, "ghost", frame.ghosts[finger].map(place));
    this.path(`halo${finger}`, "halo", points);
    this.path(`link${finger}`, "link", points);
    this.path(`tip${finger}`, "tip", [half, to]);
    points.slice(0, -1).forEach(([x, y], joint) =>
      set(this.part(`joint${finger}${joint}`, "circle"), { class: "joint", cx: x.toFixed(1), cy: y.toFixed(1), r: 3 }));
  }

  pointer(name, onValve, angle, place, dotKind, radius) {
    this.path(name, name, [onValve(78, angle), onValve(POINTER, angle)].map(place));
    const dot = this.part(`${name}dot`, "circle"), [x, y] = place(onValve(POINTER, angle));
    set(dot, { class: dotKind, cx: x.toFixed(1), cy: y.toFixed(1), r: radius });
  }

  path(name, kind, points, width) {
    const text = points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
    const part = this.part(name, "path");
    set(part, { class: kind, d: `M${text}` });
    if (width) part.setAttribute("stroke-width", width.toFixed(1));
  }

  // Parts are drawn in the order in which they are asked for.
  part(name, tag) {
    this.parts[name] ??= document.createElementNS(SVG, tag);
    this.svg.append(this.parts[name]);
    return this.parts[name];
  }
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

function ring(radius, height) {
  return Array.from({ length: 61 }, (_, at) =>
    [radius * Math.cos(at * Math.PI / 30), radius * Math.sin(at * Math.PI / 30), height]);
}

function project([x, y, z], { azimuth, elevation, scale, middle }) {
  const right = x * Math.cos(azimuth) - y * Math.sin(azimuth);
  const away = x * Math.sin(azimuth) + y * Math.cos(azimuth);
  const up = (z - middle) * Math.cos(elevation) + away * Math.sin(elevation);
  return [right * scale, -up * scale];
}

function depth([x, y], { azimuth }) {
  return x * Math.sin(azimuth) + y * Math.cos(azimuth);
}

function turned([x, y, z], angle, centre) {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return [centre[0] + cos * x - sin * y, centre[1] + sin * x + cos * y, centre[2] + z];
}

// The measured values at a time, on straight lines between readings.
function frameAt(episode, time) {
  const times = episode.elapsed_s, last = times.length - 1;
  let index = times.findIndex((at) => at > time) - 1;
  if (index < 0) index = time < times[0] ? 0 : Math.max(last - 1, 0);
  const next = Math.min(index + 1, last), span = times[next] - times[index];
  const share = span > 0 ? Math.min(Math.max((time - times[index]) / span, 0), 1) : 0;
  const mix = (row) => row[index] + share * (row[next] - row[index]);
  const points = (rows) => rows ? chains(rows[index].map((value, at) => value + share * (rows[next][at] - value))) : [];
  return {
    valve: mix(episode.valve_rad),
    wanted: episode.wanted_rad && mix(episode.wanted_rad),
    held: episode.is_success[share < 1 ? index : next],
    fingers: points(episode.fingers_mm),
    ghosts: points(episode.wanted_fingers_mm),
  };
}

// One list of points per finger from one flat list.
function chains(flat) {
  const size = 3 * motion.points_per_finger;
  return Array.from({ length: flat.length / size }, (_, finger) =>
    Array.from({ length: size / 3 }, (_, point) => flat.slice(finger * size + 3 * point, finger * size + 3 * point + 3)));
}

class Player {
  constructor(root) {
    const one = (selector) => root.querySelector(selector);
    this.controls = { play: one(".play"), time: one(".time"), task: one(".task"), view: one(".view") };
    this.stages = [...root.querySelectorAll(".stages figure")].map(
      (figure) => new Stage(figure.querySelector("svg"), figure.querySelector("figcaption"), motion));
    this.panels = [...document.querySelectorAll("#motion .panel")];
    this.controls.play.addEventListener("click", () => this.toggle());
    this.controls.time.addEventListener("input", () => { this.stop(); this.seek(this.controls.time.value / 1000 * this.duration); });
    this.controls.task.addEventListener("change", () => this.choose());
    this.controls.view.addEventListener("change", () => this.seek(this.now));
    this.choose();
    this.seek(this.duration);
    root.classList.add("ready");
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.playWhenSeen(root);
  }

  choose() {
    const index = Number(this.controls.task.value), { task, episodes } = motion.tasks[index];
    const shown = episodes.length > 1 ? [episodes[0], episodes.at(-1)] : [episodes[0]];
    this.stages.forEach((stage, at) => {
      stage.svg.parentElement.hidden = at >= shown.length;
      if (shown[at]) stage.show(task, shown[at]);
    });
    this.active = this.stages.slice(0, shown.length);
    this.duration = Math.max(...shown.map((episode) => episode.elapsed_s.at(-1)));
    this.panels.forEach((panel, at) => { panel.hidden = at !== index; });
    const cursor = this.panels[index]?.querySelector(".cursor");
    const axis = this.panels[index]?.querySelector("path.axis")?.getBBox();
    this.cursor = cursor && axis && { cursor, axis };
    this.seek(0);
  }

  seek(time) {
    this.now = time;
    const view = VIEWS[this.controls.view.value];
    for (const stage of this.active) stage.draw(time, view);
    const share = this.duration ? Math.min(time / this.duration, 1) : 0;
    this.controls.time.value = Math.round(share * 1000);
    this.controls.time.setAttribute("aria-valuetext", `${Math.min(time, this.duration).toFixed(1)} s`);
    if (this.cursor) {
      const x = this.cursor.axis.x + share * this.cursor.axis.width;
      set(this.cursor.cursor, { x1: x, x2: x });
    }
  }

  toggle() {
    if (this.timer) return this.stop();
    let before;
    if (this.now >= this.duration) this.seek(0);
    const step = (stamp) => {
      const next = this.now + (before === undefined ? 0 : (stamp - before) / 1000);
      before = stamp;
      this.seek(next > this.duration + PAUSE_S ? 0 : next);
      this.timer = requestAnimationFrame(step);
    };
    this.timer = requestAnimationFrame(step);
    this.label("Pause");
  }

  stop() {
    cancelAnimationFrame(this.timer);
    this.timer = undefined;
    this.label("Play");
  }

  label(text) {
    this.controls.play.textContent = text;
    this.controls.play.setAttribute("aria-label", text);
  }

  playWhenSeen(root) {
    const observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting) && !this.timer) {
        observer.disconnect();
        this.toggle();
      }
    }, { threshold: 0.6 });
    observer.observe(root);
  }
}

const motion = document.getElementById("motion-data") && embedded("motion-data");
if (motion) new Player(document.getElementById("player"));
