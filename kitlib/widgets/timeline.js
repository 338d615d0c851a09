// Draws a journal along time: what happened in partitions, to members, and how far a group is
// behind. With a recording it is a player; without one it follows the rows that Python sends. All of
// its logic is here, so that it plays on a page without a kernel. Values from records are only ever
// drawn on the canvas or set as textContent.
//
// The trait `look` says what the plots on paper look like, too (kitlib/_look.py): the palette, of
// which each partition has a colour; the shape of each kind; the glyph that writes a shape in a
// legend; and the cuts, the kinds that are marked by a line through the whole picture.

const FONT = "12px system-ui, sans-serif";
const LANE = 30, MARK = 8;
const PLACED = new Set(["acked", "consumed", "processed", "stored"]); // kinds that tell where a record is

// A row as Python sends it: [ms since the first row, kind, actor, topic, partition, offset, key,
// number of the event, what else there is to say]
const T = 0, KIND = 1, ACTOR = 2, TOPIC = 3, PART = 4, OFFSET = 5, KEY = 6, NUMBER = 7, EXTRA = 8;

// -- what the rows mean ---------------------------------------------------------------------------

function who(row) {
  const key = row[KEY];
  const name = key == null ? "a record without a key"
    : /^S\d+$/.test(key) ? `student ${key}` : `key ${JSON.stringify(key)}`;
  return row[NUMBER] == null ? name : `${name}, event ${row[NUMBER]}`;
}

function place(row) {
  return row[OFFSET] == null ? `partition ${row[PART]}` : `offset ${row[OFFSET]} of partition ${row[PART]}`;
}

function sentence(row, again) {
  const actor = row[ACTOR], extra = row[EXTRA];
  switch (row[KIND]) {
    case "sent": return `${actor} sends ${who(row)}, to partition ${row[PART]}.`;
    case "acked": return row[OFFSET] == null
      ? `${actor} counts ${who(row)} as sent; nobody was asked.`
      : `The broker acknowledges ${who(row)}: it is at ${place(row)}.${again ? " It is on the log twice." : ""}`;
    case "failed": return `${actor} meets a failure: ${extra ?? "see the journal"}.`;
    case "stored": return `On the log at ${place(row)}: ${who(row)}.`;
    case "consumed": return `${actor} reads ${who(row)}, at ${place(row)}.`;
    case "processed": return `${actor} has processed ${who(row)}, at ${place(row)}.`;
    case "committed": return `${actor} commits offset ${row[OFFSET]} of partition ${row[PART]}: the next one to read.`;
    case "assigned": return `${actor} gets partition ${row[PART]}.`;
    case "revoked": return `${actor} gives up partition ${row[PART]}.`;
    case "started": return `${actor} starts.`;
    case "closed": return `${actor} closes, and says so.`;
    case "killed": return `${actor} is killed, and can tell nobody.`;
    case "paused": return `${actor} freezes.`;
    case "resumed": return `${actor} goes on.`;
    case "printed": return `${actor} prints: ${extra ?? ""}`;
    case "lag": return extra == null
      ? `Nothing is committed for partition ${row[PART]}: it has no lag yet.`
      : `Partition ${row[PART]} is ${extra} records behind.`;
    case "fault": return extra === "drop_ack" && row[OFFSET] != null
      ? `The broker has stored ${who(row)}, at ${place(row)}. The acknowledgement is lost: the producer is not told.`
      : `A fault on the way: ${extra}.`;
    default: return row[KIND];
  }
}

// Everything that is drawn, kept up to date as rows come. Rows come in the order of their times.
class Story {
  constructor(look) {
    this.look = look;
    this.rows = [];
    this.lanes = new Map(); // one for each partition
    this.actors = new Map();
    this.spans = []; // who owned which partition, from when to when
    this.lines = []; // through everything: faults, and what happened to an actor
    this.again = new Set(); // rows that put an event on the log for a second time
    this._places = new Map();
    this._events = new Map();
    this._open = new Map();
  }

  get end() { return this.rows.length ? this.rows[this.rows.length - 1][T] : 0; }

