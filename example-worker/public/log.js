// A log of lines, each of several parts. What arrives over a socket is inserted as text, never as HTML.
export function appendLine(lines, parts, kind) {
  const isAtEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 8;
  const line = document.createElement("p");
  line.className = kind;
  line.append(
    ...parts.map((part) => {
      const span = document.createElement("span");
      span.textContent = part;
      return span;
    }),
  );
  lines.append(line);
  if (isAtEnd) lines.scrollTop = lines.scrollHeight;
}
