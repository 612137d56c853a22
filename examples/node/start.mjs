// Starts serve-forever for a script or a test, and ends it: `node examples/node/start.mjs` shows it.
//
// The server says that it is ready by a line on a descriptor of its own (--ready-fd), so that nothing waits for a time. It ends
// when its standard input does (--exit-with-stdin), also if this process is killed.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/// Starts a server on a free port of this machine. Returns its `url`, its `port`, and `stop`, which resolves to its exit status.
export async function start({ options = [], directory = "." } = {}) {
  const program = process.env.SERVE_FOREVER ?? "serve-forever";
  const words = ["0", "--bind", "127.0.0.1", "--directory", directory, "--exit-with-stdin", "--ready-fd", "3", ...options];
  // The fourth descriptor is the pipe that the line comes from.
  const child = spawn(program, words, { stdio: ["pipe", "ignore", "inherit", "pipe"] });
  const exit = once(child, "exit").then(([status]) => status);
  const line = once(createInterface({ input: child.stdio[3] }), "line").then(([line]) => JSON.parse(line));
  const failed = exit.then((status) => {
    throw new Error(`${program} did not start: status ${status}`);
  });
  // After the start, the end of the program is no failure.
  failed.catch(() => {});
  const { port } = await Promise.race([line, failed]);
  const stop = () => {
    child.stdin.end();
    return exit;
  };
  return { url: `http://127.0.0.1:${port}`, port, stop };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const times = Number(process.argv[2] ?? 1);
  for (let time = 0; time < times; time += 1) {
    const server = await start({ options: ["--bench-endpoints", "--quiet"] });
    const response = await fetch(`${server.url}/plaintext`, { headers: { connection: "close" } });
    const text = await response.text();
    const status = await server.stop();
    if (text !== "Hello, World!" || status !== 0) throw new Error(`${text}: status ${status}`);
  }
  console.log(`started, asked and stopped ${times} times`);
}