  lane(row) {
    const name = `${row[TOPIC]}\n${row[PART]}`;
    if (!this.lanes.has(name)) {
      this.lanes.set(name, { topic: row[TOPIC] ?? "", partition: row[PART], dots: [], lags: [], lag: 0 });
      this.lanes = new Map([...this.lanes].sort(([, a], [, b]) =>
        a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition));
    }
    return this.lanes.get(name);
  }

  actor(name) {
    if (!this.actors.has(name)) this.actors.set(name, []);
    return this.actors.get(name);
  }

  add(rows) {
    for (const row of rows) this._add(row, this.rows.push(row) - 1);
  }

  _add(row, index) {
    const kind = row[KIND], actor = row[ACTOR];
    if (row[PART] != null && kind !== "sent") this.lane(row);
    if (kind === "lag") {
      if (row[EXTRA] == null) return; // nothing committed: no lag yet
      const lane = this.lane(row);
      lane.lags.push([row[T], Number(row[EXTRA])]);
      lane.lag = Math.max(lane.lag, Number(row[EXTRA]));
      return;
    }
    const lost = kind === "fault" && row[OFFSET] != null;
    if ((PLACED.has(kind) || lost) && row[PART] != null && row[OFFSET] != null) this._store(row, index, lost);
    if (kind === "assigned" || kind === "revoked") this._own(row);
    else if (kind !== "stored") this.actor(actor).push([row[T], kind, row[PART], index]);
    if (kind === "closed" || kind === "killed") this._leave(row);
    if (kind === "fault") {
      this.lines.push({ t: row[T], text: row[EXTRA] === "drop_ack" ? "acknowledgement lost" : row[EXTRA] ?? "fault" });
    } else if (this.look.cuts.includes(kind)) {
      // A client and its process both report an end.
      const known = this.lines.some((line) => line.actor === actor && line.kind === kind && row[T] - line.t < 2000);
      if (!known) this.lines.push({ t: row[T], actor, kind, text: `${actor} ${kind}` });
    }
  }

  _store(row, index, lost) {
    const name = `${row[TOPIC]}\n${row[PART]}\n${row[OFFSET]}`;
    if (this._places.has(name)) {
      const dot = this._places.get(name);
      if (dot.number == null && row[NUMBER] != null) { dot.number = row[NUMBER]; dot.key = row[KEY]; }
      return;
    }
    const dot = { t: row[T], key: row[KEY], number: row[NUMBER], offset: row[OFFSET], lost, again: false };
    if (row[NUMBER] != null) {
      const event = `${row[TOPIC]}\n${row[KEY]}\n${row[NUMBER]}`;
      const first = this._events.get(event);
      if (first) {
        dot.again = first.again = true;
        // The first few have a line through everything; more of them would hide the rest.
        if (this.again.size < 3) this.lines.push({ t: row[T], text: "stored a second time" });
        this.again.add(index);
      }
      this._events.set(event, dot);
    }
    this._places.set(name, dot);
    this.lane(row).dots.push(dot);
  }

  _own(row) {
    const name = `${row[ACTOR]}\n${row[TOPIC]}\n${row[PART]}`;
    const open = this._open.get(name);
    this.actor(row[ACTOR]);
    if (row[KIND] === "revoked") {
      if (open) { open.end = row[T]; this._open.delete(name); }
    } else if (!open) {
      const span = { lane: this.lane(row), actor: row[ACTOR], start: row[T], end: Infinity, ending: "" };
      this.spans.push(span);
      this._open.set(name, span);
    }
  }

  _leave(row) {
    for (const [name, span] of this._open) {
      if (span.actor === row[ACTOR]) {
        span.end = row[T];
        span.ending = row[KIND];
        this._open.delete(name);
      }
    }
  }
}

