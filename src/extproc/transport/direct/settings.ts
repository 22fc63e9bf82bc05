/** The settings of a connection (RFC 9113, 6.5): what clients are told, and what they say. */
import {
  ERROR_CODE,
  FRAME_PAYLOAD_SIZE_MAX,
  readUint32,
  SETTING,
  SETTING_SIZE,
  settingsFrame,
  WINDOW_SIZE_MAX,
} from "../../../wire/http2/frame.ts";
import { STREAM_WINDOW_SIZE } from "./data-frames.ts";
import { HEADER_LIST_SIZE_MAX } from "./header-blocks.ts";
import { ConnectionError } from "./protocol-error.ts";

/** RFC 9113, 6.5.2. */
const MAX_FRAME_SIZE_MAX = 0xff_ffff;

/** What clients are told. */
export function ownSettings(concurrentStreamsMax: number): Buffer {
  return settingsFrame(
    new Map([
      [SETTING.maxConcurrentStreams, concurrentStreamsMax],
      [SETTING.initialWindowSize, STREAM_WINDOW_SIZE],
      [SETTING.maxHeaderListSize, HEADER_LIST_SIZE_MAX],
    ]),
  );
}

/**
 * Checks the settings of a SETTINGS payload; gives the window of each stream if it is among them, the only one that
 * matters here. Throws a ConnectionError for a value that there cannot be.
 */
export function readStreamWindow(payload: Buffer): number | undefined {
  let streamWindow: number | undefined;
  for (let at = 0; at < payload.length; at += SETTING_SIZE) {
    const id = payload.readUInt16BE(at);
    const value = readUint32(payload, at + 2);
    if (id === SETTING.enablePush && value > 1) throw wrongSetting("ENABLE_PUSH", value);
    if (id === SETTING.maxFrameSize && (value < FRAME_PAYLOAD_SIZE_MAX || value > MAX_FRAME_SIZE_MAX)) {
      throw wrongSetting("MAX_FRAME_SIZE", value);
    }
    if (id !== SETTING.initialWindowSize) continue;
    if (value > WINDOW_SIZE_MAX) throw wrongSetting("INITIAL_WINDOW_SIZE", value, ERROR_CODE.flowControlError);
    streamWindow = value;
  }
  return streamWindow;
}

function wrongSetting(name: string, value: number, code: number = ERROR_CODE.protocolError): ConnectionError {
  return new ConnectionError(code, `the setting ${name} is ${value}`);
}
