// Topics under `shards`: the same cases, where sessions are in a shard and the topics in the root.
import { divide } from "./support/endpoint.ts";

divide();
await import("./topics.test.ts");
