// sse_server VERSION: an EventSource that comes back whatever ends it, with the channels it has.
//
//   import { Stream } from "/client.js";
//   const stream = new Stream(["news"], { on: { message: (event) => show(event.data) } });
//
// Options, each of which may be left out:
//   on           called with each event, by its type; gap, server-shutdown, token-expired and
//                stream-ended are the server's own
//   onstate      called with "open", "waiting" or "closed" and the stream
//   token        (async) makes the token with which a stream is opened or changed; asked each time
//   lastEventId  where to begin; left out, with what is published next
//   withCredentials  whether cookies go to another origin
//   base         the server's address, where it is not that of this script

const LONGEST_WAIT_MS = 60_000;
const OWN_TYPES = ["message", "control", "gap", "server-shutdown", "token-expired", "stream-ended"];

export class Stream {
  state = "waiting";
  #options; #base; #lastEventId; #source; #timer;
  #channels; // that are wanted
  #opened; // that the source was opened with
  #id = null; // what the server calls the stream; null: it cannot be changed now
  #failures = 0; // since a stream was last open

  constructor(channels, options = {}) {
    this.#options = options;
    this.#base = new URL(options.base ?? ".", import.meta.url);
    this.#lastEventId = options.lastEventId ?? "";
    this.#channels = new Set(channels);
    this.#open();
  }

  get channels() { return [...this.#channels].sort(); }
  get lastEventId() { return this.#lastEventId; }

  // Both return the position from which that holds (a promise), so that what a channel had before
  // can be asked for; null: from the last event on, as the stream is opened anew for it.
  add(...channels) { return this.#change(channels, []); }
  remove(...channels) { return this.#change([], channels); }

  close() {
    this.#drop();
    this.#tell("closed");
  }

  async #change(add, remove) {
    const before = new Set(this.#channels);
    add.forEach((channel) => this.#channels.add(channel));
    remove.forEach((channel) => this.#channels.delete(channel));
    const id = this.#id;
    if (id === null) return null; // the next stream begins with them
    // A new one: that of the stream was for its opening, and has expired.
    const token = await this.#newToken().catch(() => null);
    const answer = await fetch(new URL(`subscribers/${id}/channels`, this.#base), {
      method: "POST",
      headers: token ? { Authorization: `Bearer ${token}` } : {},
      credentials: this.#options.withCredentials ? "include" : "same-origin",
      body: JSON.stringify({ add, remove }),
    }).catch(() => null);
    if (answer?.ok) return (await answer.json()).position;
    if (answer && answer.status !== 404 && answer.status < 500) {
      [...add, ...remove].forEach((one) => this.#channels[before.has(one) ? "add" : "delete"](one));
      throw new Error((await answer.json()).message);
    }
    if (id === this.#id) this.#open();
    return null;
  }

  async #newToken() { return this.#options.token?.(); }

  async #open() {
    this.#drop();
    this.#tell("waiting");
    const attempt = this.#timer = {}; // nothing else is to happen meanwhile
    let token;
    try {
      token = await this.#newToken();
    } catch {
      if (attempt === this.#timer) this.#openLater();
      return;
    }
    if (attempt !== this.#timer) return;
    const address = new URL("events", this.#base);
    const query = address.searchParams;
    this.#opened = this.channels.join();
    this.channels.forEach((channel) => query.append("channel", channel));
    query.set("control", 1);
    if (token) query.set("token", token);
    if (this.#lastEventId) query.set("last_event_id", this.#lastEventId);
    const { withCredentials = false, on = {} } = this.#options;
    const source = this.#source = new EventSource(address, { withCredentials });
    source.onerror = () => {
      this.#id = null;
      if (source.readyState === EventSource.CLOSED) this.#openLater();
      else this.#tell("waiting"); // it comes back by itself, when the server has told it to
    };
    for (const type of new Set([...OWN_TYPES, ...Object.keys(on)])) {
      source.addEventListener(type, (event) => {
        if (source !== this.#source) return;
        this.#lastEventId = event.lastEventId || this.#lastEventId;
        this.#heed(event);
        on[type]?.(event);
      });
    }
  }

  #heed({ type, data }) {
    if (type === "control") {
      this.#failures = 0;
      // A source that came back has the channels of its address.
      if (this.#opened !== this.channels.join()) this.#open();
      else { this.#id = JSON.parse(data).subscriber; this.#tell("open"); }
    } else if (type === "token-expired" && this.#options.token) this.#openLater();
    else if (type === "stream-ended" && !JSON.parse(data).comes_back) this.close();
  }

  #openLater() {
    this.#drop();
    this.#tell("waiting");
    const most = Math.min(LONGEST_WAIT_MS, 1_000 * 2 ** this.#failures++);
    this.#timer = setTimeout(() => this.#open(), most * (0.5 + Math.random() / 2));
  }

  #drop() {
    clearTimeout(this.#timer);
    this.#timer = this.#id = null;
    this.#source?.close();
    this.#source = null;
  }

  #tell(state) {
    if (state !== this.state) this.#options.onstate?.(this.state = state, this);
  }
}
