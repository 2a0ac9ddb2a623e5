// A model server without a model:
//
//     node tests/e2e/openai_upstream.mjs 11434
//
// listens there on 127.0.0.1 (without a port: on any free one), says so in one line, and stays.
import { once } from "node:events";
import { realpathSync } from "node:fs";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { wait } from "./client.mjs";

/**
 * A model server as an OpenAI-compatible one is seen over HTTP. What it does is in the prompt, as
 * words such as `tokens=20 every=5 break=7`; it counts for itself what it read and wrote.
 *
 *     tokens=N   how many to write, at most max_tokens
 *     every=MS   between two tokens of a stream
 *     after=MS   before it answers at all
 *     status=N   answers with this status and no tokens
 *     break=N    breaks the connection behind N tokens of a stream
 *     crowd=N    holds a stream behind its first token until N are held
 *     big=N      makes each token so many characters long
 *     hang       never answers
 *     unended    ends a stream with its usage, without the empty line behind it
 *     mute       says no usage
 *     deaf       heeds no limit
 *     gzip       says that its answer is compressed
 *
 * Below `/api` it answers as Ollama does, in lines.
 */
export class OpenAiUpstream {
  /** What it was asked, in order, with its own counts. */
  calls = [];
  /** Streams that are open, and the most that ever were. */
  streams = { open: 0, most: 0 };
  #held = [];

  static async start(port = 0) {
    const upstream = new OpenAiUpstream();
    upstream.server = createServer((request, response) => upstream.#answer(request, response));
    upstream.server.listen(port, "127.0.0.1");
    await once(upstream.server, "listening");
    upstream.port = upstream.server.address().port;
    upstream.url = `http://127.0.0.1:${upstream.port}`;
    return upstream;
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(done));
  }

  get last() {
    return this.calls.at(-1);
  }

  async #answer(request, response) {
    let body = "";
    for await (const piece of request) body += piece;
    const call = {
      method: request.method,
      path: request.url,
      headers: request.headers,
      body: body === "" ? undefined : JSON.parse(body),
      input: 0,
      output: 0,
      isAborted: false,
    };
    this.calls.push(call);
    response.on("close", () => {
      call.isAborted = !response.writableFinished;
    });
    if (request.method !== "POST") {
      const status = new URL(request.url, this.url).searchParams.get("status") ?? 200;
      return json(response, Number(status), { object: "list", data: [] });
    }
    const asked = wishes(call.body);
    call.input = asked.words;
    if (asked.hang) return;
    if (asked.after) await wait(asked.after);
    if (asked.status !== undefined)
      return json(response, asked.status, { error: { message: "as you wish" } });
    const most = call.body.max_tokens ?? call.body.options?.num_predict ?? 16;
    const count = Math.min(asked.tokens ?? 5, asked.deaf ? Infinity : most);
    if (asked.gzip) response.setHeader("Content-Encoding", "gzip");
    if (call.path.startsWith("/api/")) return lines(response, call, count, asked);
    if (call.body.stream) return this.#stream(response, call, count, asked);
    call.output = count;
    json(response, 200, {
      object: "chat.completion",
      model: call.body.model,
      choices: [
        { index: 0, message: { role: "assistant", content: word(asked).repeat(count) } },
      ],
      ...(asked.mute ? {} : { usage: usage(call) }),
    });
  }

  async #stream(response, call, count, asked) {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    this.streams.most = Math.max(this.streams.most, ++this.streams.open);
    response.once("close", () => --this.streams.open);
    const say = (value) => response.write(`data: ${JSON.stringify(value)}\n\n`);
    const chunk = (choice) => ({
      object: "chat.completion.chunk",
      choices: [{ index: 0, ...choice }],
    });
    say(chunk({ delta: { role: "assistant", content: "" } }));
    while (call.output < count && !call.isAborted) {
      if (asked.break === call.output) return response.write(":\n\n", () => response.destroy());
      say(chunk({ delta: { content: word(asked, call.output) } }));
      ++call.output;
      if (response.writableNeedDrain) await drained(response);
      if (asked.crowd && call.output === 1) await this.#crowd(asked.crowd);
      if (asked.every) await wait(asked.every);
    }
    say(chunk({ delta: {}, finish_reason: "stop" }));
    if (asked.unended) return response.end(`data: ${JSON.stringify({ usage: usage(call) })}`);
    if (call.body.stream_options?.include_usage && !asked.mute)
      say({ object: "chat.completion.chunk", choices: [], usage: usage(call) });
    response.end("data: [DONE]\n\n");
  }

  #crowd(size) {
    return new Promise((go) => {
      this.#held.push(go);
      if (this.#held.length === size) for (const one of this.#held.splice(0)) one();
    });
  }
}

/** Each token a line, and a last one with the usage. */
function lines(response, call, count, asked) {
  response.writeHead(200, { "Content-Type": "application/x-ndjson" });
  const say = (value) => response.write(`${JSON.stringify(value)}\n`);
  for (; call.output < count; ++call.output)
    say({ message: { role: "assistant", content: word(asked, call.output) }, done: false });
  const usage = { prompt_eval_count: call.input, eval_count: call.output };
  say({ done: true, ...(asked.mute ? {} : usage) });
  response.end();
}

function word({ big = 0 }, number = "") {
  return `word${number} `.padEnd(big, "x");
}

const drained = (response) =>
  new Promise((done) => {
    response.once("drain", done);
    response.once("close", done);
  });

function usage({ input, output }) {
  return { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
}

function wishes(body) {
  const words = body.messages.flatMap(({ content }) => content.split(" "));
  const asked = { words: words.length };
  for (const word of words) {
    const [name, value] = word.split("=");
    if (["hang", "unended", "mute", "deaf", "gzip"].includes(name)) asked[name] = true;
    if (value !== undefined) asked[name] = Number(value);
  }
  return asked;
}

function json(response, status, value) {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(value));
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { url } = await OpenAiUpstream.start(Number(process.argv[2] ?? 0));
  console.log(`the model server listens on ${url}`);
}
