/** Reads a request body whole, up to a limit. */
import type { IncomingMessage } from "node:http";
import { ApiError } from "./api-error.ts";

/**
 * Rejects with `ApiError` 413 when the body is larger, and with another error when the client goes away before its end.
 */
export function readBody(request: IncomingMessage, sizeMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      // The rest is read and dropped: a client that is still writing would not see the answer.
      if (size <= sizeMax) chunks.push(chunk);
      else reject(new ApiError(413, "BadRequestError", `The body is larger than ${sizeMax} bytes`));
    });
    request.once("end", () => resolve(Buffer.concat(chunks)));
    request.once("error", reject);
  });
}
