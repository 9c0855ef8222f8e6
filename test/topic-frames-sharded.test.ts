// The cases of topic-frames.test.ts, with the sessions in a shard and the topics in the root.
import { divide } from "./support/endpoint.ts";

divide();
await import("./topic-frames.test.ts");
