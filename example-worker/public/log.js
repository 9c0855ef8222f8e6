// A list of lines, of which each is parts. What comes over a socket is only ever inserted as text.
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
