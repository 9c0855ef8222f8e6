// The send channels in what was kept, and their places in what comes back.
import { isLong } from "../hibernation/difference.ts";
import { isObject } from "../hibernation/plain-data.ts";
import { SessionSendChannel, type SendLink } from "../sending/send-channel.ts";

/** Whether it is a send channel of the session. */
export const isChannelOf = (value: unknown, { channels }: SendLink): value is SessionSendChannel =>
  value instanceof SessionSendChannel && channels.includes(value);

/** What the attachment brings back of a channel. */
export const keptOf = ({ number, buffer }: SessionSendChannel): object => ({ number, buffer: { ...buffer } });

/** The session's channel of which the attachment has brought back its public fields. */
export const revived = ({ number, buffer }: SessionSendChannel, link: SendLink): SessionSendChannel =>
  link.channels[number] ?? new SessionSendChannel(link, buffer, number);

/** Puts others in the place of some of the objects in a value, at any depth. */
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
