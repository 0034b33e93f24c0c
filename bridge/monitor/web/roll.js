// The piano-roll on a canvas. Draws what Song knows around the song's present.

import { Song } from "./song.js";

const GUTTER = 46, BARS = 22, CHORDS = 30, TOP = BARS + CHORDS;
const AHEAD = 0.3; // share of the width that lies ahead of the playhead
const LEAST_ROWS = 30;
const BLACK = new Set([1, 3, 6, 8, 10]);
const INKS = ["card", "ink", "soft", "line", "played", "reply", "row", "row-black", "beat", "bar", "veil", "head"];

export class Roll {
  constructor(canvas, song, clock) {
    Object.assign(this, { canvas, song, clock });
    this.pen = canvas.getContext("2d", { alpha: false });
    this.beats = 20; // shown
    this.back = 0; // beats that the view lies behind the present; 0 follows it
    this.low = 40; this.high = 84;
    this.drawn = "";
    this.work = []; // ms of the last frames
    this.inks();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.inks());
    new ResizeObserver(() => this.size()).observe(canvas);
    this.size();
    this.hands();
    const frame = () => { this.frame(); requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
  }

  inks() {
    const style = getComputedStyle(document.documentElement);
    this.ink = Object.fromEntries(INKS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    this.drawn = "";
  }

  size() {
    const ratio = Math.min(devicePixelRatio || 1, 2), box = this.canvas.getBoundingClientRect();
    this.width = box.width; this.height = box.height;
    this.canvas.width = Math.round(box.width * ratio); this.canvas.height = Math.round(box.height * ratio);
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.beats = Math.max(10, Math.min(this.beats, 64));
    if (!this.zoomed) this.beats = box.width < 600 ? 11 : 20;
    this.drawn = "";
  }

  // -- hands: drag, wheel, keys

  hands() {
    const canvas = this.canvas;
    canvas.addEventListener("pointerdown", (event) => { this.grip = { x: event.clientX, back: this.back }; canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointermove", (event) => { if (this.grip) this.look(this.grip.back + (event.clientX - this.grip.x) / this.perBeat); });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { this.grip = null; });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (event.ctrlKey || event.metaKey) this.zoom(event.deltaY > 0 ? 1.1 : 1 / 1.1);
      else this.look(this.back - (event.deltaX || event.deltaY) / this.perBeat);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const act = { ArrowLeft: () => this.look(this.back + this.song.meter), ArrowRight: () => this.look(this.back - this.song.meter),
        "+": () => this.zoom(1 / 1.25), "-": () => this.zoom(1.25), Home: () => this.look(1e9), End: () => this.look(0) }[event.key];
      if (act) { event.preventDefault(); act(); }
    });
  }

  look(back) {
    const most = Math.max(0, this.song.position(this.clock.now()) - this.beats * (1 - AHEAD) + 1);
    this.back = Math.max(0, Math.min(back, most));
    if (this.onlook) this.onlook(this.back > 0);
  }

  zoom(by) { this.zoomed = true; this.beats = Math.max(4, Math.min(64, this.beats * by)); }

  // -- a frame

  get perBeat() { return (this.width - GUTTER) / this.beats; }

  frame() {
    const song = this.song, now = song.position(this.clock.now());
    const settled = this.fit(now);
    const state = `${song.version} ${song.rolling ? now : song.at && song.at.beats} ${this.back} ${this.beats} ${this.low} ${this.high}`;
    if (state === this.drawn && settled) return;
    const began = performance.now();
    this.drawn = state;
    this.draw(now);
    this.work.push(performance.now() - began);
    if (this.work.length > 600) this.work.shift();
  }

  // Moves the range of pitches towards what is seen; true when it is there.
  fit(now) {
    const left = this.left(now), right = left + this.beats;
    let low = 127, high = 0;
    for (const notes of [this.song.played, this.song.reply, this.song.plan]) {
      for (const note of Song.inside(notes, left, right)) { low = Math.min(low, note.pitch); high = Math.max(high, note.pitch); }
    }
    if (low > high) return true;
    low -= 3; high += 3;
    const missing = LEAST_ROWS - (high - low + 1);
    if (missing > 0) { low -= Math.ceil(missing / 2); high += Math.floor(missing / 2); }
    const step = (from, to) => (Math.abs(to - from) < 0.05 ? to : from + (to - from) * 0.12);
    this.low = step(this.low, Math.max(low, 0)); this.high = step(this.high, Math.min(high, 127));
    return this.low === Math.max(low, 0) && this.high === Math.min(high, 127);
  }

  left(now) { return now - this.beats * (1 - AHEAD) - this.back; }
  x(beat) { return GUTTER + (beat - this.origin) * this.perBeat; }
  y(pitch) { return TOP + (this.high - pitch) * this.rowHeight; }

  draw(now) {
    const { pen, ink, song } = this;
    this.origin = this.left(now);
    this.rowHeight = (this.height - TOP) / (this.high - this.low + 1);
    const right = this.origin + this.beats;
    pen.fillStyle = ink.row;
    pen.fillRect(0, 0, this.width, this.height);
    this.rows();
    this.grid(right);
    const decided = song.at ? Math.max(song.at.decided, now) : now;
    if (song.rolling) this.veil(decided);
    for (const note of Song.inside(song.plan, Math.max(this.origin, now), right)) if (note.from > now - 0.02) this.note(note, ink.reply, now, true);
    for (const note of Song.inside(song.reply, this.origin, right)) this.note(note, ink.reply, now);
    for (const note of Song.inside(song.played, this.origin, right)) this.note(note, ink.played, now);
    if (song.at) this.head(now);
    this.keys(now);
    this.strip(now, right);
  }

  rows() {
    const { pen, ink } = this;
    for (let pitch = Math.floor(this.low); pitch <= Math.ceil(this.high); pitch++) {
      const top = this.y(pitch);
      if (BLACK.has(pitch % 12)) { pen.fillStyle = ink["row-black"]; pen.fillRect(GUTTER, top, this.width, this.rowHeight); }
      if (pitch % 12 === 0) { pen.fillStyle = ink.line; pen.fillRect(GUTTER, Math.round(top + this.rowHeight), this.width, 1); }
    }
  }

  grid(right) {
    const { pen, ink } = this;
    for (const [line, number] of this.song.lines(this.origin - this.song.meter, right)) {
      for (let beat = 1; beat < this.song.meter; beat++) { pen.fillStyle = ink.beat; pen.fillRect(Math.round(this.x(line + beat)), TOP, 1, this.height); }
      pen.fillStyle = number >= 1 ? ink.bar : ink.beat;
      pen.fillRect(Math.round(this.x(line)), TOP, 1, this.height);
    }
  }

  veil(decided) {
    const { pen, ink } = this, x = this.x(decided);
    pen.fillStyle = ink.veil;
    pen.fillRect(x, TOP, this.width - x, this.height - TOP);
    pen.strokeStyle = ink.soft;
    pen.lineWidth = 1;
    pen.globalAlpha = 0.55;
    pen.setLineDash([3, 4]);
    pen.beginPath(); pen.moveTo(x, TOP); pen.lineTo(x, this.height); pen.stroke();
    pen.setLineDash([]);
    pen.globalAlpha = 1;
  }

  note({ pitch, velocity, from, to }, colour, now, planned = false) {
    const { pen } = this, end = to === null ? Math.max(now, from + 0.05) : to;
    const gap = Math.min(1.5, this.rowHeight * 0.12);
    const left = this.x(from) + 0.75, width = Math.max(this.x(end) - left - 0.75, 2.5);
    const top = this.y(pitch) + gap, height = this.rowHeight - 2 * gap;
    const sounds = !planned && from <= now && end >= now && this.song.rolling;
    pen.beginPath();
    pen.roundRect(left, top, width, height, Math.min(4, height / 2, width / 2));
    if (planned) {
      pen.globalAlpha = 0.22; pen.fillStyle = colour; pen.fill();
      pen.globalAlpha = 0.6; pen.strokeStyle = colour; pen.lineWidth = 1; pen.stroke();
    } else {
      pen.globalAlpha = sounds ? 1 : 0.58 + 0.36 * Math.min(velocity / 110, 1);
      pen.fillStyle = colour; pen.fill();
      if (sounds) { pen.globalAlpha = 0.28; pen.strokeStyle = colour; pen.lineWidth = 5; pen.stroke(); }
    }
    pen.globalAlpha = 1;
  }

  head(now) {
    const { pen, ink } = this, x = Math.round(this.x(now));
    if (x < GUTTER || x > this.width) return;
    pen.fillStyle = ink.head;
    pen.fillRect(x - 1, TOP - 4, 2, this.height);
    pen.beginPath(); pen.moveTo(x - 6, TOP - 9); pen.lineTo(x + 6, TOP - 9); pen.lineTo(x, TOP); pen.fill();
  }

  keys(now) {
    const { pen, ink, song } = this;
    const sounding = new Map();
    if (song.rolling) {
      for (const [notes, colour] of [[song.reply, ink.reply], [song.played, ink.played]]) {
        for (const note of Song.inside(notes, now - 0.01, now)) sounding.set(note.pitch, colour);
      }
    }
    pen.fillStyle = ink.card;
    pen.fillRect(0, TOP, GUTTER, this.height);
    pen.font = "10px system-ui, sans-serif";
    pen.textAlign = "right"; pen.textBaseline = "middle";
    for (let pitch = Math.floor(this.low); pitch <= Math.ceil(this.high); pitch++) {
      const top = this.y(pitch), black = BLACK.has(pitch % 12), colour = sounding.get(pitch);
      if (colour) { pen.fillStyle = colour; pen.fillRect(0, top + 0.5, black ? 28 : GUTTER - 1, this.rowHeight - 1); }
      else if (black) { pen.fillStyle = ink.ink; pen.globalAlpha = 0.82; pen.fillRect(0, top + 0.5, 28, this.rowHeight - 1); pen.globalAlpha = 1; }
      if (pitch % 12 === 4 || pitch % 12 === 11) { pen.fillStyle = ink.line; pen.fillRect(0, Math.round(top), GUTTER, 1); }
      if (pitch % 12 === 0 && this.rowHeight > 7) { pen.fillStyle = colour ? ink.card : ink.soft; pen.fillText(`C${pitch / 12 - 1}`, GUTTER - 5, top + this.rowHeight / 2); }
    }
    pen.fillStyle = ink.bar;
    pen.fillRect(GUTTER - 1, TOP, 1, this.height);
  }

  strip(now, right) {
    const { pen, ink, song } = this;
    pen.fillStyle = ink.card;
    pen.fillRect(0, 0, this.width, TOP - 9);
    pen.fillRect(0, TOP - 9, this.width, 0);
    pen.fillStyle = ink.line;
    pen.fillRect(0, TOP - 1, this.width, 1);
    pen.textAlign = "left"; pen.textBaseline = "alphabetic";
    pen.font = "12px system-ui, sans-serif";
    pen.fillStyle = ink.soft;
    const lines = song.lines(this.origin, right), every = this.perBeat * song.meter < 26 ? 4 : 1;
    for (const [line, number] of lines) {
      const x = this.x(line);
      if (number >= 1 && (number - 1) % every === 0 && x > GUTTER - 4) pen.fillText(String(number), x + 2, BARS - 6);
    }
    this.chordNames(now, right);
    pen.fillStyle = ink.card;
    pen.fillRect(0, 0, GUTTER - 4, TOP - 1);
    pen.font = "600 11px system-ui, sans-serif";
    pen.fillStyle = ink.soft;
    const [tonic, mode] = song.key.split(" ");
    if (tonic) { pen.fillText(mode === "minor" ? `${tonic}m` : tonic, 10, TOP - 12); pen.font = "10px system-ui, sans-serif"; pen.fillText("key", 10, BARS - 6); }
  }

  chordNames(now, right) {
    const { pen, ink } = this, names = this.song.names(this.origin, right);
    for (let i = 0; i < names.length; i++) {
      const { name, from, to } = names[i], x = Math.max(this.x(from) + 2, GUTTER + 2);
      const room = Math.max(this.x(names[i + 1] ? names[i + 1].from : to), this.x(to)) - x;
      const current = from <= now && now < to && this.song.rolling;
      pen.font = `${current ? "680" : "560"} 15px system-ui, sans-serif`;
      if (pen.measureText(name).width + 4 > room) pen.font = "560 11px system-ui, sans-serif";
      if (pen.measureText(name).width > room) continue;
      pen.fillStyle = name === "N.C." ? ink.soft : current ? ink.reply : ink.ink;
      pen.globalAlpha = from > now ? 0.5 : current ? 1 : 0.85;
      pen.fillText(name, x, TOP - 14);
      pen.globalAlpha = 1;
    }
  }
}
