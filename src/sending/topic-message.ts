// A publication in the forms in which it is sent: with the topic to clients of `socle.v1`, and without to others.
import type { EnvelopedPublication } from "../api/topics.ts";
import { decode, encode, type Bytes, type Item } from "../wire/frame.ts";
import { positionOf, publicationsFrame, type Place } from "../wire/publication.ts";
import { checkData, settle, type Data } from "./data.ts";

/** Makes the message for clients that don't receive topics by `socle.v1`. */
export type Envelope = (publication: EnvelopedPublication) => unknown;

/** The payload that was published, or its form in a history. */
export type Source = { readonly payload: Data } | { readonly item: Item };

/** A publication whose bytes nobody can change. Each of its forms is made once, for all sessions. */
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

  /** The payload as it was published. Nobody may change its bytes. */
  get payload(): Data {
    return (this.#payload ??= settle(payloadOf(this.#item!)));
  }

  get item(): Item {
    return (this.#item ??= itemOf(this.#payload!));
  }

  /** @throws what the option `envelope` throws; {@link PayloadError} if it returns no payload */
  get plain(): Data {
    return (this.#plain ??= this.#enveloped());
  }

  /** Fixes its bytes because it is sent later. If the envelope throws, it throws again for each session. */
  settle(): void {
    try {
      if (this.#envelope) void this.plain;
    } catch {
      // Clients of `socle.v1` still receive it.
    }
  }

  /** A frame with only this publication. */
  get frame(): Bytes {
    return (this.#frame ??= publicationsFrame(this.place, [this.item]));
  }

  /** Whether it can follow another one in one frame. */
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

/** A payload in the form of histories and frames. */
export function itemOf(payload: Data): Item {
  if (typeof payload === "string") return { bytes: encode(payload), isBinary: false };
  const bytes = ArrayBuffer.isView(payload)
    ? new Uint8Array(payload.buffer as ArrayBuffer, payload.byteOffset, payload.byteLength)
    : new Uint8Array(payload);
  return { bytes, isBinary: true };
}

/** The payload as it was published. Bytes are copied. */
export const payloadOf = ({ bytes, isBinary }: Item): string | ArrayBuffer =>
  isBinary ? bytes.slice().buffer : decode(bytes);
