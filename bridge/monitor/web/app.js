// The page: hands messages to the song, the controls and the plots, and commands to the link.

import { Controls } from "./controls.js";
import { Link } from "./link.js";
import { Plot } from "./plot.js";
import { Roll } from "./roll.js";
import { bare, Song } from "./song.js";

const by = (id) => document.getElementById(id);
const TONES = { playing: "good", listening: "good", planning: "busy", starting: "busy", late: "bad", offline: "bad" };
const SAID = { waiting: "press Start, or play", listening: "hears you", planning: "thinks", playing: "with you", late: "behind", starting: "loads", offline: "no daemon" };
const TRIGGERED = ["infill", "vary", "generate"];

const song = new Song();
const table = await (await fetch("table.json")).json();
const controls = new Controls(table, (name, value) => link.send(name, value));
const late = new Plot(by("late-plot"), "played", 5), plans = new Plot(by("plan-plot"), "reply", 20);
const stats = {};
let online = false, state = "offline", bar = 0, told = 0;

const handlers = {
  hello(hello, at) {
    online = hello.online;
    for (const [name, value] of Object.entries(hello.parameters)) parameter(name, value);
    song.load(hello);
    for (const [name, place] of Object.entries(hello.learned)) showLearned(name, ...place);
    Object.assign(stats, hello.stats);
    for (const figures of hello.figures) { late.add(figures[1]); plans.add(figures[2]); }
    for (const name of ["state", "key", "chord_now", "ports", "horizon"]) {
      if (hello.last[name]) handlers[name](...hello.last[name].slice(1), hello.last[name][0]);
    }
    if (!online) setState("offline", at);
    facts();
  },
  online(up, at) { online = up; if (up) for (const name of [...learned.keys()]) showLearned(name, 0); setState(up ? "waiting" : "offline", at); },
  state(name, at) { setState(name, at); },
  horizon(...words) { const at = words.pop(); song.horizon(words, at); by("tempo").textContent = `${words[3].toFixed(1)} bpm · ${controls.values.meter || "4/4"} · ${words[5]}`; },
  played(...words) { words.pop(); song.hear(words); },
  note(...words) { words.pop(); song.note(words); },
  plan(...words) { words.pop(); song.planHead(words); },
  planned(...words) { words.pop(); song.planned(words); },
  chord(...words) { words.pop(); song.chord(words); },
  chord_now(name) { by("chord").textContent = bare(name); },
  key(name) { song.key = name; song.version++; by("key").textContent = name; },
  bar(number) { bar = number; },
  stats(name, value) {
    stats[name] = value;
    if (name !== "end") return;
    late.add(stats.send_late_last_ms || 0); plans.add(stats.plan_last_ms || 0);
    facts();
  },
  ports(input, output, system) { Object.assign(stats, { input, output, system }); facts(); },
  kept() { takes(); },
  learning(name) { wait(name); },
  learned(name, channel, controller) { showLearned(name, channel, controller); if (name === waiting) wait(""); },
  error(id, text) { toast(`${id}: ${text}`); },
  dropped(count) { toast(`${count} messages were dropped: this page is too slow`); },
};

const link = new Link((name, words, at) => {
  if (name.startsWith("param/")) parameter(name.slice(6), words[0]);
  else if (handlers[name]) handlers[name](...words, at);
}, (up) => { if (!up) { online = false; setState("offline", link ? link.now() : 0); } });
const roll = new Roll(by("roll"), song, link);
roll.onlook = (away) => { by("follow").hidden = !away; };

function parameter(name, value) {
  controls.show(name, value);
  if (name === "meter") { song.setMeter(String(value)); song.version++; }
  if (name === "mode") by("trigger-row").hidden = !TRIGGERED.includes(value);
}

function setState(name, at) {
  state = online ? name : "offline";
  song.state(state, at);
  const box = by("state");
  box.dataset.tone = TONES[state] || "";
  box.querySelector("b").textContent = state;
  box.querySelector("span").textContent = SAID[state] || "";
}

