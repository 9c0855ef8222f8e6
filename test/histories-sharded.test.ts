// The cases of histories.test.ts, with the sessions in a shard and the topics in the root.
import { divide } from "./support/endpoint.ts";

divide();
await import("./histories.test.ts");
