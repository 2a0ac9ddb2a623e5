import { fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** One of the scripts here as a process of its own, which talks in messages. */
export class Child {
  #process;
  #messages = [];
  #waiting;
  #ended;

  /** Starts it, sends it `opening` if there is any, and takes its first message. */
  static async start(script, options = {}, opening) {
    const child = new Child();
    const path = fileURLToPath(new URL(script, import.meta.url));
    child.script = script;
    child.#process = fork(path, [JSON.stringify(options)], {
      env: { ...process.env, NODE_ENV: "production" },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    child.#process.on("message", (message) => {
      child.#messages.push(message);
      child.#waiting?.();
    });
    child.#process.once("exit", (code, signal) => {
      child.#ended = `${script} has ended (${code ?? signal})`;
      child.#waiting?.();
    });
    if (opening) child.send(opening);
    child.first = await child.receive();
    return child;
  }

  get pid() {
    return this.#process.pid;
  }

  send(message) {
    this.#process.send(message);
  }

  async receive() {
    while (this.#messages.length === 0) {
      if (this.#ended) throw new Error(this.#ended);
      await new Promise((wake) => (this.#waiting = wake));
    }
    const message = this.#messages.shift();
    if (message.error) throw new Error(`${this.script}: ${message.error}`);
    return message;
  }

  async stop() {
    if (this.#ended) return;
    this.#process.kill("SIGTERM");
    await once(this.#process, "exit");
  }
}

// What Linux says of every process, whatever the machine.
const kTicksPerSecond = 100;

// Places in /proc/PID/stat behind the name, in which there may be anything.
const kOwnTimes = [11, 12];
const kTimesOfEnded = [13, 14];

/** What `read` gives, and `otherwise` where the process or thread has ended meanwhile. */
function whileAlive(read, otherwise) {
  try {
    return read();
  } catch (error) {
    if (error.code !== "ENOENT" && error.code !== "ESRCH") throw error;
    return otherwise;
  }
}

function secondsOf(pid, places) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return places.reduce((sum, place) => sum + Number(fields[place]), 0) / kTicksPerSecond;
}

function childrenOf(pid) {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    whileAlive(() => readFileSync(`/proc/${pid}/task/${task}/children`, "utf8"), "")
      .split(" ")
      .filter(Boolean),
  );
}

/** CPU seconds of processes and all of their children that are alive. */
export function cpuSeconds(pids) {
  return pids.reduce((sum, pid) => sum + secondsWithChildren(pid), 0);
}

function secondsWithChildren(pid) {
  const children = childrenOf(pid).map((child) => whileAlive(() => secondsWithChildren(child), 0));
  return children.reduce((sum, seconds) => sum + seconds, secondsOf(pid, kOwnTimes));
}

/** CPU seconds of everything on this machine. */
export function busySeconds() {
  const [user, nice, system, , , irq, softirq] = /^cpu +(.*)$/m
    .exec(readFileSync("/proc/stat", "utf8"))[1]
    .split(" ")
    .map(Number);
  return (user + nice + system + irq + softirq) / kTicksPerSecond;
}

/** CPU seconds of this process and of its children that have ended, with theirs. */
export function endedSeconds() {
  return secondsOf("self", [...kOwnTimes, ...kTimesOfEnded]);
}