function facts() {
  const ms = (value) => (value === undefined ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`);
  by("late-now").textContent = ms(stats.send_late_last_ms);
  by("plan-now").textContent = ms(stats.plan_last_ms);
  const beats = ["fresh", "stale", "rest", "late"].map((name) => `${stats[name] || 0} ${name}`).join(" · ");
  const rows = { "beats": beats, "latest ever": ms(stats.send_late_max_ms), "plan p95": ms(stats.plan_p95_ms), "MIDI in": stats.input, "MIDI out": stats.output, "system": stats.system };
  by("facts").replaceChildren(...Object.entries(rows).filter(([, value]) => value !== undefined).flatMap(([name, value]) => {
    const term = document.createElement("dt"), text = document.createElement("dd");
    term.textContent = name; text.textContent = value;
    return [term, text];
  }));
}

// Kept files: links that can be dragged out of the browser.
async function takes() {
  const names = await (await fetch("takes.json")).json();
  if (!names.length) return;
  by("takes").replaceChildren(...names.map((name) => {
    const link = document.createElement("a"), row = document.createElement("li");
    Object.assign(link, { href: `takes/${name}`, download: name, textContent: name, draggable: true });
    link.addEventListener("dragstart", (event) => event.dataTransfer.setData("DownloadURL", `audio/midi:${name}:${link.href}`));
    row.append(link);
    return row;
  }));
}

let fading = 0;
function toast(text) {
  by("toast").textContent = text;
  by("toast").hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => { by("toast").hidden = true; }, 5000);
}

// -- the place, ten times a second; for those who do not see it, once a bar

setInterval(() => {
  const { at } = song;
  if (!at) return;
  const beats = song.position(link.now()) - at.first;
  const bars = Math.floor(beats / song.meter), beat = Math.floor(beats - bars * song.meter) + 1;
  by("place").textContent = `${at.bar + bars}.${beat}`;
  if (bar !== told && song.rolling) {
    told = bar;
    const text = `bar ${bar}, ${by("chord").textContent}, ${state}`;
    by("roll").setAttribute("aria-label", `Piano-roll: ${text}, ${song.key || "no key yet"}`);
    if (bar % 4 === 1) by("live").textContent = text;
  }
}, 100);

// -- MIDI learn: while it is on, a click on a control or a button waits for a controller

const learned = new Map();
const ACTIONS = ["start", "stop", "panic", "trigger", "again", "undo", "keep"];
let waiting = "";

const teachable = (node) => { const found = node.closest("[data-parameter]"); return found ? found.dataset.parameter : ACTIONS.includes(node.closest("button")?.id) ? node.closest("button").id : ""; };
const places = (name) => [...document.querySelectorAll(`[data-parameter="${name}"]`), ...(ACTIONS.includes(name) ? [by(name)] : [])];

function showLearned(name, channel, controller) {
  if (channel) learned.set(name, `CC ${controller}, channel ${channel}`); else learned.delete(name);
  for (const node of places(name)) { if (channel) node.dataset.learned = learned.get(name); else delete node.dataset.learned; }
}

function wait(name) {
  for (const node of places(waiting)) node.classList.remove("waiting");
  waiting = name;
  for (const node of places(waiting)) node.classList.add("waiting");
  const on = document.body.classList.contains("learning");
  by("learn-how").textContent = !on ? "move knobs here with your keyboard's" : name ? `now move a knob or key for ${name}; click it again to forget` : "click what you want to move";
  if (on) by("live").textContent = by("learn-how").textContent;
}

function learn(on) {
  document.body.classList.toggle("learning", on);
  by("learn").setAttribute("aria-pressed", on);
  if (!on) link.send("learn", "off");
  wait("");
}

function teach(event) {
  const name = document.body.classList.contains("learning") && teachable(event.target);
  if (!name || (event.type === "keydown" && event.key !== "Enter")) return;
  event.preventDefault();
  event.stopPropagation();
  if (name !== waiting) link.send("learn", name);
  else { link.send("learn", "off"); if (learned.has(name)) link.send("unlearn", name); }
}

by("learn").addEventListener("click", () => learn(!document.body.classList.contains("learning")));
document.addEventListener("click", teach, true);
document.addEventListener("keydown", teach, true);

// -- controls

by("apart").append(...table.apart.map((name) => controls.make(name)));
by("essential").append(...table.essential.map((name) => controls.make(name, true)));
const known = new Set([...table.apart, ...table.essential]);
by("groups").append(...table.groups.map(([title, names]) => {
  const box = document.createElement("section"), head = document.createElement("h3");
  head.textContent = title;
  const rest = names.filter((name) => !known.has(name));
  box.append(head, ...rest.map((name) => controls.make(name)));
  box.hidden = !rest.length;
  return box;
}));
parameter("mode", "harmonize");
for (const name of ["start", "stop", "panic", "trigger", "again", "undo"]) by(name).addEventListener("click", () => link.send(name));
by("keep").addEventListener("click", () => link.send("keep"));
takes();
by("follow").addEventListener("click", () => roll.look(0));
addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select, textarea, button, summary");
  if (event.key === "Escape" && document.body.classList.contains("learning")) learn(false);
  else if (event.key === "Escape") link.send("panic");
  else if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  else if (event.key === " ") { event.preventDefault(); link.send(song.rolling ? "stop" : "start"); }
  else if (event.key.toLowerCase() === "t") link.send("trigger");
  else if (event.key.toLowerCase() === "k") link.send("keep");
  else if (event.key.toLowerCase() === "a") link.send("again");
  else if (event.key.toLowerCase() === "f") roll.look(0);
});

// For tests and for the curious.
globalThis.monitor = { song, roll, link, controls, stats };