// Where a time is on the axis, from 0 to 1. A recording is stretched where much happens, so that a
// retry of 100 ms can be seen beside a session timeout of seconds.
function warp(rows) {
  const n = rows.length, end = n ? rows[n - 1][T] || 1 : 1;
  const at = rows.map((row, i) => 0.5 * (row[T] / end) + 0.5 * (i / Math.max(1, n - 1)));
  return (t) => {
    let low = 0, high = n - 1;
    if (n < 2 || t <= rows[0][T]) return 0;
    if (t >= rows[high][T]) return 1;
    while (high - low > 1) { const mid = (low + high) >> 1; if (rows[mid][T] <= t) low = mid; else high = mid; }
    const span = rows[high][T] - rows[low][T] || 1;
    return at[low] + (at[high] - at[low]) * ((t - rows[low][T]) / span);
  };
}

// -- drawing --------------------------------------------------------------------------------------

function mix(hex, dark) {
  if (!dark) return hex;
  const parts = [1, 3, 5].map((i) => Math.round(parseInt(hex.slice(i, i + 2), 16) * 0.55 + 255 * 0.45));
  return `rgb(${parts.join(",")})`;
}

function plain(text, limit) {
  const shown = [...String(text)].map((c) => (c < " " || c === "\u007f" ? "\u00b7" : c)).join("");
  return shown.length <= limit ? shown : `${shown.slice(0, limit / 2)}…${shown.slice(1 - limit / 2)}`;
}

class Painter {
  constructor(canvas, story, panels, named) {
    this.look = story.look;
    this.named = named; // whether records bear names: in a recording
    this.canvas = canvas;
    this.story = story;
    this.panels = panels;
  }

  // The panels that are drawn, each with its height; the canvas is as high as they are together.
  layout() {
    const lanes = this.story.lanes.size || 1;
    const acting = [...this.story.actors.keys()];
    this.tall = this.named && lanes <= 12 ? LANE + 14 : LANE;
    const heights = { order: lanes * this.tall, ownership: lanes * LANE, lag: 170, actors: acting.length * LANE };
    return this.panels.filter((p) => p !== "actors" || acting.length).map((name) => ({ name, height: heights[name] }));
  }

