// A publication as it goes out: to clients that know the frames of topics, and to the others.
import type { EnvelopedPublication } from "../api/topics.ts";
import { decode, encode, type Bytes, type Item } from "../wire/frame.ts";
import { positionOf, publicationsFrame, type Place } from "../wire/publication.ts";
import { checkData, settle, type Data } from "./data.ts";

/** What clients get in its place that don't know the frames. */
export type Envelope = (publication: EnvelopedPublication) => unknown;

/** What was published, or what a history has of it. */
export type Source = { readonly payload: Data } | { readonly item: Item };

/** Of a text, or of bytes that nobody can change any more, as it is or as UTF-8. Each of its forms is made once, for all sessions. */
export class TopicMessage {
  readonly place: Place;
  readonly #envelope: Envelope | undefined;
  #payload: Data | undefined;
  #item: Item | undefined;
  #plain: Data | undefined;
  #frame: Bytes | undefined;

  constructor(place: Place, source: Source, envelope?: Envelope) {
    this.place = place;
    this.#envelope = envelope;
    if ("item" in source) this.#item = source.item;
    else this.#payload = settle(source.payload);
  }

  /** How many bytes the payload has. */
  get length(): number {
    return this.item.bytes.length;
  }

  /** As it was published. Of bytes nobody may change it. */
  get payload(): Data {
    return (this.#payload ??= settle(payloadOf(this.#item!)));
  }

  get item(): Item {
    return (this.#item ??= itemOf(this.#payload!));
  }

  /** @throws what the option `envelope` throws; {@link PayloadError} if it makes no payload */
  get plain(): Data {
    return (this.#plain ??= this.#enveloped());
  }

  /** It is sent later: its bytes are those of now. What the envelope throws, it throws again for each session. */
  settle(): void {
    try {
      if (this.#envelope) void this.plain;
    } catch {
      // Clients that know the frames get it.
    }
  }

  /** As a frame of its own. */
  get frame(): Bytes {
    return (this.#frame ??= publicationsFrame(this.place, [this.item]));
  }

  /** Whether it can stand behind another in one frame. */
  follows({ place: { topic, epoch, offset } }: TopicMessage): boolean {
    const { place } = this;
    return place.topic === topic && place.epoch === epoch && place.offset === (epoch ? offset + 1 : 0);
  }

  #enveloped(): Data {
    if (!this.#envelope) return this.payload;
    const { topic, epoch, offset } = this.place;
    const made = this.#envelope({ topic, position: positionOf(epoch, offset), payload: payloadOf(this.item) });
    checkData(made);
    return settle(made);
  }
}

/** A payload as histories and frames have it. */
export function itemOf(payload: Data): Item {
  if (typeof payload === "string") return { bytes: encode(payload), isBinary: false };
  const bytes = ArrayBuffer.isView(payload)
    ? new Uint8Array(payload.buffer as ArrayBuffer, payload.byteOffset, payload.byteLength)
    : new Uint8Array(payload);
  return { bytes, isBinary: true };
}

/** A payload as it was published, of bytes a copy. */
export const payloadOf = ({ bytes, isBinary }: Item): string | ArrayBuffer =>
  isBinary ? bytes.slice().buffer : decode(bytes);
