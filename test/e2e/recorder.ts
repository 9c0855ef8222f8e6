// A server that stores the requests that it gets, in place of Sentry and of an OpenTelemetry collector.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";

export class Recorder {
  readonly bodies: string[] = [];

  private constructor(
    readonly host: string,
    readonly stop: () => Promise<void>,
  ) {}

  static async start(): Promise<Recorder> {
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        const body = Buffer.concat(parts);
        const isZipped = request.headers["content-encoding"] === "gzip";
        recorder.bodies.push((isZipped ? gunzipSync(body) : body).toString());
        response.setHeader("Content-Type", "application/json").end("{}");
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const recorder = new Recorder(`127.0.0.1:${port}`, async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    });
    return recorder;
  }
}
