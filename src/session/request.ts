// The facts of the request that opened a session: the same after hibernation.
import type { SessionFacts } from "../hibernation/facts.ts";

export class OpeningRequest {
  declare readonly id: string;
  declare readonly uri: string;
  declare readonly path: string;
  declare readonly pathParameters: SessionFacts["pathParameters"];
  declare readonly negotiatedSubprotocol: string;
  declare readonly userPrincipal: unknown;
  declare tags: readonly string[];
  declare readonly since: number | undefined;
  declare readonly knowsTopics: boolean;
  readonly protocolVersion = "13";

  constructor(facts: SessionFacts) {
    // One by one: Object.assign takes 2 µs.
    this.id = facts.id;
    this.uri = facts.uri;
    this.path = facts.path;
    this.pathParameters = facts.pathParameters;
    this.negotiatedSubprotocol = facts.negotiatedSubprotocol;
    this.userPrincipal = facts.userPrincipal;
    this.tags = facts.tags;
    this.since = facts.since;
    this.knowsTopics = facts.knowsTopics === true;
  }

  get requestURI(): URL {
    return new URL(this.uri);
  }

  get queryString(): string {
    return this.requestURI.search.slice(1);
  }

  get requestParameterMap(): URLSearchParams {
    return this.requestURI.searchParams;
  }

  get isSecure(): boolean {
    return /^(http|ws)s:/.test(this.uri);
  }
}
