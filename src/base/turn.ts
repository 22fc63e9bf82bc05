/** Lets other work of the thread pass: messages, timers and sockets that are ready. */

/** Resolves in the event loop's next turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
