// An SSE broadcaster on Node's http module, as guides show it: a Set of responses per channel, and
// a write on each. A stream may name several channels. It keeps no event; the bench measures it beside sse_server.
// On the next port the same speaks HTTP/2 in clear, by Node's http2 module.
"use strict";
const http = require("node:http");
const http2 = require("node:http2");

const channels = new Map();
let lastId = 0;

function subscribe(names, request, response) {
  const fields = { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" };
  if (request.httpVersionMajor === 1) fields.Connection = "keep-alive";
  response.writeHead(200, fields);
  response.write(": hi\n\n");
  for (const name of names) {
    if (!channels.has(name)) channels.set(name, new Set());
    const clients = channels.get(name);
    clients.add(response);
    request.on("close", () => clients.delete(response));
  }
}

function publish(name, request, response) {
  let data = "";
  request.setEncoding("utf8");
  request.on("data", (piece) => (data += piece));
  request.on("end", () => {
    lastId += 1;
    const event = `id: ${lastId}\ndata: ${data}\n\n`;
    for (const client of channels.get(name) ?? []) client.write(event);
    response.writeHead(204).end();
  });
}

setInterval(() => {
  for (const client of new Set([...channels.values()].flatMap((clients) => [...clients]))) {
    client.write(": ping\n\n");
  }
}, 15_000);

function answer(request, response) {
  const name = request.url.slice("/events/".length);
  if (request.method === "POST") publish(name, request, response);
  else subscribe(name.split(","), request, response);
}

const port = Number(process.argv[2]);
http.createServer(answer).listen(port, "127.0.0.1");
http2.createServer(answer).listen(port + 1, "127.0.0.1");