  // x: from a time to 0..1; until: nothing after this time is drawn; keep: the highlighted key.
  paint(x, from, until, playing, keep) {
    const { canvas } = this;
    // JupyterLab may show a view before it is on the page: no colours, no width. The ResizeObserver
    // tells when it is.
    if (!canvas.isConnected) return;
    const panels = this.layout();
    const height = 40 + panels.reduce((sum, p) => sum + p.height + 26, 0) + 14;
    const width = Math.max(280, canvas.parentElement.clientWidth || 700);
    const scale = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
      canvas.style.height = `${height}px`;
    }
    const g = (this.g = canvas.getContext("2d"));
    g.setTransform(scale, 0, 0, scale, 0, 0);
    const look = getComputedStyle(canvas.parentElement);
    this.ink = look.color;
    const shade = this.ink.match(/\d+(\.\d+)?/g).map(Number);
    this.dark = shade[0] + shade[1] + shade[2] > 384;
    this.band = this.dark ? "rgba(255,255,255,.09)" : "rgba(0,0,0,.06)";
    this.quiet = this.dark ? "#b8b8b8" : "#5c5c5c";
    g.clearRect(0, 0, width, height);
    g.font = FONT;
    g.textBaseline = "middle";
    this.keep = keep;
    this.from = from;
    this.until = until;
    this.narrow = width < 520; // a phone: short names, and all the room for the time
    this.left = this.narrow ? 78 : 128;
    this.right = this.narrow ? 40 : 76;
    this.wide = width - this.left - this.right;
    this.x = (t) => this.left + Math.max(0, Math.min(1, x(t))) * this.wide;
    let y = 40;
    for (const { name, height: high } of panels) {
      this.label({ order: "records in each partition", ownership: "who owns which partition",
        lag: "records behind", actors: "who does what" }[name], this.left, y, "left", this.quiet);
      this[name](y + 12, high);
      y += high + 26;
    }
    this.lines(y - 8);
    if (playing) {
      g.fillStyle = this.ink;
      g.fillRect(this.x(until) - 0.75, 32, 1.5, y - 40);
    }
  }

  colour(partition) { return mix(this.look.palette[partition % this.look.palette.length], this.dark); }

  label(text, x, y, align, colour = this.ink, limit = 60) {
    this.g.fillStyle = colour;
    this.g.textAlign = align;
    this.g.fillText(plain(text, limit), x, y);
  }

  strip(y, name) {
    this.g.fillStyle = this.band;
    this.g.fillRect(this.left - 6, y + 3, this.wide + 12, LANE - 6);
    this.label(name, this.left - 12, y + LANE / 2, "right", this.ink, this.narrow ? 10 : 18);
  }

  laneName(lane) {
    const topics = new Set([...this.story.lanes.values()].map((l) => l.topic));
    if (topics.size > 1) return `${plain(lane.topic, this.narrow ? 6 : 12)} ${lane.partition}`;
    return this.narrow ? `p ${lane.partition}` : `partition ${lane.partition}`;
  }

  // What stands beside a record of a recording: its key, and which of its key's events it is.
  name(dot) {
    if (dot.number == null) return "";
    if (this.keep != null) return dot.key === this.keep ? String(dot.number) : "";
    return plain(dot.key, 8) + (dot.number > 1 ? ` (${dot.number})` : "");
  }

  order(top) {
    [...this.story.lanes.values()].forEach((lane, i) => {
      const y = top + i * this.tall, mid = y + LANE / 2, g = this.g, shown = [];
      this.strip(y, this.laneName(lane));
      g.fillStyle = this.colour(lane.partition);
      let count = 0, last = -9;
      for (const dot of lane.dots) {
        if (dot.t > this.until) break;
        count += 1;
        if (dot.t < this.from) continue;
        const x = this.x(dot.t), marked = dot.lost || dot.again || (this.keep != null && dot.key === this.keep);
        if (x - last < 0.7 && !marked) continue; // the same pixel
        last = x;
        g.fillRect(x - 3, mid - 6, 6, 12);
        if (this.tall > LANE) shown.push([marked, x, this.name(dot)]);
        if (marked) {
          g.lineWidth = 2;
          g.strokeStyle = this.ink;
          g.strokeRect(x - 5, mid - 8, 10, 16);
        }
      }
      this.names(shown, y + LANE + 3);
      this.label(count.toLocaleString("en"), this.left + this.wide + 12, mid, "left", this.quiet);
    });
  }

  // The names below their records, as far as there is room; those of marked records first.
  names(shown, y) {
    const taken = [];
    for (const [, x, text] of shown.sort(([a], [b]) => b - a)) {
      const half = text ? this.g.measureText(text).width / 2 + 3 : 0;
      if (!text || taken.some(([from, to]) => x - half < to && x + half > from)) continue;
      taken.push([x - half, x + half]);
      this.label(text, x, y, "center");
    }
  }

  ownership(top) {
    const lanes = [...this.story.lanes.values()], g = this.g;
    lanes.forEach((lane, i) => this.strip(top + i * LANE, this.laneName(lane)));
    for (const span of this.story.spans) {
      if (span.start > this.until || span.end < this.from) continue;
      const y = top + lanes.indexOf(span.lane) * LANE + 6, x = this.x(Math.max(span.start, this.from));
      const end = this.x(Math.min(span.end, this.until)), ended = span.end <= this.until;
      g.globalAlpha = 0.35;
      g.fillStyle = this.colour(span.lane.partition);
      g.fillRect(x, y, end - x, LANE - 12);
      g.globalAlpha = 1;
      g.strokeStyle = this.colour(span.lane.partition);
      g.lineWidth = 1.5;
      g.strokeRect(x, y, end - x, LANE - 12);
      const fits = Math.floor((end - x - 8) / 7);
      if (fits >= Math.min(3, span.actor.length)) this.label(span.actor, x + 5, y + LANE / 2 - 6, "left", this.ink, Math.max(fits, 4));
      if (ended && span.ending) this.mark(span.ending, end, y + LANE / 2 - 6, this.ink);
    }
  }

  lag(top, height) {
    const lanes = [...this.story.lanes.values()].filter((lane) => lane.lags.length), g = this.g;
    const most = Math.max(1, ...lanes.map((lane) => lane.lag)), bottom = top + height - 6;
    const y = (lag) => bottom - (lag / most) * (height - 22);
    for (const lag of new Set([0, Math.round(most / 2), most])) {
      g.fillStyle = this.band;
      g.fillRect(this.left - 6, y(lag) - 0.5, this.wide + 12, 1);
      this.label(lag.toLocaleString("en"), this.left - 12, y(lag), "right", this.quiet);
    }
    const ends = [];
    for (const lane of lanes) {
      g.strokeStyle = this.colour(lane.partition);
      g.lineWidth = 2;
      g.beginPath();
      let now = null;
      for (const [t, lag] of lane.lags) {
        if (t > this.until) break;
        if (t >= this.from) g.lineTo(this.x(t), y(lag));
        now = lag;
      }
      g.stroke();
      if (now != null) ends.push({ at: y(now), text: `p${lane.partition}: ${now.toLocaleString("en")}`, lane });
    }
    ends.sort((a, b) => a.at - b.at);
    ends.forEach((end, i) => {
      if (i) end.at = Math.max(end.at, ends[i - 1].at + 13);
      this.label(end.text, this.left + this.wide + 10, end.at, "left", this.colour(end.lane.partition));
    });
  }

  actors(top) {
    let y = top;
    for (const [actor, marks] of this.story.actors) {
      this.strip(y, actor);
      const last = {};
      for (const [t, kind, partition] of marks) {
        if (t > this.until) break;
        const x = this.x(t);
        if (t < this.from || x - (last[kind] ?? -9) < 1.5) continue;
        last[kind] = x;
        this.mark(kind, x, y + LANE / 2, partition == null ? this.ink : this.colour(partition));
      }
      y += LANE;
    }
  }

  mark(kind, x, y, colour) {
    const g = this.g, r = MARK / 2;
    g.fillStyle = g.strokeStyle = colour;
    g.lineWidth = 2;
    g.beginPath();
    const filled = (...corners) => {
      for (const [dx, dy] of corners) g.lineTo(x + dx * r, y + dy * r);
      g.fill();
    };
    switch (this.look.shapes[kind]) { // matplotlib's letters
      case ">": filled([-1, -1], [1, 0], [-1, 1]); break;
      case "<": filled([1, -1], [-1, 0], [1, 1]); break;
      case "^": filled([-1, 1], [0, -1], [1, 1]); break;
      case "v": filled([-1, -1], [0, 1], [1, -1]); break;
      case "D": filled([0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]); break;
      case "s": g.fillRect(x - r, y - r, MARK, MARK); break;
      case "o": g.arc(x, y, r, 0, 7); g.fill(); break;
      case ".": g.arc(x, y, r / 2, 0, 7); g.fill(); break;
      case "|": g.fillRect(x - 1, y - r, 2, MARK); break;
      case "_": g.fillRect(x - r, y - 1, MARK, 2); break;
      case "P": g.fillRect(x - 1.5, y - r, 3, MARK); g.fillRect(x - r, y - 1.5, MARK, 3); break;
      case "X":
        g.lineWidth = 3;
        g.moveTo(x - r, y - r); g.lineTo(x + r, y + r); g.moveTo(x - r, y + r); g.lineTo(x + r, y - r);
        g.stroke(); break;
      case "*":
        filled(...Array.from({ length: 10 }, (_, i) => {
          const far = i % 2 ? 0.55 : 1.5, angle = (i * Math.PI) / 5;
          return [far * Math.sin(angle), -far * Math.cos(angle)];
        }));
    }
  }

  lines(bottom) {
    const g = this.g, levels = [-99, -99];
    for (const line of this.story.lines) {
      if (line.t > this.until || line.t < this.from) continue;
      const x = this.x(line.t), level = levels[0] < x ? 0 : 1, text = plain(line.text, 34);
      g.strokeStyle = this.ink;
      g.lineWidth = 1;
      g.setLineDash([3, 3]);
      g.beginPath();
      g.moveTo(x, 30);
      g.lineTo(x, bottom);
      g.stroke();
      g.setLineDash([]);
      const wide = g.measureText(text).width, left = Math.min(x, this.left + this.wide + this.right - wide - 4);
      if (levels[level] < left) {
        this.label(text, left, 8 + 14 * level, "left");
        levels[level] = left + wide + 8;
      }
    }
  }
}

