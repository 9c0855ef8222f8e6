// The send channels in a kept value, and their places in the restored value.
import { isLong } from "../hibernation/difference.ts";
import { isObject } from "../hibernation/plain-data.ts";
import { SessionSendChannel, type SendLink } from "../sending/send-channel.ts";

/** Whether the value is a send channel of the session. */
export const isChannelOf = (value: unknown, { channels }: SendLink): value is SessionSendChannel =>
  value instanceof SessionSendChannel && channels.includes(value);

/** What the attachment restores of a channel. */
export const keptOf = ({ number, buffer }: SessionSendChannel): object => ({ number, buffer: { ...buffer } });

/** The session's channel for the public fields that the attachment restored. */
export const revived = ({ number, buffer }: SessionSendChannel, link: SendLink): SessionSendChannel =>
  link.channels[number] ?? new SessionSendChannel(link, buffer, number);

/** Replaces some of the objects in a value, at any depth. */
export function replaceAll(value: unknown, others: ReadonlyMap<unknown, unknown>, seen = new Set<unknown>()): unknown {
  if (others.has(value)) return others.get(value);
  if (!isObject(value) || seen.has(value) || ArrayBuffer.isView(value)) return value;
  seen.add(value);
  const replaced = (member: unknown) => replaceAll(member, others, seen);
  if (value instanceof Map || value instanceof Set) {
    const members = [...value];
    value.clear();
    for (const member of members) {
      if (value instanceof Set) value.add(replaced(member));
      else value.set(replaced(member[0]), replaced(member[1]));
    }
  } else if (isLong(value)) {
    for (let index = 0; index < value.length; index++) {
      if (isObject(value[index])) value[index] = replaced(value[index]);
    }
  } else for (const [key, member] of Object.entries(value)) Reflect.set(value, key, replaced(member));
  return value;
}
