// The cases of topics.test.ts, with the sessions in a shard and the topics in the root.
import { divide } from "./support/endpoint.ts";

divide();
await import("./topics.test.ts");