// -- the element ----------------------------------------------------------------------------------

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function button(text, label) {
  return make("button", { type: "button", "aria-label": label, title: label }, text);
}

function follow(model, root, painter, story, report) {
  // The clock of the kernel's machine may be another one: time goes on from what came last.
  let frames = 0, handle = 0, heard = performance.now();
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const draw = () => {
    handle = 0;
    const live = model.get("running");
    const seconds = model.get("window_s") || 0;
    const now = story.end + (live && !calm && story.rows.length ? Math.min(performance.now() - heard, 1000) : 0);
    const from = seconds ? Math.max(0, now - seconds * 1000) : 0;
    painter.paint((t) => (t - from) / Math.max(now - from, 1), from, now, false, model.get("highlight"));
    root.dataset.frames = String((frames += 1));
    root.dataset.rows = String(story.rows.length);
    const last = story.rows[story.rows.length - 1];
    report(`${story.rows.length.toLocaleString("en")} rows${live ? "" : ", stopped"}. ${last ? sentence(last, story.again.has(story.rows.length - 1)) : "Nothing has happened yet."}`);
    if (live && !calm && performance.now() - heard < 1000) handle = requestAnimationFrame(draw);
  };
  const wake = () => { if (!handle) handle = requestAnimationFrame(draw); };
  const came = () => { heard = performance.now(); wake(); };
  model.on("change", wake);
  wake();
  return { wake, came, end: () => { cancelAnimationFrame(handle); model.off("change", wake); } };
}

