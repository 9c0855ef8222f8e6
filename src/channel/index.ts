// `socle/channel`: channels on their own, with nothing from Cloudflare.
export { chan, promiseChan, type Channel } from "./channel.ts";
export { droppingBuffer, fixedBuffer, slidingBuffer, type ChannelBuffer } from "./buffer.ts";
export { BufferSizeError, NullPutError, PendingLimitError, SignalError } from "./errors.ts";
export type { WaitOptions } from "./waiting.ts";
