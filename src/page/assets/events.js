/** Server-sent events out of the body of a response. `EventSource` sends no `Authorization`, so it cannot be used. */

/**
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<{name: string, data: string}>} without comments and events that carry nothing
 */
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return;
    }
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const event = parsed(block);
      if (event.data !== "") {
        yield event;
      }
    }
  }
}

function parsed(block) {
  const event = { name: "message", data: [] };
  for (const line of block.split("\n")) {
    if (line.startsWith("data:")) {
      event.data.push(line.slice(5).trimStart());
    } else if (line.startsWith("event:")) {
      event.name = line.slice(6).trim();
    }
  }
  return { name: event.name, data: event.data.join("\n") };
}