function play(model, root, painter, story, report) {
  const rows = story.rows, x = warp(rows), last = rows.length - 1;
  const at = rows.map((row) => x(row[T]));
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let index = last, head = 1, playing = false, touched = false, before = 0, handle = 0, frames = 0;
  const slider = make("input", { type: "range", min: 0, max: Math.max(0, last), step: 1, "aria-label": "moment of the recording" });
  const start = button("▶ Play", "play");
  const back = button("◀", "one step back");
  const next = button("▶|", "one step on");
  const speed = make("select", { "aria-label": "speed" },
    ...[0.25, 0.5, 1, 2, 4].map((n) => make("option", { value: n, ...(n === 1 ? { selected: "" } : {}) }, `${n}×`)));
  const bar = make("div", { class: "kit-bar" }, start, back, next, slider, speed);
  root.append(bar);
  const { shapes, glyphs } = story.look, marks = [...story.actors.values()].flat();
  const drawn = new Set(model.get("panels").includes("actors") ? marks.map(([, kind]) => kind) : []);
  const legend = Object.keys(shapes).filter((kind) => drawn.has(kind)).map((kind) => `${glyphs[shapes[kind]]} ${kind}`);
  if (legend.length) root.append(make("p", { class: "kit-legend" }, legend.join("  ")));

  const draw = () => {
    const row = rows[index];
    painter.paint(x, -1, playing ? timeAt(head) : row ? row[T] : 0, true, model.get("highlight"));
    root.dataset.frames = String((frames += 1));
    root.dataset.index = String(index);
    slider.value = String(index);
    const text = row ? sentence(row, story.again.has(index)) : "This recording is empty.";
    slider.setAttribute("aria-valuetext", text);
    const moment = row ? `${(row[T] / 1000).toFixed(2)} s: ${text}` : text;
    report(touched ? moment : `${model.get("words")} Play it, or step with the arrow keys.`);
    start.textContent = playing ? "❚❚ Pause" : "▶ Play";
    start.setAttribute("aria-label", playing ? "pause" : "play");
  };
  const timeAt = (u) => {
    let i = 0;
    while (i < last && at[i + 1] <= u) i += 1;
    if (i >= last) return rows[last][T];
    return rows[i][T] + (rows[i + 1][T] - rows[i][T]) * ((u - at[i]) / (at[i + 1] - at[i] || 1));
  };
  const go = (to) => {
    index = Math.max(0, Math.min(last, to));
    head = at[index] ?? 0;
    touched = true;
    draw();
  };
  const halt = () => { playing = false; cancelAnimationFrame(handle); };
  const frame = (now) => {
    if (!playing) return;
    const passed = now - before;
    // A whole recording takes twelve seconds; with less motion it is one step a second.
    if (calm) {
      if (passed >= 1000 / Number(speed.value)) { before = now; go(index + 1); }
    } else {
      before = now;
      head = Math.min(1, head + (passed / 12000) * Number(speed.value));
      while (index < last && at[index + 1] <= head) index += 1;
      draw();
    }
    if (index >= last && (calm || head >= 1)) { halt(); go(last); } else handle = requestAnimationFrame(frame);
  };
  const toggle = () => {
    if (playing) { halt(); draw(); return; }
    if (index >= last) go(0);
    playing = true;
    before = performance.now();
    handle = requestAnimationFrame(frame);
    draw();
  };
  start.addEventListener("click", toggle);
  back.addEventListener("click", () => { halt(); go(index - 1); });
  next.addEventListener("click", () => { halt(); go(index + 1); });
  slider.addEventListener("input", () => { halt(); go(Number(slider.value)); });
  painter.canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: last };
    if (event.key === " ") toggle();
    else if (event.key in moves) { halt(); go(moves[event.key]); }
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  draw();
  return { wake: draw, came: draw, end: halt };
}

