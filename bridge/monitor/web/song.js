// The music as far as it is known: notes, chords, bars, and where the song is now.
// Places are quarter notes from the song's start. Knows nothing of the page.

const SEAM = 0.5; // beats: a step back by less is jitter, by more a jump
const MOST = 20000;

// A lone note is told as `(C)`.
export const bare = (name) => name.replace(/[()]/g, "");

export class Song {
  constructor() {
    this.played = [];
    this.reply = [];
    this.plan = [];
    this.planId = -1;
    this.chords = new Map(); // beat -> {name, bass}
    this.bars = new Map(); // first beat -> number
    this.meter = 4; // quarter notes a bar
    this.at = null; // {ms, beats, bar, first, bpm, decided}
    this.rolling = false;
    this.key = "";
    this.version = 0; // grows with every change
  }

  // -- what is told

  load({ played, reply, chords, last }) {
    Object.assign(this, { played: [], reply: [], plan: [], chords: new Map(), bars: new Map(), at: null });
    for (const [pitch, velocity, from, length] of played) this.played.push({ pitch, velocity, from, to: length ? from + length : null });
    for (const words of reply) this.note(words);
    if (last.horizon) this.horizon(last.horizon.slice(1), last.horizon[0]);
    for (const words of chords) this.chord(words);
    this.version++;
  }

  // A key that is struck again ends the note before, whatever its length was to be.
  note([pitch, velocity, from, length]) {
    for (let i = this.reply.length - 1; i >= 0 && i > this.reply.length - 64; i--) {
      const before = this.reply[i];
      if (before.pitch === pitch && before.from < from) { before.to = Math.min(before.to, from); break; }
    }
    this.add(this.reply, { pitch, velocity, from, to: from + length });
  }

  hear([pitch, velocity, from, length]) {
    if (length) {
      for (let i = this.played.length - 1; i >= 0 && i > this.played.length - 64; i--) {
        const note = this.played[i];
        if (note.pitch === pitch && note.to === null && Math.abs(note.from - from) < 1e-3) { note.to = from + length; this.version++; return; }
      }
    }
    this.add(this.played, { pitch, velocity, from, to: length ? from + length : null });
  }

  add(notes, note) {
    let i = notes.length;
    while (i > 0 && notes[i - 1].from > note.from) i--;
    notes.splice(i, 0, note);
    if (notes.length > MOST) notes.shift();
    this.version++;
  }

  planHead([id, first]) {
    this.plan = this.plan.filter((note) => note.from < first);
    this.planId = id;
    this.version++;
  }

  planned([id, ...numbers]) {
    if (id !== this.planId) return;
    for (let i = 0; i + 2 < numbers.length; i += 3) {
      this.plan.push({ pitch: numbers[i], from: numbers[i + 1], to: numbers[i + 1] + numbers[i + 2], velocity: 80 });
    }
    this.version++;
  }

  chord([name, bass, bar, beat]) {
    this.chords.set(this.lineOf(bar) + beat - 1, { name, bass });
    if (this.chords.size > MOST) this.chords.delete(this.chords.keys().next().value);
    this.version++;
  }

  horizon([beats, bar, beat, bpm, decided, clock], ms) {
    if (this.at && beats < this.at.beats - SEAM) this.jumped(beats);
    const first = Math.round((beats - (beat - 1)) * 24) / 24;
    this.at = { ms, beats, bar, first, bpm, decided, clock };
    this.bars.set(first, bar);
    this.version++;
  }

  jumped(beats) {
    const before = (note) => note.from < beats - SEAM;
    this.played = this.played.filter(before);
    this.reply = this.reply.filter(before);
    this.plan = [];
    for (const place of this.chords.keys()) if (place >= beats - SEAM) this.chords.delete(place);
    for (const place of this.bars.keys()) if (place > beats) this.bars.delete(place);
  }

  state(name, ms) {
    const rolling = !["waiting", "starting", "offline"].includes(name);
    if (this.rolling && !rolling && this.at) {
      this.at = { ...this.at, beats: this.position(ms), ms };
      this.plan = [];
    }
    this.rolling = rolling;
    this.version++;
  }

  setMeter(text) {
    const [beats, unit] = text.split("/").map(Number);
    if (beats && unit) this.meter = (beats * 4) / unit;
  }

  // -- what is asked

  position(ms) {
    if (!this.at) return 0;
    return this.rolling ? this.at.beats + ((ms - this.at.ms) / 60000) * this.at.bpm : this.at.beats;
  }

  lineOf(bar) { return this.at ? this.at.first + (bar - this.at.bar) * this.meter : (bar - 1) * this.meter; }

  // [first beat, number] of the bars in [from, to): as they were told, and reckoned on from there.
  lines(from, to) {
    const found = new Map();
    const first = this.at ? this.at.first : 0, bar = this.at ? this.at.bar : 1;
    for (let n = Math.floor((from - first) / this.meter); first + n * this.meter < to; n++) found.set(first + n * this.meter, bar + n);
    for (const [line, number] of this.bars) if (line >= from && line < to) found.set(line, number);
    return [...found].sort((a, b) => a[0] - b[0]);
  }

  // Chord names in [from, to): a beat that repeats the one before is joined to it.
  names(from, to) {
    const found = [];
    for (const place of [...this.chords.keys()].sort((a, b) => a - b)) {
      if (place < from - 16 || place >= to) continue;
      const name = bare(this.chords.get(place).name), last = found[found.length - 1];
      if (last && last.name === name && Math.abs(last.to - place) < 0.01) last.to = place + 1;
      else found.push({ name, from: place, to: place + 1 });
    }
    return found.filter((each) => each.to > from);
  }

  // Notes that sound in [from, to).
  static inside(notes, from, to) {
    let low = 0, high = notes.length;
    while (low < high) { const mid = (low + high) >> 1; if (notes[mid].from < to) low = mid + 1; else high = mid; }
    const found = [];
    for (let i = low - 1; i >= 0 && notes[i].from > from - 64; i--) if (notes[i].to === null || notes[i].to > from) found.push(notes[i]);
    return found;
  }
}
