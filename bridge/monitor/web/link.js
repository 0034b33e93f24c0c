// The WebSocket to the monitor: messages in, commands out, and what time it is there.

const RETRY_MS = [250, 500, 1000, 2000, 4000];
const PING_MS = 2000;

export class Link {
  // take(name, words, at): every message; at is the server's ms. open(up): the socket came or went.
  constructor(take, open) {
    this.take = take;
    this.open = open;
    this.offset = 0; // server ms - our ms
    this.best = Infinity; // round trip of the estimate in force
    this.tries = 0;
    this.connect();
    setInterval(() => this.ping(), PING_MS);
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/socket`);
    this.socket.onopen = () => { this.tries = 0; this.best = Infinity; this.open(true); this.ping(); };
    this.socket.onclose = () => {
      this.open(false);
      setTimeout(() => this.connect(), RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)]);
    };
    this.socket.onmessage = (event) => {
      for (const [name, at, ...words] of JSON.parse(event.data)) {
        if (name === "pong") this.pong(at, words[0]);
        else this.take(name, words, at);
      }
    };
  }

  send(...words) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(words));
  }

  ping() { this.send("ping", performance.now()); }

  pong(at, sent) {
    const now = performance.now(), trip = now - sent;
    // The shortest way there and back is the most even one; it may grow old slowly.
    if (trip <= this.best) { this.best = trip; this.offset = at + trip / 2 - now; }
    else this.best += 0.5;
  }

  now() { return performance.now() + this.offset; }
}