// What all views of one widget share, by its uid.
const SHARED = new Map();

function shared(model) {
  const uid = model.get("uid");
  if (!SHARED.has(uid)) {
    const story = new Story(model.get("look")), recording = model.get("recording");
    if (recording) story.add(JSON.parse(recording));
    SHARED.set(uid, { story, views: new Set() });
  }
  return SHARED.get(uid);
}

function initialize({ model }) {
  const { story, views } = shared(model);
  const decoder = new TextDecoder();
  model.on("msg:custom", (message, buffers) => {
    if (message.type !== "rows") return;
    if (message.from > story.rows.length) { // some were sent before this page listened
      model.send({ type: "need", from: story.rows.length });
      return;
    }
    story.add(JSON.parse(decoder.decode(buffers[0])).slice(story.rows.length - message.from));
    for (const came of views) came();
  });
  if (model.get("running")) model.send({ type: "need", from: story.rows.length });
}

function render({ model, el }) {
  const { story, views } = shared(model), recorded = Boolean(model.get("recording"));
  const status = make("p", { class: "kit-status" });
  if (recorded) status.setAttribute("aria-live", "polite");
  const canvas = make("canvas", { tabindex: recorded ? 0 : -1, role: recorded ? "application" : "img", "aria-label": model.get("words") });
  if (recorded) canvas.setAttribute("aria-description", "Space plays and pauses, the arrow keys step, Home and End go to the ends.");
  const root = make("div", { class: "kit-timeline" }, make("div", { class: "kit-canvas" }, canvas), status);
  if (model.get("title")) root.prepend(make("p", { class: "kit-title" }, model.get("title")));
  el.append(root);
  let reported = "";
  const report = (text) => { if (text !== reported) status.textContent = reported = text; };
  const painter = new Painter(canvas, story, model.get("panels"), recorded);
  const view = (recorded ? play : follow)(model, root, painter, story, report);
  views.add(view.came);
  const sized = new ResizeObserver(view.wake);
  sized.observe(root);
  // The theme is an attribute of the page in JupyterLab and on the site.
  const themed = new MutationObserver(() => setTimeout(view.wake, 50));
  for (const node of [document.documentElement, document.body]) {
    themed.observe(node, { attributes: true, attributeFilter: ["data-theme", "data-jp-theme-light", "class"] });
  }
  return () => { views.delete(view.came); view.end(); sized.disconnect(); themed.disconnect(); };
}

export default { initialize, render };
